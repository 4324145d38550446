"""What all tests share: one thread (so that numbers repeat), generated data, real MovieLens."""

import os
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole.data.download import ensure_dataset
from recbole.errors import DataError

PROJECT = Path(__file__).parents[1]

torch.set_num_threads(1)

# A shell that starts the tests in the background has them ignore Ctrl-C, and so what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def rounds_to_tf32() -> bool:
    """Whether products of float32 on CUDA would now round to tf32; a CPU knows the setting, too."""
    products = torch.backends.cuda.matmul
    if hasattr(products, "fp32_precision"):  # torch 2.9
        return products.fp32_precision == "tf32"
    return products.allow_tf32


def write_toy_dataset(folder: Path, name: str = "toy", users: int = 40, items: int = 50) -> Path:
    """Atomic files with ratings 1..5 that follow from hidden factors; returns `folder/name`."""
    random = np.random.default_rng(0)
    taste, appeal = random.normal(size=(users, 3)), random.normal(size=(items, 3))
    rows = [(u, i) for u in range(users) for i in range(items) if random.random() < 0.4]
    path = folder / name
    path.mkdir(parents=True)
    with (path / f"{name}.inter").open("w") as file:
        file.write("user_id:token\titem_id:token\trating:float\ttimestamp:float\n")
        for time, (u, i) in enumerate(rows):
            score = 3.2 + taste[u] @ appeal[i] + 0.3 * random.normal()
            file.write(f"u{u}\ti{i}\t{min(5, max(1, round(score)))}\t{1000 + time}\n")
    with (path / f"{name}.user").open("w") as file:
        file.write("user_id:token\tage:token\theight:float\n")
        for u in range(users):
            file.write(f"u{u}\t{18 + u % 7}\t{150 + u}\n")
    with (path / f"{name}.item").open("w") as file:
        file.write("item_id:token\tyear:token\tgenre:token_seq\n")
        for i in range(items):
            genres = " ".join(f"g{g}" for g in sorted({i % 5, i % 3, i % 2}))
            file.write(f"i{i}\t{1990 + i % 9}\t{genres}\n")
    return path


TOY_OPTIONS = {
    "threshold": {"rating": 4},
    "load_col": None,
    "epochs": 3,
    "train_batch_size": 128,
    "embedding_size": 4,
    "precision": "fp32",  # whatever this machine is fastest with
    "log_tensorboard": False,
    "show_progress": False,
    "use_gpu": False,
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A working directory with `dataset/toy`; returns the options that fit it."""
    write_toy_dataset(tmp_path / "dataset")
    monkeypatch.chdir(tmp_path)
    return dict(TOY_OPTIONS)


def write_movielens_like(folder: Path, name: str, genre: str) -> Path:
    """A small generated data set with MovieLens' columns; `genre` names that of the genres."""
    random = np.random.default_rng(1)
    users, items = 60, 50
    taste, appeal = random.normal(size=(users, 3)), random.normal(size=(items, 3))
    path = folder / name
    path.mkdir(parents=True)
    with (path / f"{name}.inter").open("w") as file:
        file.write("user_id:token\titem_id:token\trating:float\ttimestamp:float\n")
        for u in range(users):
            for i in range(items):
                if random.random() < 0.5:
                    rating = min(5, max(1, round(3.4 + taste[u] @ appeal[i])))
                    file.write(f"{u + 1}\t{i + 1}\t{rating}\t{880000000 + u * i}\n")
    with (path / f"{name}.user").open("w") as file:
        file.write("user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n")
        for u in range(users):
            file.write(f"{u + 1}\t{20 + u % 9}\t{'MF'[u % 2]}\tjob{u % 4}\t{10000 + u}\n")
    with (path / f"{name}.item").open("w") as file:
        file.write("item_id:token\tmovie_title:token_seq\trelease_year:token")
        file.write(f"\t{genre}:token_seq\n")
        for i in range(items):
            file.write(f"{i + 1}\tMovie {i}\t{1990 + i % 8}\tDrama Genre{i % 3}\n")
    return path


@pytest.fixture(scope="session")
def movielens_100k(tmp_path_factory):
    """The folder that holds the real `ml-100k/`: a copy at hand, or what the project fetches."""
    if (PROJECT / "dataset" / "ml-100k" / "ml-100k.inter").is_file():
        return PROJECT / "dataset"
    folder = tmp_path_factory.mktemp("movielens")
    shared = Path(os.environ.get("RECBOLE_TEST_DATA", PROJECT / ".." / "shared" / "data"))
    if (shared / "ml-100k.zip").is_file():
        zipfile.ZipFile(shared / "ml-100k.zip").extractall(folder)
        return folder
    try:
        ensure_dataset("ml-100k", folder / "ml-100k")
    except DataError as error:
        pytest.skip(f"MovieLens-100K is not at hand and cannot be fetched: {error}")
    return folder

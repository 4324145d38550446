"""A small data set with every type of field, and models trained on it, for tests of their use."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recbole.data import Loader
from recbole.evaluator import collect
from recbole.quick_start import load_data_and_model, run_recbole

USERS, ITEMS = 30, 24
OPTIONS = {
    "threshold": {"rating": 4},
    "numerical_features": ["height", "dwell", "vector"],
    "epochs": 2,
    "train_batch_size": 128,
    "embedding_size": 4,
    "mlp_hidden_size": [8, 8],
    "learning_rate": 0.02,
    "log_tensorboard": False,
    "show_progress": False,
    "use_gpu": False,
}
#: Models that rank all items read nothing of the interaction itself.
WITHOUT_CONTEXT = {
    "numerical_features": ["height"],
    "load_col": {"inter": ["user_id", "item_id", "rating"], "user": "*", "item": "*"},
}


def write_shop(folder: Path) -> Path:
    """Atomic files with numeric ids and fields of all four types; returns `folder/shop`."""
    random = np.random.default_rng(3)
    path = folder / "shop"
    path.mkdir(parents=True)
    lines = [
        "user_id:token\titem_id:token\trating:float\thour:token\tdwell:float\ttags:token_seq"
        "\tvector:float_seq"
    ]
    for u in range(1, USERS + 1):
        for i in range(1, ITEMS + 1):
            if random.random() < 0.5:
                rating = 1 + (u * i + random.integers(3)) % 5
                tags = " ".join(f"t{t}" for t in sorted(random.choice(6, 2, replace=False)))
                lines.append(
                    f"{u}\t{i}\t{rating}\t{random.integers(24)}\t{random.random():.3f}\t{tags}"
                    f"\t{random.random():.2f} {random.random():.2f}"
                )
    (path / "shop.inter").write_text("\n".join(lines) + "\n")
    users = [f"{u}\t{20 + u % 7}\t{150 + u}" for u in range(1, USERS + 1)]
    (path / "shop.user").write_text("user_id:token\tage:token\theight:float\n" + "\n".join(users))
    items = [f"{i}\tThing, {i}\tg{i % 3} g{i % 4}" for i in range(1, ITEMS + 1)]
    (path / "shop.item").write_text(
        "item_id:token\ttitle:token\tgenre:token_seq\n" + "\n".join(items)
    )
    return path


def train(folder: Path, name: str, model: str, **options: object) -> Path:
    """Train in the working directory `folder`; return the checkpoint `<name>/….pth`."""
    settings = {**OPTIONS, **options, "checkpoint_dir": str(folder / name)}
    settings["data_path"] = str(folder / "dataset")
    run_recbole(model, "shop", config_dict=settings)
    (path,) = (folder / name).glob("*.pth")
    return path


def evaluated(checkpoint: Path) -> dict[str, np.ndarray]:
    """What the evaluator's `collect` says of all interactions, in the order of the file."""
    _, model, dataset, *_ = load_data_and_model(checkpoint)
    predictions = collect(model, Loader(dataset, 4096, False, "cpu", seed=0))
    columns = {"click_probability": predictions.click.numpy()}
    if predictions.class_probabilities is not None:
        for level, column in enumerate(predictions.class_probabilities.T, start=1):
            columns[f"probability_{level}"] = column.numpy()
        columns["expected_rating"] = predictions.expected_level.numpy()
    return columns

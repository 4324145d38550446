"""`recbole data get` and `convert`, from raw files to a run on them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recbole.commands.command_line import main
from recbole.data.sources.registry import NAMES

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("RECBOLE_TEST_DATA", ROOT / ".." / "shared" / "data"))
SMALL_RUN = ["--model=DCNV2", "--epochs=2", "--use_gpu=False", "--show_progress=False"]


def write_half_stars(folder: Path) -> Path:
    """The raw layout of MovieLens latest-small, with ratings that follow from hidden factors."""
    random = np.random.default_rng(0)
    users, movies = 60, 50
    taste, appeal = random.normal(size=(users, 2)), random.normal(size=(movies, 2))
    ratings = ["userId,movieId,rating,timestamp"]
    for u in range(users):
        for m in range(movies):
            if random.random() < 0.5:
                stars = min(5, max(0.5, round(2 * (3 + taste[u] @ appeal[m])) / 2))
                ratings.append(f"{u},{m},{stars},{964982703 + u * m}")
    titles = [
        f'{m + 1},"Movie, The {m} ({1990 + m % 9})",Drama|Genre{m % 3}' for m in range(movies)
    ]
    folder.mkdir()
    (folder / "ratings.csv").write_bytes("\r\n".join([*ratings, ""]).encode())
    (folder / "movies.csv").write_bytes("\r\n".join(["movieId,title,genres", *titles, ""]).encode())
    return folder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_on_the_data(capsys) -> dict[str, object]:
    """The command that `convert` printed, as a short run; returns its record."""
    hint = capsys.readouterr().out.strip()
    start = "Train on it: python run_recbole.py --model=DCNV2 "
    assert hint == start + "--dataset=ml-latest-small --multi_cls=10"
    assert main([*SMALL_RUN, *hint.removeprefix(start).split()]) == 0
    (path,) = Path("saved").glob("DCNV2-*.json")
    return json.loads(path.read_text())


def test_half_stars_train_with_ten_classes_at_once(folder, capsys):
    raw = write_half_stars(folder / "raw")
    assert main(["data", "convert", "ml-latest-small", f"--from={raw}"]) == 0
    record = run_on_the_data(capsys)
    assert record["config"]["multi_cls"] == 10
    assert sum(record["data"]["parts"].values()) > 1000
    assert 0.5 < record["test_result"]["auc"] <= 1


def test_the_real_latest_small_trains_at_once(capsys):
    archive = SHARED / "ml-latest-small.zip"
    if not archive.is_file():
        pytest.skip(f"ml-latest-small.zip is not in {SHARED}")
    assert main(["data", "convert", "ml-latest-small", "--from", str(archive)]) == 0
    record = run_on_the_data(capsys)
    assert record["data"]["parts"] == {"train": 64889, "valid": 8110, "test": 8110}


def test_the_real_sample_of_ml_1m_trains_at_once(capsys):
    archive = SHARED / "ml-1m-raw-sample.zip"
    if not archive.is_file():
        pytest.skip(f"ml-1m-raw-sample.zip is not in {SHARED}")
    assert main(["data", "convert", "ml-1m", f"--from={archive}"]) == 0
    assert main([*SMALL_RUN, "--dataset=ml-1m", "--multi_cls=5"]) == 0


def test_another_name_and_place(folder, capsys):
    """The command that is printed names the settings, which no longer go with the data's name."""
    raw = write_half_stars(folder / "raw")
    to = folder / "else where"
    assert main(["data", "convert", "ml-25m", "--from", str(raw), f"--to={to}", "--name=mine"]) == 0
    assert sorted(path.name for path in (to / "mine").iterdir()) == ["mine.inter", "mine.item"]
    words = shlex.split(capsys.readouterr().out.strip().removeprefix("Train on it: "))
    assert words[:3] == ["python", "run_recbole.py", "--model=DCNV2"]
    assert {"--dataset=mine", f"--data_path={to}"} <= set(words)
    assert main([*SMALL_RUN, *words[3:]]) == 0


def test_settings_of_a_family_and_of_the_working_directory_are_named(folder, capsys):
    raw = folder / "raw"
    raw.mkdir()
    (raw / "ratings_Books.csv").write_text("A1,0000000116,4.0,95\nA2,0000000117,1.0,96\n")
    (raw / "meta_Books.json").write_text('{"asin": "0000000116"}\n')

    def printed(*more):
        assert main(["data", "convert", "amazon-books-2014", f"--from={raw}", *more]) == 0
        return capsys.readouterr().out

    shared = ROOT / "configs" / "dataset" / "amazon.yaml"
    assert "--config_files" not in printed()
    assert "--config_files" not in printed("--name=amazon-mine-2014")  # the family's all the same
    assert f"--dataset=mine --config_files={shared} " in printed("--name=mine")
    (folder / "configs" / "dataset").mkdir(parents=True)
    (folder / "configs" / "dataset" / "amazon.yaml").write_bytes(shared.read_bytes())
    assert " --config_files=configs/dataset/amazon.yaml " in printed("--name=other")


def test_what_is_there_is_left_alone(folder, capsys):
    raw = write_half_stars(folder / "raw")
    assert main(["data", "convert", "ml-25m", f"--from={raw}"]) == 0
    before = (folder / "dataset/ml-25m/ml-25m.inter").stat()
    assert main(["data", "convert", "ml-25m", f"--from={raw}"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["data", "get", "ml-25m"]) == 0
    assert "is there already" in capsys.readouterr().out
    assert (folder / "dataset/ml-25m/ml-25m.inter").stat() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fetch"], "recbole data: expected one of get, convert, import, describe, got 'fetch'"),
        (["got"], "Did you mean 'get'?"),
        (["get"], "recbole data get: the following arguments are required: NAME"),
        (["get", "ml25m"], "No data set 'ml25m': there is no folder"),
        (["get", "yelp2018"], "recbole data convert yelp2018 --from=<path> --to=dataset"),
        (["get", "../x"], "Data set: expected a name, got '../x'"),
        (["get", "ml-1m", "--mirror=ftp://x"], "must start with http:// or https://"),
        (["get", "ml-1m", "--miror=x"], "unknown argument '--miror'. Did you mean '--mirror'?"),
        (["convert", "ml-1m"], "the following arguments are required: --from"),
        (["convert", "ml-1m", "--from=nowhere"], "nowhere: no such file or folder"),
        (["convert", "ml-2m", "--from=."], "No converter for 'ml-2m'. Did you mean 'ml-"),
    ],
)
def test_mistakes_are_explained(folder, capsys, arguments, message):
    assert main(["data", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert list(folder.iterdir()) == []


def test_help_names_every_data_set_and_needs_no_torch():
    code = (
        "import sys; from recbole.commands.command_line import main\n"
        "for arguments in (['data'], ['data', 'get', '--help']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit: pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        assert name in done.stdout
    assert "make it from raw files" in done.stdout

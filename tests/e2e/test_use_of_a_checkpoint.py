"""A checkpoint at work from outside: predict and recommend as commands, and what a kill leaves."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from recbole.commands.command_line import main
from recbole.quick_start import load_data_and_model, run_recbole

ROOT = Path(__file__).parents[2]


def command(*arguments):
    return [sys.executable, str(ROOT / "run_recbole.py"), *arguments]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(*arguments):
    """The program in a process of its own."""
    return subprocess.run(
        command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def trained(toy):
    """The checkpoint of a model on the toy data, in the working directory."""
    run_recbole("WideDeep", "toy", config_dict={**toy, "mlp_hidden_size": [8, 8], "multi_cls": 5})
    (path,) = Path("saved").glob("*.pth")
    return path


def test_training_rows_get_the_scores_of_the_evaluation(trained):
    _, model, dataset, train_data, _, _ = load_data_and_model(trained)
    users = dataset.id2token("user_id", train_data.dataset.inter_feat["user_id"])
    items = dataset.id2token("item_id", train_data.dataset.inter_feat["item_id"])
    pyarrow.csv.write_csv(pa.table({"user_id": users, "item_id": items}), "rows.csv")
    train_data.shuffle = False
    expected = np.concatenate([model.predict(batch).detach().numpy() for batch in train_data])

    done = run("predict", f"--checkpoint={trained}", "--input=rows.csv", "--output=scores.csv")
    assert done.returncode == 0, done.stderr
    assert f"{len(expected):,} rows in" in done.stderr
    assert done.stdout == ""
    scores = pyarrow.csv.read_csv("scores.csv")
    np.testing.assert_allclose(scores["click_probability"], expected, rtol=0, atol=1e-6)

    shutil.rmtree("dataset")
    first = Path("scores.csv").read_bytes()
    assert run("predict", f"--checkpoint={trained}", "--input=rows.csv",
               "--output=scores.csv").returncode == 0  # fmt: skip
    assert Path("scores.csv").read_bytes() == first


def test_scores_in_a_file_need_no_pandas(trained):
    code = (
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'pandas':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from recbole.quick_start import predict\n"
        f"predict('{trained}', 'dataset/toy/toy.inter', 'scores.parquet')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("number", "output"),
    [
        (signal.SIGINT, "out/scores.csv"),
        (signal.SIGINT, "out/scores.parquet"),
        (signal.SIGTERM, "out/scores.parquet"),
        (signal.SIGKILL, "out/scores.csv"),
    ],
)
def test_a_kill_leaves_no_output(trained, number, output):
    rows = 20_000_000
    column = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int8), pa.array(["u1"]))
    pq.write_table(pa.table({"user_id": column, "item_id": column}), "rows.parquet")
    process = subprocess.Popen(
        command("predict", f"--checkpoint={trained}", "--input=rows.parquet", f"--output={output}",
                "--batch_size=512"),
        env=ENVIRONMENT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        written = wait_for_a_part_in(Path("out"))
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert written.name.startswith(".")
    assert not Path(output).exists()
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 128 + number, error
        assert list(Path("out").iterdir()) == []
        assert "Traceback" not in error


def wait_for_a_part_in(folder):
    """The file that is being written, once there is something in it."""
    for _ in range(1200):
        found = [path for path in folder.glob("*") if path.stat().st_size > 0]
        found += [path for path in folder.glob(".*") if path.stat().st_size > 0]
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("nothing was written within a minute")


def test_recommend_as_a_command(trained):
    done = run("recommend", f"--checkpoint={trained}", "--users=u1,u2", "--topk=3",
               "--titles=year", "--output=lists.csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    lists = pyarrow.csv.read_csv("lists.csv")
    assert lists["user_id"].to_pylist() == ["u1"] * 3 + ["u2"] * 3
    assert lists.column_names == ["user_id", "rank", "item_id", "click_probability", "year"]
    shutil.rmtree("dataset")
    done = run("recommend", f"--checkpoint={trained}", "--users=u1")
    assert done.returncode == 2
    assert "--include_seen=True" in done.stderr
    assert not Path("dataset").exists()


@pytest.mark.parametrize("name", ["predict", "recommend"])
def test_help_and_unknown_commands(capsys, name):
    for arguments, example in (
        ([name, "--help"], f"recbole {name} --checkpoint="),
        (["--help"], f"run_recbole.py {name} --checkpoint="),
    ):
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
        assert example.removeprefix("run_recbole.py ") in capsys.readouterr().out
    assert main([name[:-1]]) == 2
    assert f"Did you mean '{name}'?" in capsys.readouterr().err

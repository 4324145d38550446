"""The command line from outside: what it prints, leaves behind, and how it exits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from recbole.commands.command_line import main

ROOT = Path(__file__).parents[2]
TOY = ["--threshold={rating: 4}", "--load_col=None", "--embedding_size=4", "--use_gpu=False",
       "--train_batch_size=128", "--log_tensorboard=False"]  # fmt: skip


def run(*arguments):
    """The program in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "run_recbole.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_run_trains_tests_and_leaves_its_files(toy):
    done = run("--model=DCNV2", "--dataset=toy", "--multi_cls=5", "--multi_ratio=0.7",
               "--epochs=2", "--mlp_hidden_size=[8,8]", *TOY)  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = Path("saved").glob("DCNV2-*.json")
    record = json.loads(path.read_text())
    assert f"test auc: {record['test_result']['auc']}" in done.stdout.splitlines()
    assert record["status"] == "finished"
    assert record["config"]["multi_cls"] == 5
    assert record["sources"]["multi_cls"] == "command line"
    assert record["sources"]["learner"] == "default"
    assert [epoch["epoch"] for epoch in record["epochs"]] == [0, 1]
    assert set(record["epochs"][0]["loss_parts"]) == {"ce", "bce", "penalty"}
    assert record["epochs"][0]["valid_result"]["auc"] <= record["best_valid_score"]
    assert record["parameters"] > 0
    assert record["peak_memory_mb"]["resident"] > 50
    assert record["data"]["interactions"] > 0
    assert {"auc", "logloss", "gauc", "mae", "rmse", "ece", "copc"} <= set(record["test_result"])
    assert {"ratingaccuracy", "ratingmae", "macrof1"} <= set(record["test_result"])
    saved = torch.load(path.with_suffix(".pth"), weights_only=True)
    assert saved["resume"] is None
    assert sum(weight.numel() for weight in saved["state_dict"].values()) >= record["parameters"]
    (log,) = Path("log/DCNV2").glob("*.log")
    assert log.stem == path.stem
    assert "Device: cpu" in log.read_text()


def test_the_same_command_gives_the_same_numbers(toy):
    results = []
    for folder in ("first", "second"):
        assert main(["-m", "WideDeep", "-d", "toy", "--epochs=2", f"--checkpoint_dir={folder}",
                     *TOY]) == 0  # fmt: skip
        (path,) = Path(folder).glob("*.json")
        record = json.loads(path.read_text())
        results.append([record["test_result"], [e["train_loss"] for e in record["epochs"]]])
    assert results[0] == results[1]


def test_mistyped_option_names_the_nearest():
    done = run("--model=DCNV2", "--dataset=ml-100k", "--multi_rato=0.7")
    assert done.returncode == 2
    assert done.stderr == (
        "Unknown option 'multi_rato' (command line). Did you mean 'multi_ratio'?\n"
    )
    assert done.stdout == ""


def test_help_explains_itself():
    done = run("--help")
    assert done.returncode == 0
    assert "--multi_cls=5 --multi_ratio=0.7" in done.stdout
    assert "--resume" in done.stdout


def test_show_config_gives_value_source_and_meaning(toy, capsys):
    Path("mine.yaml").write_text("learning_rate: 1e-2\nthreshold: {rating: 3}\n")
    assert main(["-m", "DCNV2", "-d", "toy", "--config_files", "mine.yaml", "--seed=7",
                 "--show_config"]) == 0  # fmt: skip
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if "│" in line}
    assert "0.01" in lines["learning_rate"]
    assert "mine.yaml" in lines["learning_rate"]
    assert "command line" in lines["seed"]
    assert "default" in lines["epochs"]
    assert "most passes over the training part" in lines["epochs"]
    assert not Path("saved").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Option 'model' is required: give --model=<name>"),
        (["-m", "DCNV2"], "Option 'dataset' is required: give --dataset=<name>"),
        (["-m", "DCNv2", "-d", "toy"], "Did you mean 'DCNV2'?"),
        (["-m", "DCNV2", "-d", "../toy"], "expected the name of a folder, got '../toy'"),
        (["-m", "DCNV2", "-d", "toy", "--nproc=2"], "a run is one process so far, got nproc=2"),
        (["-m", "DCNV2", "-d", "toy", "--config_files", "no.yaml"], "no.yaml does not exist"),
        (["-m", "DCNV2", "-d", "toy", "epochs=3"], "expected --key=value, got 'epochs=3'"),
        (["--resume=no.pth"], "Checkpoint no.pth does not exist"),
        (["--resume=no.pth", "-m", "DCNV2"], "Option 'model': a resumed run has all its options"),
        (["--resume=no.pth", "--config_files", "no.yaml"], "Option 'config_files': a resumed run"),
        (["--resume=no.pth", "--nproc=2"], "Option 'nproc': a resumed run"),
        (["--resume=no.pth", "--model_file=x"], "Option 'model_file' can't be changed"),
        (["-m", "DCNV2", "-d", "toy", "--multi_cls=5"], "threshold"),
        (["-m", "DCNV2", "-d", "toy", "--multi_cls=7", *TOY], "levels"),
    ],
)
def test_bad_input_exits_2_with_one_message(toy, capsys, arguments, message):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not Path("saved").exists()


def test_a_diverging_loss_stops_the_run(toy, capsys):
    assert main(["-m", "WideDeep", "-d", "toy", "--learner=sgd", "--learning_rate=1e30", *TOY]) == 1
    said = capsys.readouterr().err
    assert "became NaN or infinite in epoch 0, step" in said
    assert "learning rate 1e+30 is too high" in said


def test_a_huge_unnormalised_feature_is_named(toy, capsys):
    path = Path("dataset/toy/toy.user")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line + "e35" for line in lines[1:])]) + "\n")
    assert main(["-m", "WideDeep", "-d", "toy", "--numerical_features=[height]",
                 "--normalize_all=False", *TOY]) == 1  # fmt: skip
    assert "numerical feature 'height' holds values up to" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_stops_the_run_before_it_trains(toy, capsys):
    Path("taken").write_text("a file, not a folder")
    assert main(["-m", "WideDeep", "-d", "toy", "--checkpoint_dir=taken/saved", *TOY]) == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == "Not a directory: taken/saved"
    assert "epoch 0" not in said

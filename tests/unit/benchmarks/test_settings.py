import argparse
import re
import subprocess

import pytest
import yaml
from measure import environments
from measure.environments import KNOWN, python_of
from measure.settings import HEADS, MODELS, PAPER, SETTINGS, files_of, parse, plain_value
from measure.sides import PEERS

from recbole.config import Config


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("head", HEADS)
def test_every_settings_file_is_one_that_the_model_takes(model, head):
    config = Config(model, "ml-1m", files_of(model, "ml-1m", SETTINGS), HEADS[head])
    assert config["train_batch_size"] == 4096
    assert config["embedding_size"] == 16
    own = yaml.safe_load((SETTINGS / f"{model}.yaml").read_text())
    assert {name: config.sources[name] for name in own} == {
        name: str(SETTINGS / f"{model}.yaml") for name in own
    }


@pytest.mark.parametrize("settings", [PAPER, None])
def test_the_papers_settings_serve_too(settings):
    files = files_of("DCNV2", "ml-1m", settings)
    assert [path.rpartition("/")[2] for path in files] == [
        "ml-1m.yaml",
        "shared.yaml",
        "ml-1m-DCNV2.yaml",
    ]


def test_data_that_the_paper_does_not_have_get_sizes_all_the_same():
    assert files_of("NFM", "ml-100k", None) == files_of("NFM", "ml-100k", SETTINGS)


def test_a_model_without_settings_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"NFM\.yaml"):
        files_of("NFM", "ml-1m", tmp_path)


def parsed(*given):
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=5)
    import sys
    from unittest import mock

    with mock.patch.object(sys, "argv", ["bench", *given]):
        return parse(parser)


def test_further_options_are_those_of_the_runs():
    arguments, options = parsed("--steps=3", "--precision=fp32", "--sizes=[1, 2]", "--a=b=c")
    assert arguments.steps == 3
    assert options == {"precision": "fp32", "sizes": [1, 2], "a": "b=c"}


@pytest.mark.parametrize("given", ["--precision", "fp32", "precision=fp32"])
def test_what_is_no_option_is_refused(given, capsys):
    with pytest.raises(SystemExit):
        parsed(given)
    assert "expected --key=value" in capsys.readouterr().err


def test_values_are_numbers_words_or_text():
    assert [plain_value(text) for text in ("1e-3", "True", "None", "bf16")] == [
        0.001,
        True,
        None,
        "bf16",
    ]


@pytest.mark.parametrize("name", KNOWN)
def test_every_peer_has_a_driver_and_exact_versions(name):
    peer = KNOWN[name]
    assert (PEERS / peer.driver).is_file()
    lines = (PEERS / peer.pins).read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    package, version = peer.pins.removesuffix(".txt").rsplit("-", 1)
    assert f"{package}=={version}" in pins
    assert "torch==2.13.0" in pins


@pytest.fixture
def builds(monkeypatch, tmp_path):
    """A fake peer with pins, and the commands that building its environment runs."""
    (tmp_path / "pins-1.txt").write_text("# comment\nnumpy==1\ntorch==2\n")
    monkeypatch.setattr(environments, "PEERS", tmp_path)
    monkeypatch.setattr(environments, "_interpreter", lambda: "python3.11")
    commands = []

    def run(command, **_):
        commands.append(command)
        if command[1:3] == ["-m", "venv"]:
            environments.Path(command[3]).mkdir(parents=True)
        return subprocess.CompletedProcess(command, returncode=int("numpy" in fail))

    fail = []
    monkeypatch.setattr(environments.subprocess, "run", run)
    peer = environments.Peer("peer", "driver.py", "pins-1.txt", ("NFM",))
    return peer, tmp_path, commands, fail


def test_an_environment_is_built_once_torch_first_and_nothing_resolved(builds):
    peer, folder, commands, _ = builds
    python = python_of(peer, folder / "envs")
    assert python == str(folder / "envs" / "pins-1" / "bin" / "python")
    assert commands[0][-1] == str(folder / "envs" / "pins-1")
    assert commands[1][-1] == "torch==2"
    assert commands[2][-3:] == ["--no-deps", "--requirement", str(folder / "pins-1.txt")]
    assert python_of(peer, folder / "envs") == python
    assert len(commands) == 3


def test_other_versions_are_another_environment(builds):
    peer, folder, commands, _ = builds
    python_of(peer, folder / "envs")
    (folder / "pins-1.txt").write_text("torch==3\n")
    python_of(peer, folder / "envs")
    assert [command[-1] for command in commands if "torch" in command[-1]] == [
        "torch==2",
        "torch==3",
    ]


def test_a_failed_installation_is_not_taken_for_done(builds):
    peer, folder, commands, fail = builds
    fail.append("numpy")
    with pytest.raises(SystemExit, match="failed"):
        python_of(peer, folder / "envs")
    fail.clear()
    python_of(peer, folder / "envs")
    assert len(commands) == 4

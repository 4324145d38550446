"""What the README tells a reader to type works: Python blocks are run, commands are validated."""

import re
import shlex
from pathlib import Path

import pytest

from recbole.quick_start.command_line import main
from tests.conftest import write_movielens_like

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    """Every `python run_recbole.py ...` of the README, continuation lines joined."""
    text = "\n".join(blocks("bash")).replace("\\\n", " ")
    lines = (line for line in text.splitlines() if line.startswith("python run_recbole.py"))
    return [shlex.split(line, comments=True)[2:] for line in lines]


@pytest.fixture
def movielens(tmp_path, monkeypatch):
    write_movielens_like(tmp_path / "dataset")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)


def test_there_is_something_to_test():
    assert len(commands()) >= 6
    assert len(blocks("python")) >= 3


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_commands_are_valid(movielens, capsys, arguments):
    assert main([a for a in arguments if a != "--show_config"] + ["--show_config"]) == 0
    assert "effect" not in capsys.readouterr().err


def test_python_blocks_run_one_after_another(movielens, monkeypatch):
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102

"""What the README tells a reader to type works: Python blocks are run, commands are validated."""

import re
import shlex
from pathlib import Path

import pytest

from recbole.commands.command_line import main
from tests.conftest import write_movielens_like
from tests.e2e.books import books_of_the_readme, write_books

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    """Every `python run_recbole.py ...` of the README, continuation lines joined."""
    text = "\n".join(blocks("bash")).replace("\\\n", " ")
    lines = (line for line in text.splitlines() if line.startswith("python run_recbole.py"))
    given = [shlex.split(line, comments=True)[2:] for line in lines]
    # The section on own data has a test of its own, test_own_data.py.
    return [
        arguments
        for arguments in given
        if arguments[0] != "data" and "--dataset=books" not in arguments
    ]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A working directory with the README's data sets, generated, and the project's settings."""
    write_movielens_like(tmp_path / "dataset", "ml-100k", genre="class")
    write_movielens_like(tmp_path / "dataset", "ml-1m", genre="genre")
    write_books(tmp_path / "books.csv", books_of_the_readme())
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)


def test_there_is_something_to_test():
    assert len(commands()) >= 6
    assert len(blocks("python")) >= 3


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_commands_run(data, capsys, arguments):
    shows = "--show_config" in arguments
    assert main(arguments if shows else [*arguments, "--epochs=1"]) == 0
    printed = capsys.readouterr()
    assert ("option" if shows else "test auc: ") in printed.out
    assert "no effect" not in printed.err


def test_python_blocks_run_one_after_another(data):
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})

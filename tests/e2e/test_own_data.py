"""Own data, from a table with odd column names to a finished run: the README's two commands."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from recbole.commands.command_line import main
from tests.e2e.books import README, books_of_the_readme, write_books

ROOT = Path(__file__).parents[2]


def commands():
    """The commands of the README's section on own data, as they are typed."""
    section = README.partition("## Your own data")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    return block.strip().splitlines()


@pytest.fixture
def books(tmp_path, monkeypatch):
    """A working directory with `books.csv`."""
    write_books(tmp_path / "books.csv", books_of_the_readme())
    monkeypatch.chdir(tmp_path)


def printed_command(output):
    """The command that trains, of the output of an import."""
    return output.partition("Train on it:")[2].strip().splitlines()[0].strip()


def test_two_commands_from_a_table_to_a_finished_multi_class_run(books, capsys, monkeypatch):
    importing, training = commands()
    monkeypatch.setattr(sys, "argv", ["run_recbole.py"])
    assert main(shlex.split(importing)[2:]) == 0
    printed = capsys.readouterr().out
    assert shlex.split(printed_command(printed)) == shlex.split(training)
    for cell in ("'0042'", "prix", "themes", "token_seq", "parts between '|'"):
        assert cell in printed

    more = ["--epochs=2", "--log_tensorboard=False", "--show_progress=False"]
    assert main([*shlex.split(training)[2:], *more]) == 0
    assert "test ratingaccuracy: " in capsys.readouterr().out
    (record,) = Path("saved").glob("*.json")
    found = json.loads(record.read_text())
    assert found["status"] == "finished"
    assert found["data"]["interactions"] == 1502
    assert set(found["data"]["fields"]) == {"user_id", "item_id", "prix", "themes"}


def test_the_same_in_processes_of_their_own(books):
    """Nothing of the import is left in memory, and the program is called as the README says."""
    for command in commands():
        arguments = [sys.executable, str(ROOT / "run_recbole.py"), *shlex.split(command)[2:]]
        if "import" not in command:
            arguments += ["--epochs=1", "--log_tensorboard=False"]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    assert "test auc: " in done.stdout


def test_describe_after_the_import(books, capsys):
    importing, _ = commands()
    assert main(shlex.split(importing)[2:]) == 0
    capsys.readouterr()
    assert main(["data", "describe", "books", "--threshold={rating: 7}", "--output=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["read"]["interactions"] == 1502
    assert found["fit"]["multi_cls"] == 10
    assert main(["data", "describe", "books", "--threshold={rating: 7}"]) == 0
    text = capsys.readouterr().out
    assert "█" in text and 'Fitting: "--threshold={rating: 7}" --multi_cls=10' in text


@pytest.mark.parametrize("arguments", [["data"], ["data", "--help"], ["data", "import", "--help"],
                                       ["data", "describe", "--help"]])  # fmt: skip
def test_help_needs_neither_torch_nor_data(arguments):
    code = (
        "import sys\n"
        "from recbole.commands.command_line import main\n"
        "try:\n"
        f"    status = main({arguments})\n"
        "except SystemExit as end:\n"
        "    status = end.code\n"
        "print(status, sorted({'torch', 'pandas', 'pyarrow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr
    assert "recbole data" in done.stdout


def test_a_verb_that_is_not_there(capsys):
    assert main(["data", "discribe", "books"]) == 2
    assert "got 'discribe'. Did you mean 'describe'?" in capsys.readouterr().err

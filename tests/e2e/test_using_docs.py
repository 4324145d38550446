"""What docs/using.md says of using a checkpoint works as it stands there."""

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

from recbole.commands.command_line import main
from recbole.quick_start import run_recbole
from tests.conftest import write_movielens_like

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/using.md").read_text(encoding="utf-8")
NAMES = ("rank_eval", "predict", "recommend", "compare", "robustness", "lipschitz")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands():
    text = "\n".join(blocks("bash")).replace("\\\n", " ")
    text = text.replace("recbole_rank_eval.py", "run_recbole.py rank_eval")
    lines = [shlex.split(line)[2:] for line in text.splitlines() if "run_recbole.py" in line]
    return [line for line in lines if line[0] in NAMES]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder like a user's: MovieLens, a checkpoint, and rows to be scored."""
    folder = tmp_path_factory.mktemp("using")
    inter = write_movielens_like(folder / "dataset", "ml-100k", genre="class") / "ml-100k.inter"
    # Users and items by the names that the page uses.
    lines = [line.split("\t") for line in inter.read_text().splitlines()]
    names = {"1": "196", "2": "186"}
    renamed = ["\t".join([names.get(user, user), *rest]) for user, *rest in lines]
    inter.write_text("\n".join(renamed) + "\n")
    users = inter.with_suffix(".user")
    text = users.read_text().replace("\n1\t", "\n196\t").replace("\n2\t", "\n186\t")
    users.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options = {"multi_cls": 5, "epochs": 1, "log_tensorboard": False, "show_progress": False}
        run_recbole("DCNV2", "ml-100k", config_dict={**options, "use_gpu": False})
        (saved,) = Path("saved").glob("*.pth")
        for name in ("DCNV2", "binary", "graded"):
            shutil.copy(saved, f"saved/{name}.pth")
        rows = pd.DataFrame({"user_id": [196, 186, 5], "item_id": [1, 2, 3]})
        rows.to_csv("rows.csv", index=False)
        rows.to_parquet("rows.parquet")
    return folder


def test_there_is_something_to_test():
    assert {arguments[0] for arguments in commands()} == set(NAMES)
    assert len(commands()) >= 6


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_commands_work(trained, monkeypatch, arguments):
    monkeypatch.chdir(trained)
    output = [Path(a.partition("=")[2]) for a in arguments if a.startswith("--output=")]
    for path in output:
        path.unlink(missing_ok=True)
    assert main(arguments) == 0
    assert all(path.stat().st_size for path in output)


@pytest.mark.parametrize(
    "block", [b for b in blocks("python") if any(n in b for n in (*NAMES, "case_study"))]
)
def test_python_blocks_work(trained, monkeypatch, capsys, block):
    monkeypatch.chdir(trained)
    exec(compile(block, "using.md", "exec"), {"__name__": "using"})
    assert ("print" in block) == bool(capsys.readouterr().out)

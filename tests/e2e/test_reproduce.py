"""`recbole reproduce` on MovieLens-100K, and its page in headless Chromium."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recbole.report.report import write_report
from recbole.sweep.table import ResultsTable
from tests.conftest import write_toy_dataset
from tests.e2e.chromium import browser
from tests.unit.report.made_up import fill, reproduction, write_settings

ROOT = Path(__file__).parents[2]
TABLES = ["table-1", "table-2", "table-3", "theorem-1", "aggregation", "ablations"]
SECTIONS = [*TABLES, "figure-2", "figure-3", "figure-4", "missing", "runs", "environment"]

_COLUMN = """
return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)]
  .map(row => row.cells[arguments[1]].innerText);"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def real(tmp_path_factory, movielens_100k):
    """A small reproduction on real data: its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("reproduce")
    (folder / "dataset").symlink_to(movielens_100k)
    (folder / "configs").symlink_to(ROOT / "configs")
    command = [sys.executable, ROOT / "run_recbole.py", "reproduce", "--dataset=ml-100k"]
    command += ["--quick", "--models=WideDeep,NFM", "--ratios=0.7", "--epochs=2", "--jobs=2"]
    done = subprocess.run(
        [*command, "--results=results"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "results", done


def test_the_report_is_that_of_the_runs(real):
    folder, done = real
    assert "results/report.html" in done.stdout and "12 of 12 runs have ended" in done.stdout
    rows = {row.key: row for row in ResultsTable(folder).rows()}
    assert len(rows) == 12
    with (folder / "table-1.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if line["metric"] == "AUC %"]
    assert [line["model"] for line in lines] == ["WideDeep", "NFM"]
    for line in lines:
        runs = [rows[key] for key in line["runs"].split()]
        assert len(runs) == 4 and {run.model for run in runs} == {line["model"]}
        for name in ("original", "smooth"):
            values = [100 * run.test["auc"] for run in runs if run.variant == name]
            assert len(values) == 2
            assert line[name].startswith(f"{sum(values) / 2:.2f} ± ")
    text = (folder / "report.md").read_text()
    assert "## Table 2: ranking" in text and "not run" not in text.split("## Theorem 1")[0]


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """A page with everything in it that a page can have."""
    folder = tmp_path_factory.mktemp("made_up")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_toy_dataset(folder / "dataset")
        write_settings(folder)
        (folder / "configs/ablations").mkdir()
        variants = {"two classes": {"multi_cls": 2}, "λ = 1": {"multi_cls": 5, "multi_ratio": 1.0}}
        text = json.dumps({"variants": variants})
        (folder / "configs/ablations/toy-WideDeep.yaml").write_text(text)
        wanted = reproduction(ablated=("WideDeep",))
        table = ResultsTable(folder / "results")
        fill(table, wanted, leave_out=lambda cell: cell.model == "NFM" and cell.seed == 2)
        yield write_report(wanted, table, folder / "out")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("which", ["real", "made_up"])
def test_everything_is_there_and_nothing_amiss(chromium, request, which, width):
    found = request.getfixturevalue(which)
    path = found if which == "made_up" else found[0] / "report.html"
    chromium.command(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    chromium.open(path, width)
    sections = "return [...document.querySelectorAll('section')].map(s => s.id)"
    assert chromium.run(sections) == SECTIONS
    pictures = chromium.run(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.alt.length])"
    )
    assert len(pictures) == 4
    assert all(complete and size > 100 and alt > 30 for complete, size, alt in pictures)
    empty = "return [...document.querySelectorAll('section')].filter(s => s.offsetHeight < 60)"
    assert chromium.run(f"{empty}.length") == 0
    assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.run("return performance.getEntriesByType('resource').length") == 0
    links = """return [...document.querySelectorAll("a[href^='#']")]
      .filter(a => !document.getElementById(a.hash.slice(1))).length"""
    assert chromium.run(links) == 0
    tables = 7 if which == "made_up" else 6  # without ablations
    assert chromium.run("return document.querySelectorAll('table').length") == tables
    assert chromium.console() == []


def column(chromium, section, number):
    return chromium.run(_COLUMN.replace("arguments[0]", f"'{section}'").replace(
        "arguments[1]", str(number)
    ))  # fmt: skip


def press(chromium, section, number):
    chromium.run(f"document.querySelectorAll('#{section} th button')[{number}].click()")


def test_columns_are_sorted(chromium, made_up):
    chromium.open(made_up, 1280)
    seeds = [int(text) for text in column(chromium, "runs", 3)]
    assert seeds != sorted(seeds)
    press(chromium, "runs", 3)
    assert [int(text) for text in column(chromium, "runs", 3)] == sorted(seeds)
    assert (
        chromium.run("return document.querySelector('#runs [aria-sort]').ariaSort") == "ascending"
    )
    press(chromium, "runs", 3)
    assert [int(text) for text in column(chromium, "runs", 3)] == sorted(seeds, reverse=True)
    press(chromium, "runs", 1)
    models = column(chromium, "runs", 1)
    assert models == sorted(models) and len(set(models)) == 2
    assert chromium.run("return document.querySelectorAll('#runs [aria-sort]').length") == 1
    press(chromium, "theorem-1", 2)  # numbers in front of what was not run
    values = column(chromium, "theorem-1", 2)
    number = [not text.startswith("not") for text in values]
    assert number == sorted(number, reverse=True) and not all(number) and any(number)
    assert chromium.console() == []


def test_a_number_leads_to_its_runs(chromium, made_up):
    chromium.open(made_up, 1280)
    assert chromium.run("return document.querySelectorAll('tr.lit').length") == 0
    chromium.run("document.querySelector('#table-1 td:nth-child(3) a').click()")
    lit = chromium.run(
        "return [...document.querySelectorAll('tr.lit')].map(r => r.cells[1].innerText"
        " + ' ' + r.cells[2].innerText)"
    )
    assert lit == ["WideDeep original"] * 3
    assert chromium.console() == []

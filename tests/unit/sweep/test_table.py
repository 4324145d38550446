"""A table of results that is handed on as one Parquet file."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
from pyarrow import parquet

from recbole.errors import DataError
from recbole.sweep.table import FAILED, ResultsTable, Row

FINISHED_ROW = Row(
    key="a1", model="WideDeep", dataset="ml-100k", seed=2020, variant="smooth", command="run it",
    epochs=7, best_epoch=2, parameters=123, started="2026-01-01", ended="2026-01-02", seconds=3.5,
    valid={"auc": 0.5, "ndcg@10": 0.25}, test={"auc": 0.75}, config={"epochs": 7, "seeds": None},
    measures={"ranking": {"ndcg@10": 0.25}}, versions={"torch": "2.13.0"},
)  # fmt: skip
FAILED_ROW = Row("b2", "NFM", "ml-100k", 2021, "original", "run it", FAILED, "out of memory", 2)


@pytest.fixture
def shared(tmp_path):
    """A folder with nothing but the exported table of two rows."""
    table = ResultsTable(tmp_path / "own")
    table.put(FINISHED_ROW)
    table.put(FAILED_ROW)
    (tmp_path / "shared").mkdir()
    shutil.copy(table.export(), tmp_path / "shared")
    return tmp_path / "shared"


def test_all_rows_come_back(shared):
    table = ResultsTable(shared)
    assert table.row("a1") == FINISHED_ROW
    assert table.row("b2") == FAILED_ROW
    assert len(table.rows()) == 2


def test_a_row_that_was_removed_stays_removed(shared):
    (ResultsTable(shared).rows_folder / "a1.json").unlink()
    assert ResultsTable(shared).rows() == [FAILED_ROW]


def test_a_newer_table_brings_its_further_rows(shared, tmp_path):
    """As where the one in a repository has been updated; a row that is here stays as it is."""
    here = ResultsTable(shared)
    here.put(replace(FINISHED_ROW, epochs=8))
    here.export()
    there = ResultsTable(tmp_path / "own")
    there.put(replace(FINISHED_ROW, key="c3"))
    shutil.copy(there.export(), shared)
    table = ResultsTable(shared)
    assert {row.key: row.epochs for row in table.rows()} == {"a1": 8, "b2": 0, "c3": 7}
    table.export()
    assert len(ResultsTable(shared).rows()) == 3


def test_a_table_that_comes_while_rows_are_added_is_taken_in(shared, tmp_path):
    here = ResultsTable(shared)
    there = ResultsTable(tmp_path / "own")
    there.put(replace(FINISHED_ROW, key="c3"))
    shutil.copy(there.export(), shared)
    here.put(replace(FINISHED_ROW, key="d4"))
    here.export()
    assert {row.key for row in ResultsTable(shared).rows()} == {"a1", "b2", "c3", "d4"}


def test_an_export_of_its_own_brings_nothing_back(shared):
    table = ResultsTable(shared)
    table.export()
    (table.rows_folder / "a1.json").unlink()
    assert ResultsTable(shared).rows() == [FAILED_ROW]


def test_a_run_at_work_is_no_row(shared):
    path = shared / "results.parquet"
    lines = parquet.read_table(path).to_pylist()
    running = {**lines[0], "key": "c3", "status": "running"}
    parquet.write_table(pa.Table.from_pylist([*lines, running]), path)
    assert {row.key for row in ResultsTable(shared).rows()} == {"a1", "b2"}


@pytest.mark.parametrize("content", [b"no table", None], ids=["not Parquet", "another table"])
def test_another_file_is_named(shared, content):
    path = shared / "results.parquet"
    if content is None:
        parquet.write_table(pa.table({"x": [1]}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"results\.parquet: expected a table of results"):
        ResultsTable(shared)
    assert not (shared / "rows").exists()

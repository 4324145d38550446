"""Rows come in chunks of one size from every source, and add up to the source."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from recbole.data import DataOptions
from recbole.data.row_files import open_rows
from recbole.errors import DataError

ROWS = pa.table(
    {"a": [str(n) for n in range(1000)], "b": ["x" * (n % 9) or None for n in range(1000)]}
)


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"rows{suffix}"
    if suffix == ".parquet":
        pq.write_table(ROWS, path, row_group_size=77)
    elif suffix == ".csv":
        pyarrow.csv.write_csv(ROWS, path)
    else:
        lines = [f"{row['a']}\t{row['b'] or ''}" for row in ROWS.to_pylist()]
        path.write_text("\n".join(["a:token\tb:token", *lines]) + "\n")
    return path


def opened(folder, suffix, chunk_rows):
    rows = ROWS if suffix == "table" else write(folder, suffix)
    return open_rows(rows, DataOptions(), chunk_rows)


@pytest.mark.parametrize("suffix", [".csv", ".inter", ".parquet", "table"])
@pytest.mark.parametrize("chunk_rows", [1, 64, 300, 1000, 5000])
def test_chunks_have_one_size_and_follow_each_other(tmp_path, monkeypatch, suffix, chunk_rows):
    monkeypatch.setattr("recbole.data.row_files._BLOCK_BYTES", 1000)
    source = opened(tmp_path, suffix, chunk_rows)
    for _ in range(2):  # a source may be read again
        chunks = list(source.chunks())
        sizes = [len(chunk.table) for chunk in chunks]
        assert sizes[:-1] == [chunk_rows] * (len(sizes) - 1)
        assert sum(sizes) == 1000
        assert [chunk.first_row for chunk in chunks] == [n * chunk_rows for n in range(len(sizes))]
        assert pa.concat_tables([chunk.table for chunk in chunks]).equals(ROWS)
        # The sizes of the chunks add up to that of the source, of text roughly.
        assert sum(chunk.size for chunk in chunks) == pytest.approx(source.size, rel=0.5)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_very_long_rows_make_smaller_chunks(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("recbole.data.row_files._CHUNK_BYTES", 4000)
    monkeypatch.setattr("recbole.data.row_files._BLOCK_BYTES", 1000)
    chunks = list(opened(tmp_path, suffix, 1000).chunks())
    assert max(chunk.table.nbytes for chunk in chunks) < 10_000
    assert pa.concat_tables([chunk.table for chunk in chunks]).equals(ROWS)
    assert [chunk.first_row for chunk in chunks][1] == len(chunks[0].table)


def test_an_inter_file_in_another_encoding(tmp_path):
    path = tmp_path / "rows.inter"
    path.write_bytes("a:token\tb:token\n1\té\n".encode("latin-1"))
    (chunk,) = open_rows(path, DataOptions(encoding="latin-1")).chunks()
    assert chunk.table.to_pydict() == {"a": ["1"], "b": ["é"]}
    with pytest.raises(DataError, match="line 2: expected text in utf-8, got the byte 0xe9"):
        list(open_rows(path, DataOptions()).chunks())


def test_a_damaged_parquet_file(tmp_path):
    path = write(tmp_path, ".parquet")
    data = bytearray(path.read_bytes())
    data[4:600] = bytes(596)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"rows.parquet: the file is damaged"):
        list(open_rows(path, DataOptions()).chunks())


def test_quotes_mean_nothing_in_inter_files(tmp_path):
    path = tmp_path / "rows.inter"
    path.write_text('a:token\tb:token\n"1\t"x" y\n')
    (chunk,) = open_rows(path, DataOptions()).chunks()
    assert chunk.table.to_pydict() == {"a": ['"1'], "b": ['"x" y']}
    path.write_text("a:token\tb:token\n1\t2\t3\n")
    with pytest.raises(DataError, match=r"line 2: expected 2 columns, got 3"):
        list(open_rows(path, DataOptions()).chunks())

"""Atomic files of every type are read exactly, and a malformed one is refused with its line."""

from __future__ import annotations

import math
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole.data import DataOptions
from recbole.data.atomic import read_atomic_file
from recbole.data.columns import FloatColumn, SequenceColumn, Table, TokenColumn
from recbole.errors import DataError

HEADER = b"id:token\tn:float\ttags:token_seq\tv:float_seq\n"


def read(folder: Path, data: bytes, **options) -> Table:
    path = folder / "toy.inter"
    path.write_bytes(data)
    table = read_atomic_file(path, DataOptions(**options), "inter")
    assert table is not None
    return table


def plain(column) -> list:
    if isinstance(column, TokenColumn):
        vocabulary = column.vocabulary.to_pylist()
        return [None if code < 0 else vocabulary[code] for code in column.codes]
    if isinstance(column, FloatColumn):
        return [None if math.isnan(value) else value for value in column.values.tolist()]
    assert isinstance(column, SequenceColumn)
    flat, ends = plain(column.elements), column.offsets.tolist()
    return [flat[a:b] for a, b in pairwise(ends)]


def test_the_four_types(tmp_path):
    table = read(
        tmp_path, HEADER + b"a\t1\tx y\t1 2.5\n\"b'\t-2e3\tz\t\n\t\t\t 3  4 \na\t.5\ty\t-1\n"
    )
    assert plain(table["id"]) == ["a", "\"b'", None, "a"]
    assert plain(table["n"]) == [1.0, -2000.0, None, 0.5]
    assert plain(table["tags"]) == [["x", "y"], ["z"], [], ["y"]]
    assert plain(table["v"]) == [[1.0, 2.5], [], [3.0, 4.0], [-1.0]]
    assert len(table) == 4


CELL = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\t \ufeff"), max_size=4
)
NUMBER = st.one_of(
    st.floats(-1e6, 1e6).map(repr),
    st.integers(-999, 999).map(lambda n: f"{n:+}"),
    st.sampled_from(["", "nan", "NaN", "NA", "null", "NULL"]),
)


def as_number(text: str) -> float | None:
    return None if text in ("", "nan", "NaN", "NA", "null", "NULL") else float(text)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            CELL, NUMBER, st.lists(CELL.filter(bool), max_size=3), st.lists(NUMBER, max_size=3)
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_reading_gives_back_what_was_written(rows, end, with_mark):
    lines = ["id:token\tn:float\ttags:token_seq\tv:float_seq"]
    lines += [f"{a}\t{n}\t{' '.join(t)}\t{' '.join(v)}" for a, n, t, v in rows]
    text = ("\ufeff" if with_mark else "") + end.join(lines) + end
    with tempfile.TemporaryDirectory() as folder:
        table = read(Path(folder), text.encode())
    assert plain(table["id"]) == [a or None for a, *_ in rows]
    assert plain(table["n"]) == [as_number(n) for _, n, *_ in rows]
    assert plain(table["tags"]) == [t for _, _, t, _ in rows]
    assert plain(table["v"]) == [[as_number(x) for x in v if x] for *_, v in rows]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "gb18030"])
def test_other_encodings(tmp_path, encoding):
    text = "id:token\tn:float\nMüller\t1\n"
    table = read(tmp_path, text.encode(encoding), encoding=encoding)
    assert plain(table["id"]) == ["Müller"]


def test_other_separators_and_columns(tmp_path):
    data = b"id:token,n:float,tags:token_seq\na,1,x|y|z\n"
    options = {"field_separator": ",", "seq_separator": "|"}
    assert plain(read(tmp_path, data, **options)["tags"]) == [["x", "y", "z"]]
    assert plain(read(tmp_path, data, **options, seq_len={"tags": 2})["tags"]) == [["x", "y"]]
    chosen = read(tmp_path, data, **options, load_col={"inter": ["tags", "id"]})
    assert list(chosen.columns) == ["id", "tags"]
    assert list(read(tmp_path, data, **options, unload_col={"inter": ["id"]}).columns) == [
        "n",
        "tags",
    ]
    for every in (None, "*"):
        assert len(read(tmp_path, data, **options, load_col={"inter": every}).columns) == 3
    path = tmp_path / "toy.inter"
    assert read_atomic_file(path, DataOptions(**options, load_col={"user": ["a"]}), "inter") is None


def test_rows_can_be_taken_and_missing(tmp_path):
    table = read(tmp_path, HEADER + b"a\t1\tx y\t1 2\nb\t2\t\t\nc\t3\tz\t3\n")
    taken = table.take(np.array([2, -1, 0, 0]))
    assert plain(taken["id"]) == ["c", None, "a", "a"]
    assert plain(taken["n"]) == [3.0, None, 1.0, 1.0]
    assert plain(taken["tags"]) == [["z"], [], ["x", "y"], ["x", "y"]]
    assert plain(taken["v"]) == [[3.0], [], [1.0, 2.0], [1.0, 2.0]]


TWO = b"id:token\tn:float\n"
MALFORMED = {
    "empty file": (b"", "toy.inter: the file is empty; expected a header such as 'user_id:token'"),
    "no header": (
        b"\na\t1\n",
        "toy.inter, line 1: expected a header such as 'user_id:token', got no text",
    ),
    "header only": (TWO, "toy.inter: expected rows below the header, got none"),
    "no type": (
        b"id:token\tn\na\t1\n",
        "toy.inter, line 1: expected columns 'field:type' with a type out of token, float,"
        " token_seq, float_seq, got 'n'",
    ),
    "unknown type": (
        b"id:token\tn:flaot\na\t1\n",
        "toy.inter, line 1: unknown type 'flaot' of field 'n'; expected one of token, float,"
        " token_seq, float_seq. Did you mean 'float'?",
    ),
    "duplicate field": (
        b"id:token\tid:float\na\t1\n",
        "toy.inter, line 1: the field 'id' stands twice in the header",
    ),
    "too few columns": (
        TWO + b"a\t1\nb\nc\n",
        "toy.inter, line 3: expected 2 columns separated by '\\t', got 1",
    ),
    "too many columns": (
        TWO + b"a\t1\t\n",
        "toy.inter, line 2: expected 2 columns separated by '\\t', got 3",
    ),
    "no number": (
        TWO + b"a\t1\n\nb\tfour\n",
        "toy.inter, line 4: column 'n': expected a number, got 'four'",
    ),
    "underscore": (
        TWO + b"a\t1_000\n",
        "toy.inter, line 2: column 'n': expected a number, got '1_000'",
    ),
    "infinite": (
        TWO + b"a\t-inf\n",
        "toy.inter, line 2: column 'n': expected a finite number, got '-inf'",
    ),
    "too great": (
        TWO + b"a\t1e999\n",
        "toy.inter, line 2: column 'n': expected a finite number, got '1e999'",
    ),
    "no number in a sequence": (
        b"id:token\tv:float_seq\na\t1 2\nb\t3 x\n",
        "toy.inter, line 3: column 'v': expected a number, got 'x'",
    ),
    "wrong encoding": (
        TWO + "a\t1\nMüller\t2\n".encode("latin-1"),
        "toy.inter, line 3: expected text in utf-8, got the byte 0xfc; set the option 'encoding' to"
        " that of the file, such as latin-1",
    ),
    "wrong encoding of the header": (
        "idü:token\na\n".encode("latin-1"),
        "toy.inter, line 1: expected text in utf-8, got the byte 0xfc; set the option 'encoding' to"
        " that of the file, such as latin-1",
    ),
}


@pytest.mark.parametrize(("data", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_file_is_refused_with_its_line(tmp_path, data, message):
    with pytest.raises(DataError) as caught:
        read(tmp_path, data)
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_a_missing_file_names_those_that_are_there(tmp_path):
    (tmp_path / "other.user").write_text("x")
    with pytest.raises(DataError) as caught:
        read_atomic_file(tmp_path / "toy.inter", DataOptions(), "inter")
    assert str(caught.value) == (
        f"{tmp_path}/toy.inter: no such file. The atomic files in {tmp_path}: other.user."
    )


def test_a_column_that_is_asked_for_must_be_there(tmp_path):
    with pytest.raises(DataError, match=r"load_col names the column 'idd'.*Did you mean 'id'\?"):
        read(tmp_path, TWO + b"a\t1\n", load_col={"inter": ["idd"]})
    with pytest.raises(DataError, match="unload_col names the column 'm'"):
        read(tmp_path, TWO + b"a\t1\n", unload_col={"inter": ["m"]})

"""Names that files, options and shells can hold; dates and times as seconds."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from recbole.data.importer.moments import are_moments, seconds_of
from recbole.data.importer.names import free_name, safe_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user_id", "user_id"),
        ("userId", "userId"),
        ("_x1", "_x1"),
        ("User ID", "user_id"),
        ("Book-Rating (1:10)", "book_rating_1_10"),
        ("rating:float", "rating_float"),
        ("Prix, €", "prix"),
        ("thèmes", "themes"),
        ("naïve Größe", "naive_groe"),
        ("  spaces  ", "spaces"),
        ("a\tb\nc", "a_b_c"),
        ("2nd price", "_2nd_price"),
        ("评分", "column_3"),
        ("1998", "column_3"),
        ("%", "column_3"),
        ("[x]{y}", "x_y"),
    ],
)
def test_safe_names(name, expected):
    assert safe_name(name, "column_3") == expected
    assert safe_name(expected, "column_3") == expected


def test_free_names():
    assert free_name("a", {"b"}) == "a"
    assert free_name("a", {"a"}) == "a_2"
    assert free_name("a", ["a", "a_2", "a_3"]) == "a_4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21 10:30", datetime(2026, 11, 21, 10, 30, tzinfo=UTC)),
        ("2026-11-21T10:30:05", datetime(2026, 11, 21, 10, 30, 5, tzinfo=UTC)),
        ("2026-11-21T10:30:05Z", datetime(2026, 11, 21, 10, 30, 5, tzinfo=UTC)),
        ("2026-11-21 10:30:05.25", datetime(2026, 11, 21, 10, 30, 5, 250_000, tzinfo=UTC)),
        ("2026-11-21T10:30:05+02:00", datetime(2026, 11, 21, 8, 30, 5, tzinfo=UTC)),
        ("2026-11-21T10:30:05-0330", datetime(2026, 11, 21, 14, 0, 5, tzinfo=UTC)),
        ("1960-02-29", datetime(1960, 2, 29, tzinfo=UTC)),
    ],
)
def test_moments(text, expected):
    assert are_moments([text])
    texts = pa.array([None, text, "2026-01-01"])
    assert seconds_of(texts).to_pylist() == [None, expected.timestamp(), 1767225600.0]


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-13-01", "2026-02-30", "2026-11-21 24:30", "2026-11-21T10", "21.11.2026",
     "2026-11-21 10:30 PM", "x2026-11-21", "2026-11-21x"],
)  # fmt: skip
def test_what_is_no_moment(text):
    assert not are_moments([text])
    assert not are_moments(["2026-01-01", text])


def test_nothing_is_no_moment():
    assert not are_moments([])

"""The type of a column follows from all of its cells, and the traps are not stepped into."""

import pyarrow as pa
import pytest

from recbole.data.importer.inference import MOST_CATEGORIES, Evidence, infer
from recbole.errors import DataError


def type_of(cells, name="x", separator="|", chunks=1):
    """The type and the reason for a column of these cells, seen in some chunks."""
    evidence = Evidence(separator)
    size = max(1, len(cells) // chunks)
    array = cells if isinstance(cells, pa.Array) else pa.array(cells)
    for start in range(0, len(array), size):
        evidence.add(array.slice(start, size), "x.csv")
    assert evidence.rows == len(array)
    found, reason = infer(name, evidence)
    return found.value, reason


MANY = [str(number) for number in range(1, MOST_CATEGORIES + 2)]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2", "2"], "token"),  # few whole numbers: categories
        (MANY, "float"),  # many: a quantity
        (MANY[:-1], "token"),
        (["-" + number for number in MANY], "float"),
        (["0" + number for number in MANY], "token"),  # leading zeros: codes
        ([*MANY, "007"], "token"),
        ([*MANY, "0"], "float"),
        ([*MANY, "0.5"], "float"),
        ([*MANY, "00.5"], "token"),
        (["1.5", "2"], "float"),
        (["1.5", "x"], "token"),
        ([*MANY, "x"], "token"),
        ([*MANY, "1e5"], "token"),  # a code as likely as a number
        ([*MANY, "1e-05"], "float"),
        ([*MANY, "1.0e5"], "float"),
        ([*MANY, "+5"], "float"),
        ([*MANY, "1,000"], "token"),
        ([*MANY, "1_000"], "token"),
        ([*MANY, "inf"], "token"),
        ([*MANY, "0x1F"], "token"),
        ([*MANY, "NA"], "float"),
        (["1.5", "NA", "null"], "float"),
        (["NA", "DE"], "token"),  # Namibia
        (["NA", "NA"], "token"),
        ([*MANY, ""], "float"),
        ([*MANY, None], "float"),
        ([" 1.5", "2 "], "float"),
        (["true", "false"], "token"),
        (["True", "False", ""], "token"),
        (["0", "1"], "token"),
        (["2026-01-05", "2026-02-28"], "float"),
        (["2026-01-05 10:30:00", "2026-02-28T23:59:59.5Z"], "float"),
        (["2026-01-05", "2026-02-30"], "token"),
        (["2026-01-05", "soon"], "token"),
        (["2026-01-05", "NA"], "float"),
        (["2026-01-05", "20260105"], "token"),
        (["05/01/2026"], "token"),
        (["20260105"], "token"),
        (["a|b", "a", "b|a"], "token_seq"),
        (["Drama|Comedy", "", "Comedy|Drama"], "token_seq"),
        (["Alien | Aliens", "Brazil", "Casablanca"], "token"),  # nothing recurs: a title
        (["1|2", "2|1", "1"], "token_seq"),
        (["a|b", *["c"] * 30], "token"),  # one cell of many has a separator
        (["a, b", "b, a"], "token"),
        (["", None], "token"),
        ([None, None], "token"),
        (["München", "东京"], "token"),
    ],
    ids=str,
)
def test_types_of_text(cells, expected):
    assert type_of(cells)[0] == expected
    assert type_of(cells, chunks=3)[0] == expected  # what comes later counts as much
    assert type_of(cells[::-1], chunks=2)[0] == expected


@pytest.mark.parametrize(
    "name",
    ["id", "movie_id", "movieId", "Zip", "ZIP code", "zip-code", "tmdbId", "ISBN", "Year",
     "release year", "CategoryID"],
)  # fmt: skip
def test_whole_numbers_that_name_something(name):
    assert type_of(MANY, name)[0] == "token"
    assert type_of([*MANY, "1.5"], name)[0] == "float"


@pytest.mark.parametrize("name", ["paid", "views", "grid", "video", "yearly", "candid"])
def test_names_that_only_end_alike(name):
    assert type_of(MANY, name)[0] == "float"


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([1.5, None]), "float"),
        (pa.array([1.0, 2.0], pa.float32()), "float"),
        (pa.array([1, 2], pa.int8()), "token"),
        (pa.array(range(MOST_CATEGORIES + 1)), "float"),
        (pa.array([True, False]), "token"),
        (pa.array(["007", "1"]).dictionary_encode(), "token"),
        (pa.array([1]).cast(pa.timestamp("us")), "float"),
        (pa.array([1], pa.int32()).cast(pa.date32()), "float"),
        (pa.array([["a"], None]), "token_seq"),
        (pa.array([[1]]), "token_seq"),
        (pa.array([[0.5]]), "float_seq"),
        (pa.nulls(2), "token"),
    ],
    ids=str,
)
def test_types_of_arrow(array, expected):
    assert type_of(array)[0] == expected


def test_a_struct_is_refused():
    with pytest.raises(DataError, match=r"x.csv: expected text, .* got struct.*--drop"):
        type_of(pa.array([{"a": 1}]))


def test_what_is_missing_is_counted():
    evidence = Evidence("|")
    evidence.add(pa.array(["a", "", None, "NA"]), "x.csv")
    assert (evidence.rows, evidence.missing) == (4, 2)
    numbers = Evidence("|")
    numbers.add(pa.array([1.0, float("nan"), None]), "x.csv")
    assert numbers.missing == 2


def test_the_reason_is_said():
    assert type_of(["1", "2"])[1] == "2 different whole numbers"
    assert type_of(["007", "8"])[1] == "codes such as 007"
    assert type_of(["1.5", "NA"])[1] == "numbers, and NA for missing"
    assert type_of(["NA", "NA"])[1] == "text"
    assert type_of(["a|b", "b|a"])[1] == "parts between '|'"
    assert type_of(["a/b", "b/a"], separator="/")[1] == "parts between '/'"


def test_free_text():
    evidence = Evidence("|")
    evidence.add(pa.array([f"I liked it {number} times" for number in range(200)]), "x.csv")
    assert evidence.is_free_text
    repeated = Evidence("|")
    repeated.add(pa.array([f"word {number % 90}" for number in range(200)]), "x.csv")
    assert not repeated.is_free_text

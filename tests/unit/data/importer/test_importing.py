"""What is imported is what a run reads, in both formats, or is refused with its place."""

import csv
import json
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole.data import create_dataset
from recbole.data.importer import ImportRequest, import_tables, inference, sources
from recbole.data.parquet import TYPE_KEY
from recbole.errors import ConfigError, DataError
from tests.unit.data.data_files import StandIn
from tests.unit.data.importer.own import imported, imported_file, read_back, types_of
from tests.unit.data.same_datasets import assert_same

BOTH = pytest.mark.parametrize("format", ["atomic", "parquet"])

CSV = (
    "u,i,r,when,tags,price,note\n"
    '007,a,5,2026-01-05,x|y,1.5,"one, ""two"""\n'
    "8,b,3.5,2026-01-06 12:00:00,,,plain\n"
    "007,c,1,,y,NA,NA\n"
)
EXPECTED = {
    "user_id": ["007", "8", "007"],
    "item_id": ["a", "b", "c"],
    "rating": [5.0, 3.5, 1.0],
    "timestamp": [1767571200.0, 1767700800.0, None],
    "tags": [["x", "y"], [], ["y"]],
    "price": [1.5, None, None],
    "note": ['one, "two"', "plain", "NA"],
}


@BOTH
def test_a_csv_file(tmp_path, format):
    done = imported(tmp_path / "shop.csv", CSV, time="when", format=format)
    assert read_back(done) == EXPECTED
    assert done.name == "shop"
    ending = ".parquet" if format == "parquet" else ""
    assert [p.name for p in done.paths] == [f"shop.inter{ending}"]
    assert [p.name for p in (tmp_path / "dataset" / "shop").iterdir()] == [f"shop.inter{ending}"]
    assert types_of(done)["tags"] == "token_seq"
    if format == "parquet":
        said = {field.name: field.metadata[TYPE_KEY] for field in pq.read_schema(done.paths[0])}
        assert said == {name: kind.encode() for name, kind in types_of(done).items()}


def variant(kind):
    """The same rows, as another program would have written them, and the options to say so."""
    names, *rows = csv.reader(CSV.splitlines())
    frame = pd.DataFrame(rows, columns=names)
    if kind == "crlf and a mark":
        return "shop.csv", b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode(), {}
    if kind == "no last line end":
        return "shop.csv", CSV.rstrip("\n").encode(), {}
    if kind == "blank lines":
        return "shop.csv", CSV.replace("\n", "\n\n").encode(), {}
    if kind == "quoted everywhere":
        return "shop.csv", frame.to_csv(index=False, quoting=1).encode(), {}
    if kind == "blanks around":
        return "shop.csv", CSV.replace("8,b,3.5", " 8 ,b , 3.5").encode(), {}
    if kind == "tab":
        return "shop.tsv", frame.to_csv(index=False, sep="\t").encode(), {}
    if kind == "semicolons":
        return "shop.csv", frame.to_csv(index=False, sep=";").encode(), {"separator": ";"}
    if kind == "utf-16":
        return "shop.csv", CSV.encode("utf-16"), {"encoding": "utf-16"}
    if kind == "row numbers":
        return "shop.csv", frame.to_csv().encode(), {}
    if kind == "json":
        numbers = {"r": float, "price": lambda text: None if text == "NA" else float(text)}
        lines = [
            json.dumps(
                {
                    n: (row[n].split("|") if n == "tags" else numbers.get(n, str)(row[n]))
                    for n in frame.columns
                    if row[n]
                }
            )
            for row in frame.to_dict("records")
        ]
        return "shop.jsonl", ("\n\n".join(lines) + "\n").encode(), {}
    sink = pa.BufferOutputStream()
    moments = [datetime(2026, 1, 5), datetime(2026, 1, 6, 12), None]
    arrow = pa.table(
        {
            **{name: frame[name].tolist() for name in ("u", "i", "note")},
            "r": [5, 3.5, 1],
            "when": moments,
            "tags": [["x", "y"], None, ["y"]],
            "price": [1.5, None, None],
        }
    )
    pq.write_table(arrow.select(list(frame.columns)), sink, row_group_size=2)
    return "shop.parquet", sink.getvalue().to_pybytes(), {}


VARIANTS = [
    "crlf and a mark",
    "no last line end",
    "blank lines",
    "quoted everywhere",
    "blanks around",
    "tab",
    "semicolons",
    "utf-16",
    "row numbers",
    "json",
    "parquet",
]


@BOTH
@pytest.mark.parametrize("kind", VARIANTS)
def test_every_form_of_the_same_rows(tmp_path, kind, format):
    name, data, options = variant(kind)
    done = imported(tmp_path / name, data, time="when", format=format, **options)
    assert read_back(done) == EXPECTED
    if kind == "row numbers":
        assert list(done.tables[0].plan.left_out) == ["(without a name)"]


@pytest.mark.parametrize("kind", ["json", "parquet", "tab", "crlf and a mark"])
def test_chunks_do_not_matter(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(sources, "_CHUNK_ROWS", 1)
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 64)
    name, data, options = variant(kind)
    assert read_back(imported(tmp_path / name, data, time="when", **options)) == EXPECTED


def test_both_formats_make_the_same_dataset(tmp_path):
    (tmp_path / "people.csv").write_text("u,age,höhe in cm\n007,20,180.5\n8,30,\n9,40,170\n")
    (tmp_path / "things.jsonl").write_text(
        '{"i": "a", "kind": ["s1", "s2"], "size": 3}\n{"i": "b", "kind": ["s2"]}\n{"i": "c"}\n'
    )
    datasets = []
    for format in ("atomic", "parquet"):
        imported(
            tmp_path / "shop.csv",
            CSV,
            time="when",
            format=format,
            users=tmp_path / "people.csv",
            items=tmp_path / "things.jsonl",
            to=tmp_path / format,
        )
        config = StandIn(
            tmp_path / format,
            "shop",
            threshold={"rating": 3},
            numerical_features=["price", "hohe_in_cm"],
        )
        datasets.append(create_dataset(config))
    assert_same(*datasets)
    fields = {field.name: field.type.value for field in datasets[0].schema.fields}
    assert fields == {
        "user_id": "token",
        "item_id": "token",
        "tags": "token_seq",
        "price": "float",
        "note": "token",
        "age": "token",
        "hohe_in_cm": "float",
        "kind": "token_seq",
        "size": "token",
    }


def test_a_line_feed_in_quotes(tmp_path):
    data = 'u,i,r,note\n1,a,5,"one\n\ntwo"\n2,b,3,three\n'
    done = imported(tmp_path / "a.csv", data)
    assert read_back(done)["note"] == ["one two", "three"]
    assert done.tables[0].replaced == {"note": (1, "TABs and line breaks became spaces")}
    kept = imported(tmp_path / "a.csv", data, format="parquet", name="b")
    assert read_back(kept)["note"] == ["one\n\ntwo", "three"]
    assert kept.tables[0].replaced == {}


def test_elements_with_spaces(tmp_path):
    data = "u,i,r,genre\n1,a,5,Science Fiction | Drama\n2,b,3,Drama|Science Fiction\n"
    atomic = imported(tmp_path / "a.csv", data)
    assert read_back(atomic)["genre"] == [
        ["Science_Fiction", "Drama"],
        ["Drama", "Science_Fiction"],
    ]
    assert atomic.tables[0].replaced == {"genre": (2, "spaces became underscores")}
    parquet = imported(tmp_path / "a.csv", data, format="parquet", name="b")
    assert read_back(parquet)["genre"] == [
        ["Science Fiction", "Drama"],
        ["Drama", "Science Fiction"],
    ]


@BOTH
def test_a_missing_element_leaves_the_others_of_its_cell(tmp_path, format):
    csv = "u,i,r,v\n1,a,5,1.5|NA|2\n2,b,3,0.5\n"
    done = imported(tmp_path / "a.csv", csv, types={"v": "float_seq"}, format=format)
    assert read_back(done)["v"] == [[1.5, None, 2], [0.5]]
    path = tmp_path / "b.parquet"
    columns = {"u": [1, 2], "i": [1, 2], "r": [5, 3], "v": [[1.0, None, 2.0], None]}
    pq.write_table(pa.table(columns), path)
    assert read_back(imported_file(path, format=format))["v"] == [[1, None, 2], []]


@BOTH
def test_a_null_among_the_numbers_of_a_json_list_is_a_missing_number(tmp_path, format):
    rows = [{"u": 1, "i": 2, "r": 3, "v": [0.5, None, 2]}, {"u": 2, "i": 2, "r": 4, "v": [None]}]
    text = "\n".join(map(json.dumps, rows))
    done = imported(tmp_path / "a.jsonl", text, format=format)
    assert types_of(done)["v"] == "float_seq"
    assert read_back(done)["v"] == [[0.5, None, 2], [None]]


def test_types_are_overridden_by_either_name(tmp_path):
    data = "u,i,r,Zip,a b,tags\n1,a,5,10,1.5,x/y\n2,b,3,20,2.5,y\n"
    types = {"Zip": "float", "a_b": "token", "tags": "token_seq"}
    done = imported(tmp_path / "a.csv", data, types=types, list_separator="/")
    back = read_back(done)
    assert back["Zip"] == [10.0, 20.0]
    assert back["a_b"] == ["1.5", "2.5"]
    assert back["tags"] == [["x", "y"], ["y"]]
    vectors = imported(
        tmp_path / "b.csv", "u,i,r,v\n1,a,5,0.5|1\n2,b,3,\n", types={"v": "float_seq"}
    )
    assert read_back(vectors)["v"] == [[0.5, 1.0], []]


def test_names_do_not_clash(tmp_path):
    (tmp_path / "things.csv").write_text("i,rating,name,Preis €,preis\na,4.5,A,1.5,2.5\n")
    (tmp_path / "people.csv").write_text("u,name,note\n1,N,x\n")
    done = imported(
        tmp_path / "a.csv", "u,i,r,note,label,user id\n1,a,5,x,1,9\n",
        users=tmp_path / "people.csv", items=tmp_path / "things.csv",
    )  # fmt: skip
    names = [[column.name for column in table.plan.columns] for table in done.tables]
    assert names == [
        ["user_id", "item_id", "rating", "note", "label_2", "user_id_2"],
        ["user_id", "name", "user_note"],
        ["item_id", "item_rating", "item_name", "preis", "item_preis"],
    ]


def test_ids_of_users_under_another_name(tmp_path):
    people = tmp_path / "people.csv"
    people.write_text("User-ID,age\n1,20\n")
    done = imported(tmp_path / "a.csv", "u,i,r\n1,a,5\n", users=people)
    assert types_of(done) == {"user_id": "token", "item_id": "token", "rating": "float",
                              "age": "token"}  # fmt: skip
    people.write_text("who,age\n1,20\n")
    with pytest.raises(
        DataError, match=r"people.csv: expected the column of user ids .*--users_id"
    ):
        imported_file(tmp_path / "a.csv", users=people, name="b")
    assert (
        imported_file(tmp_path / "a.csv", users=people, users_id="who", name="b").tables[1].rows
        == 1
    )


def test_rows_without_id_or_rating_are_left_out_and_named(tmp_path):
    data = 'u,i,r,note\n1,a,5,"x\ny"\n,a,5,\n2,b,,\n3,c,4,\n4,,1,\n'
    done = imported(tmp_path / "a.csv", data)
    assert read_back(done)["user_id"] == ["1", "3"]
    assert done.tables[0].incomplete == 3
    assert done.tables[0].named == ["line 4", "line 5", "line 7"]
    assert done.levels.values.tolist() == [4, 5]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_places_are_counted_over_all_chunks(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(sources, "_CHUNK_ROWS", 4)
    frame = pd.DataFrame({"u": ["x"] * 30, "i": ["y"] * 30, "r": ["3"] * 30})
    frame.loc[[11, 23], "i"] = None
    write = {
        ".csv": lambda path: frame.to_csv(path, index=False),
        ".jsonl": lambda path: frame.to_json(path, orient="records", lines=True),
        ".parquet": lambda path: frame.to_parquet(path),
    }[suffix]
    write(tmp_path / f"a{suffix}")
    first = {".csv": "line 13", ".jsonl": "line 12", ".parquet": "row 12"}[suffix]
    second = {".csv": "line 25", ".jsonl": "line 24", ".parquet": "row 24"}[suffix]
    assert imported_file(tmp_path / f"a{suffix}").tables[0].named == [first, second]
    frame.loc[23, "r"] = "good"
    write(tmp_path / f"a{suffix}")
    with pytest.raises(DataError, match=f"{second}: column 'r'"):
        imported_file(tmp_path / f"a{suffix}", name="b")


def test_without_a_rating(tmp_path):
    done = imported(tmp_path / "a.csv", "u,i\n1,a\n", rating=None)
    assert done.fit is None
    assert read_back(done) == {"user_id": ["1"], "item_id": ["a"]}


def test_ids_of_parquet_that_became_floats(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"u": [7, None, 8], "i": [1, 2, 3], "r": [5, 4, 3]}).to_parquet(path)
    assert read_back(imported_file(path))["user_id"] == ["7", "8"]


def test_an_index_of_parquet_without_a_name_is_left_out_unless_it_is_asked_for(tmp_path):
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"u": [7, 7, 7, 8], "i": [1, 2, 3, 4], "r": [5, 3, 1, 3]})
    frame = frame.assign(x=[0.5, 1.5, 2.5, 3.5])[frame.r > 1]
    frame.to_parquet(path)
    done = imported_file(path)
    assert list(types_of(done)) == ["user_id", "item_id", "rating", "x"]
    assert "index" in done.tables[0].plan.left_out["__index_level_0__"]
    dropped = imported_file(path, drop=["__index_level_0__"], name="b")
    assert dropped.tables[0].plan.left_out == {"__index_level_0__": "--drop"}
    users = imported_file(path, user="__index_level_0__", name="c")
    assert read_back(users)["user_id"] == ["0", "1", "3"]
    frame.rename_axis("place").to_parquet(path)
    assert "place" in types_of(imported_file(path, name="d"))


def test_characters_in_two_halves_are_whole(tmp_path):
    row = '{"u": 1, "i": 2, "r": 3, "t": "\\ud83d\\ude00 and \\\\ud83d"}\n'
    assert read_back(imported(tmp_path / "a.jsonl", row))["t"] == ["\U0001f600 and \\ud83d"]


GOOD = "u,i,r\n1,a,5\n2,b,3\n"
REFUSED = {
    "no file": ("no.csv", None, {}, DataError, "no.csv: no such file"),
    "empty": ("a.csv", "", {}, DataError, "a.csv: the file is empty"),
    "header only": ("a.csv", "u,i,r\n", {}, DataError, "a.csv: expected rows below the names"),
    "blank header": ("a.csv", ",,\n1,a,5\n", {}, DataError, "a.csv, line 1: expected the names"),
    "suffix": ("a.xlsx", GOOD, {}, DataError, "expected a file that ends in .csv, .tsv, .*'.xlsx'"),
    "no column": ("a.csv", GOOD, {"user": "user"}, DataError, "--user names the column 'user'"),
    "near column": ("a.csv", GOOD.replace("r", "rating"), {"rating": "raiting"}, DataError,
                    "--rating names the column 'raiting'.* Did you mean 'rating'?"),
    "separator": ("a.csv", GOOD.replace(",", ";"), {}, DataError, "Then say --separator=';'"),
    "duplicate header": ("a.csv", "u,i,r,r\n1,a,5,5\n", {}, DataError,
                         "the column 'r' stands twice in the header"),
    "too few cells": ("a.csv", GOOD + '3,"c\nd",1\n4,d\n', {}, DataError,
                      "a.csv, line 6: expected 3 columns separated by ',', got 2: '4,d'"),
    "too many cells": ("a.csv", GOOD + "\n3,c,1,9\n", {}, DataError, "line 5: expected 3 col"),
    "no number": ("a.csv", GOOD + '3,"c\n\nd",4\n4,d,good\n', {}, DataError,
                  "a.csv, line 7: column 'r' .--rating.: expected a number, got 'good'"),
    "decimal comma": ("a.csv", 'u,i,r\n1,a,"3,5"\n', {}, DataError, "expected a number, got '3,5'"),
    "infinite": ("a.csv", GOOD + "3,c,inf\n", {}, DataError, "line 4: column 'r'.*finite number"),
    "no time": ("a.csv", "u,i,r,t\n1,a,5,05/01/2026\n", {"time": "t"}, DataError,
                "line 2: column 't' .--time.: expected a number, got '05/01/2026'; .*ISO 8601"),
    "one bad time": ("a.csv", "u,i,r,t\n1,a,5,2026-01-05\n1,b,5,soon\n", {"time": "t"}, DataError,
                     "column 't' .--time.: expected a number, got '2026-01-05'"),
    "overridden": ("a.csv", "u,i,r,x\n1,a,5,1\n1,b,5,one\n", {"types": {"x": "float"}}, DataError,
                   "line 3: column 'x' .type float.: expected a number, got 'one'"),
    "no type": ("a.csv", GOOD + "", {"types": {"r": "flaot"}}, DataError, "Did you mean 'float'?"),
    "type of nothing": ("a.csv", GOOD, {"types": {"raiting": "float"}}, ConfigError,
                        "'type' names the column 'raiting'"),
    "type of an id": ("a.csv", GOOD, {"types": {"u": "float"}}, ConfigError, "holds ids"),
    "type of the rating": ("a.csv", GOOD, {"types": {"r": "token"}}, ConfigError, "is the rating"),
    "drop nothing": ("a.csv", GOOD, {"drop": ["x"]}, ConfigError, "'drop' names the column 'x'"),
    "drop an id": ("a.csv", GOOD, {"drop": ["u"]}, ConfigError, "'drop' names 'u', which --user"),
    "two roles": ("a.csv", GOOD, {"item": "u"}, ConfigError, "'user' and 'item' both name"),
    "format": ("a.csv", GOOD, {"format": "xml"}, ConfigError, "expected atomic or parquet"),
    "name": ("a.csv", GOOD, {"name": "../x"}, ConfigError, "expected the name of a folder"),
    "encoding": ("a.csv", GOOD.encode() + b"\xfc,c,1\n", {}, DataError,
                 "a.csv, line 4: expected text in utf-8, got the byte 0xfc"),
    "open quote": ("a.csv", GOOD + '3,"c,1\n4,d,1\n', {}, DataError, "a.csv"),
    "tab in an id": ("a.csv", 'u,i,r\n1,a,5\n"2\tx",b,3\n', {}, DataError,
                     "a.csv, line 3: column 'u': expected an id without TABs"),
    "nothing complete": ("a.csv", "u,i,r\n1,,5\n,b,3\n", {}, DataError,
                         "expected at least one complete row, got 2 .*line 2; line 3"),
    "no json": ("a.jsonl", '{"u": 1, "i": 2, "r": 3}\n\n{"u": 1,\n', {}, DataError,
                "a.jsonl, line 3, column 9: expected one JSON object in each line"),
    "json list": ("a.json", '[{"u": 1}]\n', {}, DataError, "a.json, line 1: expected one JSON obj"),
    "json object": ("a.jsonl", '{"u": 1, "i": 2, "r": 3}\n{"u": 1, "x": {"y": 1}}\n',
                    {}, DataError, "a.jsonl, line 2: 'x' is an object.*--drop x"),
    "half a character": (
        "a.jsonl", '{"u": 1, "i": 2, "r": 3}\n{"u": 1, "i": 3, "r": 4, "t": ["cut \\ud83d"]}\n',
        {}, DataError, r"a.jsonl, line 2: expected whole characters, got '\\ud83d', half of one"),
    "half a character in a name": ("a.jsonl", '{"u": 1, "i": 2, "r": 3, "\\uDc00": 4}\n', {},
                                   DataError, r"a.jsonl, line 1: .* got '\\udc00', half of one"),
    "no parquet": ("a.parquet", GOOD, {}, DataError, "a.parquet: expected a Parquet file"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data", "options", "error", "message"), REFUSED.values(), ids=REFUSED.keys()
)
def test_what_cannot_be_imported_is_refused_and_leaves_nothing(
    tmp_path, name, data, options, error, message
):
    if data is not None:
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(error, match=message):
        imported_file(tmp_path / name, **options)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.name for path in left) == before


def test_what_is_there_is_not_overwritten(tmp_path):
    first = imported(tmp_path / "a.csv", GOOD)
    before = first.paths[0].read_bytes()
    (tmp_path / "a.csv").write_text("u,i,r\n9,z,1\n")
    with pytest.raises(DataError, match=r"holds a.inter already; --force replaces"):
        imported_file(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"holds a.inter already"):
        imported_file(tmp_path / "a.csv", format="parquet")
    assert first.paths[0].read_bytes() == before
    (first.paths[0].parent / "notes.txt").write_text("mine")
    second = imported_file(tmp_path / "a.csv", format="parquet", force=True)
    assert sorted(p.name for p in second.paths[0].parent.iterdir()) == [
        "a.inter.parquet",
        "notes.txt",
    ]
    assert read_back(second)["user_id"] == ["9"]


def test_a_failed_replacement_leaves_what_was_there(tmp_path):
    first = imported(tmp_path / "a.csv", GOOD)
    before = first.paths[0].read_bytes()
    (tmp_path / "a.csv").write_text(GOOD + "3,c,x\n")
    with pytest.raises(DataError, match="line 4"):
        imported_file(tmp_path / "a.csv", force=True)
    assert first.paths[0].read_bytes() == before
    assert [p.name for p in (tmp_path / "dataset").iterdir()] == ["a"]


def test_the_input_may_lie_in_the_folder_of_the_data_set(tmp_path):
    folder = tmp_path / "dataset" / "a"
    folder.mkdir(parents=True)
    imported(folder / "a.csv", GOOD, to=tmp_path / "dataset")
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "a.inter"]


def test_the_input_is_never_what_is_replaced(tmp_path):
    folder = tmp_path / "dataset" / "a"
    folder.mkdir(parents=True)
    path = folder / "a.inter.parquet"
    pd.DataFrame({"u": ["1"], "i": ["a"], "r": [5]}).to_parquet(path)
    with pytest.raises(DataError, match="expected an input other than the files to be replaced"):
        imported_file(path, to=tmp_path / "dataset", name="a", force=True)
    assert path.is_file()


def test_quotes_may_be_text(tmp_path):
    data = 'u\ti\tr\tnote\n1\ta\t5\t"open\n2\tb\t3\t5" disk\n'
    done = imported(tmp_path / "a.tsv", data, quoted=False)
    assert read_back(done)["note"] == ['"open', '5" disk']


@BOTH
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_file_passes_through_in_pieces(tmp_path, monkeypatch, suffix, format):
    """At no time is more than a small part of the file in memory, and no more is kept of it."""
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr(sources, "_CHUNK_ROWS", 500)
    monkeypatch.setattr(inference, "_COUNTED", 1000)
    rows = 20_000
    frame = pd.DataFrame(
        {
            "u": [f"u{n % 500}" for n in range(rows)],
            "i": [f"i{n % 701}" for n in range(rows)],
            "r": [1 + n % 5 for n in range(rows)],
            "note": [f"a comment of some length, the one of number {n}" for n in range(rows)],
        }
    )
    path = tmp_path / f"big{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path, row_group_size=500)
    before, seen = pa.total_allocated_bytes(), []
    request = ImportRequest(path, "u", "i", "r", to=tmp_path / "dataset", format=format)
    done = import_tables(request, lambda size, n: seen.append(pa.total_allocated_bytes() - before))
    assert done.tables[0].rows == rows
    assert len(seen) >= 2 * 20
    assert max(seen) < 0.5 * frame.memory_usage(deep=True).sum()
    for column in done.tables[0].plan.columns:
        assert column.evidence.distinct <= 2000

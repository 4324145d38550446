"""Amazon's three editions, each in its own layout, give the same columns."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from recbole.data import create_dataset
from recbole.data.download import convert_dataset
from recbole.data.sources.amazon_catalogue import CATEGORIES
from recbole.data.sources.registry import find_source
from recbole.errors import DataError
from tests.unit.data.data_files import StandIn
from tests.unit.data.sources.converting import convert, write_files

PRODUCT_2014 = {
    "asin": "0000031852",
    "title": "Girls Ballet\tTutu &amp; \n Zebra, \u00a0Hot",
    "price": 3.17,
    "imUrl": "http://x/y.jpg",
    "related": {"also_bought": ["B00JHONN1S"]},
    "salesRank": {"Toys & Games": 211836},
    "brand": 'Coxlures\'s "best"',
    "categories": [["Sports & Outdoors", "Other Sports"], ["Sports & Outdoors", "Dance|Ballet"]],
}
REVIEW_2014 = {
    "reviewerID": "A2SUAM1J3GNN3B",
    "asin": "0000013714",
    "reviewerName": 'J. "Mc" O\'Donald\n',
    "helpful": [2, 3],
    "overall": 5.0,
    "unixReviewTime": 1252800000,
}
BALLET = (
    "0000031852\tGirls Ballet Tutu & Zebra, Hot\tToys & Games\t211836"
    '\tSports_&_Outdoors Other_Sports Dance|Ballet\t3.17\tCoxlures\'s "best"'
)


def lines(objects: list[Any], write: Any = json.dumps) -> bytes:
    return "".join(f"{write(each)}\n" for each in objects).encode()


def test_the_python_literals_of_2014(tmp_path: Path) -> None:
    bare = {"asin": "0000013714", "title": None, "price": None}
    raw = write_files(
        tmp_path / "raw",
        {
            "reviews_Toys_and_Games.json.gz": gzip.compress(lines([REVIEW_2014], repr)),
            "meta_Toys_and_Games.json.gz": gzip.compress(lines([PRODUCT_2014, bare], repr)),
        },
    )
    made = convert("amazon-toys-and-games-2014", raw)
    assert made["inter"] == ["A2SUAM1J3GNN3B\t0000013714\t5\t1252800000"]
    assert made["item"] == [BALLET, "0000013714" + "\t" * 6]


def test_the_json_of_2014_gives_the_same(tmp_path: Path) -> None:
    raw = write_files(
        tmp_path / "raw",
        {"reviews_X.json": lines([REVIEW_2014]), "meta_X.json": lines([PRODUCT_2014])},
    )
    made = convert("amazon-books", raw)
    assert made["inter"] == ["A2SUAM1J3GNN3B\t0000013714\t5\t1252800000"]
    assert made["item"] == [BALLET]


def test_a_literal_is_never_run(tmp_path: Path) -> None:
    evil = f"{{'asin': open({str(tmp_path / 'run')!r}, 'w').name}}\n"
    raw = write_files(
        tmp_path / "raw", {"reviews_X.json": lines([REVIEW_2014]), "meta_X.json": evil.encode()}
    )
    with pytest.raises(DataError, match=r"meta_X\.json, line 1: expected one JSON object"):
        convert("amazon-books", raw)
    assert not (tmp_path / "run").exists()


def test_the_edition_of_2018(tmp_path: Path) -> None:
    reviews = [
        {"overall": 4.0, "verified": True, "reviewTime": "03 11, 2014", "reviewerID": "A240",
         "asin": "0077613252", "style": {"Format:": " Paperback"}, "unixReviewTime": 1394496000},
        {"overall": 1.0, "reviewerID": "A240", "asin": "0077613253"},
        {"overall": 1.0, "asin": "0077613253", "unixReviewTime": 1},
    ]  # fmt: skip
    products = [
        {"asin": "0001", "category": ["Books", "New, Used &amp; Rental"], "brand": "Jan &amp; Co",
         "rank": "2,345,678 in Books (", "price": "$1,039.50", "title": "One", "feature": []},
        {"asin": "0002", "category": [], "rank": [">#17 in Toys & Games (See Top 100)", ">#1 in X"],
         "price": "$2.00 - $3.50"},
        {"asin": "0003", "rank": [], "price": ".a-box-inner{background-color:#fff}", "brand": ""},
        {"asin": "0004", "rank": "no rank", "price": ".99", "category": "odd"},
        {"title": "without an id"},
    ]  # fmt: skip
    raw = write_files(
        tmp_path / "raw", {"Books.json": lines(reviews), "meta_Books.json": lines(products)}
    )
    made = convert("amazon-books-2018", raw / "Books.json", raw / "meta_Books.json")
    assert made["inter"] == ["A240\t0077613252\t4\t1394496000"]
    assert made["item"] == [
        "0001\tOne\tBooks\t2345678\tBooks New,_Used_&_Rental\t1039.50\tJan & Co",
        "0002\t\tToys & Games\t17\t\t2.00\t",
        "0003\t\t\t\t\t\t",
        "0004\t\t\t\t\t.99\t",
    ]


def test_the_edition_of_2023(tmp_path: Path) -> None:
    reviews = [
        {"rating": 3.0, "title": "t", "text": "x", "images": [], "asin": "B00YQ6X8EO",
         "parent_asin": "B00YQ6X8E0", "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
         "timestamp": 1588687728923, "helpful_vote": 0, "verified_purchase": True},
    ]  # fmt: skip
    products = [
        {"main_category": "All Beauty", "title": "Howard", "average_rating": 4.8,
         "rating_number": 10, "price": None, "store": "Howard Products", "categories": ["A b", "C"],
         "details": {"Best Sellers Rank": {"Beauty & Care": 12, "Hair": 3}},
         "parent_asin": "B01CUPMQZE"},
        {"parent_asin": "B2", "price": 1234.0, "details": "odd", "categories": []},
        {"parent_asin": "B3", "price": "from 14.99"},
        {"parent_asin": "B4", "price": "—"},
    ]  # fmt: skip
    raw = write_files(
        tmp_path / "raw",
        {
            "All_Beauty.jsonl.gz": gzip.compress(lines(reviews)),
            "meta_All_Beauty.jsonl.gz": gzip.compress(lines(products)),
        },
    )
    made = convert("amazon-all-beauty-2023", raw)
    assert made["inter"] == ["AGKHLEW2SOWHNMFQIJGBECAF7INQ\tB00YQ6X8E0\t3\t1588687728"]
    assert made["item"] == [
        "B01CUPMQZE\tHoward\tBeauty & Care\t12\tA_b C\t\tHoward Products",
        "B2\t\t\t\t\t1234\t",
        "B3\t\t\t\t\t14.99\t",
        "B4\t\t\t\t\t\t",
    ]


def test_a_product_listed_twice_has_one_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    products = [
        {"asin": "0077613252", "title": "One"},
        {"asin": "0077613253", "title": "Two"},
        {"asin": "0077613252", "title": "Again"},
    ]
    ratings = b"A240,0077613252,4.0,95\nA241,0077613253,2.0,96\n"
    raw = write_files(tmp_path / "raw", {"ratings_X.csv": ratings, "meta_X.json": lines(products)})
    name = "amazon-books"
    convert_dataset(name, [raw], tmp_path / name)
    items = create_dataset(StandIn(tmp_path, name)).get_item_feature()
    assert len(items) == 3  # with the unknown product
    rows = (tmp_path / name / f"{name}.item").read_text().splitlines()[1:]
    assert [row.split("\t")[1] for row in rows] == ["One", "Two"]
    assert "meta_X.json: 1 products listed again are left out" in caplog.text


def test_half_a_character_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """JSON may hold a surrogate without its other half, which no text file can."""
    products = [{"asin": "0001", "title": "cut \ud83d"}, {"asin": "0002", "brand": "\udc00x\udc00"}]
    raw = write_files(
        tmp_path / "raw", {"X.json": lines([REVIEW_2014]), "meta_X.json": lines(products)}
    )
    made = convert("amazon-books", raw)
    assert made["item"] == ["0001\tcut \ufffd" + "\t" * 5, "0002" + "\t" * 6 + "\ufffdx\ufffd"]
    assert caplog.messages == [
        "amazon-books.item: 2 rows had halves of characters (lone surrogates), now U+FFFD"
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ratings_Books.csv", "A1KKE1VX8OJ2ZL,0000000116,4.0,95\nA2,B000000000,1.5,96\n"),
        ("Books.csv", "0000000116,A1KKE1VX8OJ2ZL,4.0,95\nB000000000,A2,1.5,96\n"),
        ("Books.csv.gz", "user_id,parent_asin,rating,timestamp\n"
         "A1KKE1VX8OJ2ZL,0000000116,4.0,95001\nA2,B000000000,1.5,96999\n"),
    ],
)  # fmt: skip
def test_the_files_of_ratings_alone(tmp_path: Path, name: str, content: str) -> None:
    packed = gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()
    raw = write_files(
        tmp_path / "raw", {name: packed, "meta_Books.json": lines([{"asin": "0000000116"}])}
    )
    made = convert("amazon-books", raw)
    assert made["inter"] == ["A1KKE1VX8OJ2ZL\t0000000116\t4\t95", "A2\tB000000000\t1.5\t96"]


def test_where_user_and_item_look_alike_the_user_comes_first(tmp_path: Path) -> None:
    ratings = b"A123456789,0000000116,4.0,95\n"
    raw = write_files(
        tmp_path / "raw", {"ratings_X.csv": ratings, "meta_X.json": lines([{"asin": "1"}])}
    )
    assert convert("amazon-books", raw)["inter"] == ["A123456789\t0000000116\t4\t95"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"X.csv": b"a,b\n"}, r"X.csv, line 1: expected 'user,item,rating,time' \(2014\).*'a,b'"),
        ({"X.csv": b"u,0000000116,3,4\nu,2,3\n"}, r"X.csv, line 2: expected 4 cells, got 3"),
        ({"X.csv": b"u,0000000116,6,4\n"}, r"rating 1: expected a number from 1 to 5, got '6'"),
        ({"X.json": b'{"asin": "1"}\n'}, r"X.json: expected ratings, got none"),
        ({"X.json": b'{"asin": \n'}, r"X.json, line 1: expected one JSON object, got '{\"asin\":'"),
        ({"X.json": b"\n[1]\n"}, r"X.json, line 2: expected one JSON object, got '\[1\]'"),
        ({"X.json": b"[" * 100_000}, r"X.json, line 1: expected one JSON object"),
        ({}, r"\*\.json\* or \*\.csv is missing.*there is meta_X\.json"),
        ({"X.json": b"", "Y.json": b""}, r"expected one file '\*\.json\*', got .*X.json and .*Y"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    raw = write_files(tmp_path / "raw", {**files, "meta_X.json": lines([{"asin": "1"}])})
    with pytest.raises(DataError, match=message):
        convert("amazon-books", raw)


def test_a_download_that_was_cut_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(lines([REVIEW_2014] * 1000))
    raw = write_files(
        tmp_path / "raw", {"X.json.gz": packed[:-20], "meta_X.json": lines([{"asin": "1"}])}
    )
    with pytest.raises(DataError, match=r"X\.json\.gz is damaged or was cut off"):
        convert("amazon-books", raw)


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        raw = tmp_path / str(rows) / "raw"
        reviews = lines([REVIEW_2014] * rows)
        write_files(
            raw,
            {
                "X.json.gz": gzip.compress(reviews, 1),
                "meta_X.json": lines([PRODUCT_2014] * (rows // 10)),
            },
        )
        del reviews
        tracemalloc.start()
        convert_only(raw)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    def convert_only(raw: Path) -> None:
        from recbole.data.sources.atomic_folder import AtomicFolder
        from recbole.data.sources.raw_files import RawFiles

        source = find_source("amazon-books")
        assert source is not None
        source.convert(RawFiles(raw), AtomicFolder(raw / "out", "amazon-books"))

    peak(10)  # what is imported or compiled once
    assert peak(20_000) < peak(2_000) + 500_000


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("amazon-book", ["ratings_Books.csv", "meta_Books.json.gz"]),
        ("amazon-books", ["ratings_Books.csv", "meta_Books.json.gz"]),
        ("amazon-video-games-2018", ["Video_Games.csv", "meta_Video_Games.json.gz"]),
        ("amazon-amazon-fashion-2018", ["AMAZON_FASHION.csv", "meta_AMAZON_FASHION.json.gz"]),
        ("amazon-all-beauty-2023", ["All_Beauty.csv.gz", "meta_All_Beauty.jsonl.gz"]),
    ],
)
def test_names_say_what_is_fetched(name: str, files: list[str]) -> None:
    source = find_source(name)
    assert source is not None
    assert source.name == name
    assert [file.name for file in source.files] == files
    assert all(file.url.startswith("https://") for file in source.files)
    assert all(file.url.endswith(f"/{file.name}") for file in source.files)


def test_there_are_all_categories() -> None:
    assert {year: len(names) for year, names in CATEGORIES.items()} == {
        "2014": 24,
        "2018": 29,
        "2023": 34,
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("amazon", "expected amazon-<category>-<year>, such as amazon-all-beauty-2018"),
        ("amazon-books-2016", "the year being 2014, 2018, 2023"),
        ("amazon-all-beuty-2018", "categories of 2018 are .*Did you mean 'all-beauty'"),
        ("amazon-baby-2023", "categories of 2023 are"),
    ],
)
def test_a_name_that_there_is_not(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_source(name)

"""Data sets from files at hand, and those that nobody but the user can fetch."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import logging
from pathlib import Path

import pytest

from recbole.data import download
from recbole.data.download import convert_dataset, ensure_dataset
from recbole.data.sources.registry import NAMES, SOURCES
from recbole.data.sources.source import RemoteFile
from recbole.errors import DataError
from tests.unit.data import fake_movielens
from tests.unit.data.fake_movielens import FILES, OFFICIAL, Server, assert_converted, refused_url

# pytest finds fixtures among a module's names.
folder = fake_movielens.folder
server = fake_movielens.server


def test_an_archive_of_any_name_is_converted_and_stays(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.zip"
    mine.write_bytes(OFFICIAL)
    convert_dataset("ml-100k", [mine], folder)
    assert mine.read_bytes() == OFFICIAL
    assert_converted(folder)


def test_the_folder_names_the_data_set(tmp_path: Path) -> None:
    mine = tmp_path / "mine.zip"
    mine.write_bytes(OFFICIAL)
    convert_dataset("ml-100k", [mine], tmp_path / "films")
    names = sorted(path.name for path in (tmp_path / "films").iterdir())
    assert names == [name.replace("ml-100k", "films") for name in FILES]


def test_a_folder_that_is_there_is_left_alone(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.zip"
    mine.write_bytes(OFFICIAL)
    folder.mkdir(parents=True)
    (folder / "ml-100k.inter").write_text("precious")
    with pytest.raises(DataError, match="is there already, and is left as it is"):
        convert_dataset("ml-100k", [mine], folder)
    assert [path.read_text() for path in folder.iterdir()] == ["precious"]


def test_a_conversion_that_fails_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "u.data").write_text("1\t2\t3\t4\n1\t2\tx\t4\n")
    with pytest.raises(DataError, match=r"u\.data, line 2"):
        convert_dataset("ml-100k", [mine], folder)
    assert list(folder.parent.iterdir()) == []


def test_an_unknown_name_lists_the_known_ones(folder: Path) -> None:
    with pytest.raises(DataError, match=r"No converter for 'ml100k'\. Did you mean 'ml-100k'"):
        convert_dataset("ml100k", [], folder)


@pytest.mark.parametrize("name", ["yelp2018", "anime"])
def test_what_is_behind_a_form_says_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as caught:
        ensure_dataset(name, tmp_path / "dataset" / name)
    message = str(caught.value)
    assert "form" in message or "login" in message
    assert SOURCES[name].home in message
    assert f"recbole data convert {name} --from=<path> --to={tmp_path / 'dataset'}" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["book-crossing", "frappe", "goodbooks-10k", "amazon-books-2018"])
def test_what_cannot_be_reached_says_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as caught:
        ensure_dataset(name, tmp_path / name, base_url=refused_url())
    message = str(caught.value)
    assert "could not be read" in message
    assert f"recbole data convert {name} --from=<path>" in message
    assert "http" in message.partition("\n")[2]


def test_several_files_of_one_data_set(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.serve("ratings_Books.csv", b"A1KKE1VX8OJ2ZL,0000000116,4.0,95\n")
    server.serve("meta_Books.json.gz", b"damaged")
    folder = tmp_path / "dataset" / "amazon-books"
    with pytest.raises(DataError, match=r"meta_Books\.json\.gz is damaged"):
        ensure_dataset("amazon-books", folder, base_url=server.url)
    (kept,) = (path for path in folder.parent.rglob("*Books*") if path.suffix == ".csv")
    folder.with_name("meta_Books.json.gz").write_bytes(gzip.compress(b'{"asin": "0000000116"}'))
    server.asked.clear()
    ensure_dataset("amazon-books", folder)
    assert server.asked == []
    assert not kept.exists()
    assert sorted(path.name for path in folder.iterdir()) == [
        "amazon-books.inter",
        "amazon-books.item",
    ]
    assert sorted(path.name for path in folder.parent.iterdir()) == [
        "amazon-books",
        "meta_Books.json.gz",
    ]
    assert "McAuley Lab" in caplog.text


@pytest.mark.parametrize("where", ["own", "fetched"])
def test_a_sha256_counts_as_well(
    server: Server, folder: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trust(sha256: str) -> None:
        file = RemoteFile("http://x/ml-100k.zip", "ml-100k.zip", sha256=sha256)
        known = dataclasses.replace(SOURCES["ml-100k"], files=(file,), wheel_sha256=None)
        monkeypatch.setitem(download.SOURCES, "ml-100k", known)

    if where == "own":
        folder.parent.mkdir()
        folder.with_name("ml-100k.zip").write_bytes(OFFICIAL)
    trust("0" * 64)
    with pytest.raises(DataError, match=r"SHA-256.*0000|SHA256 0000"):
        ensure_dataset("ml-100k", folder, base_url=server.url)
    assert not folder.exists()
    trust(hashlib.sha256(OFFICIAL).hexdigest())
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert sorted(path.name for path in folder.iterdir()) == FILES


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_every_source_says_what_its_users_must_know(source: object) -> None:
    assert isinstance(source, type(SOURCES["ml-1m"]))
    assert source.name in NAMES
    assert len(source.licence) > 40
    assert source.home.startswith("https://")
    assert source.files or source.by_hand
    assert {"inter", "item"} <= set(source.columns)
    assert source.columns["inter"][:2] == ("user_id:token", "item_id:token")
    for suffix in ("user", "item"):
        assert source.columns.get(suffix, (f"{suffix}_id:token",))[0] == f"{suffix}_id:token"

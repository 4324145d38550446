"""MovieLens comes from the official archive, whole and unchanged, or an error says why not."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from recbole.data import download
from recbole.data.download import ensure_dataset
from recbole.errors import ConfigError, DataError
from tests.unit.data import fake_movielens
from tests.unit.data.fake_movielens import (
    MD5,
    OFFICIAL,
    RAW,
    Server,
    assert_converted,
    assert_nothing_left,
    trust,
    zipped,
)

# pytest finds fixtures among a module's names.
folder = fake_movielens.folder
known_files = fake_movielens.known_files
server = fake_movielens.server

REAL_SOURCES = dict(download.SOURCES)


def test_the_checksums_are_those_that_grouplens_publishes() -> None:
    published = {name: s.files[0].md5 for name, s in REAL_SOURCES.items() if name[:3] == "ml-"}
    assert published == {
        "ml-100k": "0e33842e24a9c977be4e0107933c0723",
        "ml-1m": "c4d9eecfca2ab87c1945afe126590906",
        "ml-10m": "ce571fd55effeba0271552578f2648bd",
        "ml-20m": "cd245b17a1ae2cc31bb14903e1204af3",
        "ml-25m": "6b51fb2759a8657d3bfcbfc42b592ada",
        "ml-latest-small": None,
    }
    assert download.GROUPLENS_URL == "https://files.grouplens.org/datasets/movielens"


def test_download_converts_and_says_where_it_came_from(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ensure_dataset("ml-100k", folder, base_url=server.url + "/")
    assert_converted(folder)
    origin, licence = (record.getMessage() for record in caplog.records)
    assert origin == f"ml-100k: converted from {server.url}/ml-100k.zip, now in {folder}"
    assert "cite Harper and Konstan" in licence
    caplog.clear()
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert caplog.records == []


def test_a_filled_folder_is_left_as_it_is(server: Server, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "mine").touch()
    ensure_dataset("ml-100k", folder, base_url=server.url)
    ensure_dataset("ml-100k", folder, base_url="nonsense is not even looked at")
    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert server.asked == []


def test_an_empty_folder_is_filled(server: Server, folder: Path) -> None:
    folder.mkdir(parents=True)
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert_converted(folder)


def test_the_address_comes_from_the_environment(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(download.URL_VARIABLE, server.url)
    monkeypatch.setenv(download.TIMEOUT_VARIABLE, "20")
    ensure_dataset("ml-100k", folder)
    assert_converted(folder)


def test_a_mirror_need_not_serve_the_checksum(server: Server, folder: Path) -> None:
    del server.routes["ml-100k.zip.md5"]
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert_converted(folder)


def test_a_changed_archive_is_refused_even_if_its_server_vouches_for_it(
    server: Server, folder: Path
) -> None:
    other = OFFICIAL + b"x"
    server.serve("ml-100k.zip", other)
    server.serve("ml-100k.zip.md5", hashlib.md5(other).hexdigest().encode())
    with pytest.raises(DataError, match=rf"{hashlib.md5(other).hexdigest()}, known is {MD5}"):
        ensure_dataset("ml-100k", folder, base_url=server.url)
    assert_nothing_left(folder)


def test_an_archive_that_differs_from_the_published_checksum_is_refused(
    server: Server, folder: Path
) -> None:
    server.serve("ml-100k.zip.md5", b"MD5 (ml-100k.zip) = " + b"0" * 32)
    with pytest.raises(DataError, match=r"ml-100k\.zip\.md5 says 0{32}"):
        ensure_dataset("ml-100k", folder, base_url=server.url)
    assert_nothing_left(folder)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:\\evil", "..\\evil"])
def test_an_archive_that_reaches_outside_is_refused(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped({f"ml-100k/{file}": text for file, text in RAW.items()} | {name: "x"})
    trust(monkeypatch, archive)
    folder.parent.mkdir()
    folder.with_name("ml-100k.zip").write_bytes(archive)
    with pytest.raises(DataError, match="leads outside"):
        ensure_dataset("ml-100k", folder)
    assert [path.name for path in folder.parent.iterdir()] == ["ml-100k.zip"]


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"no zip", "is damaged, or no archive"),
        (OFFICIAL[:-30], "is damaged, or no archive"),
        (zipped({"other/readme": "x"}), "u.data is missing: expected a file of lines.*; there is"),
    ],
)
def test_an_archive_without_the_raw_files_is_an_error(
    folder: Path, archive: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, archive)
    folder.parent.mkdir()
    folder.with_name("ml-100k.zip").write_bytes(archive)
    with pytest.raises(DataError, match=message):
        ensure_dataset("ml-100k", folder)


def test_an_archive_beside_the_folder_is_used_without_the_network(
    server: Server, folder: Path
) -> None:
    folder.parent.mkdir()
    own = folder.with_name("ml-100k.zip")
    own.write_bytes(OFFICIAL)
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert server.asked == []
    assert own.read_bytes() == OFFICIAL
    own.unlink()
    assert_converted(folder)


def test_another_archive_beside_the_folder_is_an_error(server: Server, folder: Path) -> None:
    folder.parent.mkdir()
    folder.with_name("ml-100k.zip").write_bytes(b"atomic files, say")
    with pytest.raises(DataError, match=rf"not the published ml-100k\.zip: expected the MD5 {MD5}"):
        ensure_dataset("ml-100k", folder, base_url=server.url)
    assert server.asked == []
    assert not folder.exists()


def test_an_unknown_name_says_what_to_put_where(tmp_path: Path) -> None:
    (tmp_path / "my-films").mkdir()
    with pytest.raises(DataError) as caught:
        ensure_dataset("ml100k", tmp_path / "ml100k")
    message = str(caught.value)
    assert "No data set 'ml100k'" in message
    assert "Did you mean 'ml-100k'?" in message
    assert f"{tmp_path / 'ml100k' / 'ml100k.inter'} with a header such as 'user_id:token" in message
    with pytest.raises(DataError, match="Did you mean 'my-films'"):
        ensure_dataset("my-film", tmp_path / "my-film")
    with pytest.raises(DataError, match="No data set 'absent'"):
        ensure_dataset("absent", tmp_path / "nowhere" / "absent")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "soon"])
def test_a_senseless_timeout_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, timeout: str
) -> None:
    monkeypatch.setenv(download.TIMEOUT_VARIABLE, timeout)
    with pytest.raises(ConfigError, match=rf"{download.TIMEOUT_VARIABLE}.*got '{timeout}'"):
        ensure_dataset("ml-100k", folder)


def test_a_senseless_address_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"must start with http.*'file:///etc'"):
        ensure_dataset("ml-100k", folder, base_url="file:///etc")


def test_a_place_that_cannot_be_written_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="could not be written"):
        ensure_dataset("ml-100k", tmp_path / "file" / "ml-100k", base_url=server.url)

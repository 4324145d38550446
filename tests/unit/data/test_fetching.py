"""A transfer that breaks off is gone on with, and never mixes two versions of a file."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from recbole.data.download import ensure_dataset
from recbole.data.fetching import SourceUnusableError, fetch_file, part_of
from recbole.errors import DataError
from tests.unit.data import fake_movielens
from tests.unit.data.fake_movielens import (
    MD5,
    OFFICIAL,
    Server,
    assert_converted,
    assert_nothing_left,
)

# pytest finds fixtures among a module's names.
folder = fake_movielens.folder
known_files = fake_movielens.known_files
server = fake_movielens.server

THIRD = len(OFFICIAL) // 3


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "ml-100k.zip"


def url_of(server: Server) -> str:
    return f"{server.url}/ml-100k.zip"


def assert_arrived(target: Path) -> None:
    assert target.read_bytes() == OFFICIAL
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_cut_connection_is_gone_on_with_at_once(
    server: Server, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.version = '"one"'
    server.cuts = [THIRD, THIRD]
    fetch_file(url_of(server), target)
    assert server.resumed == [THIRD, 2 * THIRD]
    assert_arrived(target)
    assert f"cut off after {THIRD} of {len(OFFICIAL)} bytes; going on" in caplog.text


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server: Server, target: Path) -> None:
    server.version = '"one"'
    server.cuts = [THIRD, 0]
    with pytest.raises(SourceUnusableError, match=f"cut off after {THIRD} of"):
        fetch_file(url_of(server), target)
    assert part_of(target).read_bytes() == OFFICIAL[:THIRD]
    assert not target.exists()
    fetch_file(url_of(server), target)
    assert server.resumed == [THIRD, THIRD]
    assert_arrived(target)


@pytest.mark.parametrize("version", ['"two"', None])
def test_a_file_that_has_changed_starts_over(
    server: Server, target: Path, version: str | None
) -> None:
    server.version = '"one"'
    server.cuts = [THIRD, 0]
    server.serve("ml-100k.zip", b"x" * len(OFFICIAL))
    with pytest.raises(SourceUnusableError):
        fetch_file(url_of(server), target)
    server.version = version
    server.resumed.clear()
    server.serve("ml-100k.zip", OFFICIAL)
    fetch_file(url_of(server), target)
    assert server.resumed == []
    assert_arrived(target)


@pytest.mark.parametrize("version", ['W/"weak"', None])
def test_without_a_firm_version_a_cut_transfer_starts_over(
    server: Server, target: Path, version: str | None
) -> None:
    server.version = version
    server.cuts = [THIRD]
    fetch_file(url_of(server), target)
    assert server.resumed == []
    assert_arrived(target)


def test_a_part_of_another_address_starts_over(server: Server, target: Path) -> None:
    server.version = '"one"'
    server.serve("other.zip", b"y" * len(OFFICIAL))
    server.cuts = [THIRD, 0]
    with pytest.raises(SourceUnusableError):
        fetch_file(f"{server.url}/other.zip", target)
    server.resumed.clear()
    fetch_file(url_of(server), target)
    assert server.resumed == []
    assert_arrived(target)


@pytest.mark.parametrize("note", ["", "[]", "no json", '{"url": 1}'])
def test_a_damaged_note_starts_over(server: Server, target: Path, note: str) -> None:
    server.version = '"one"'
    part_of(target).write_bytes(b"z" * THIRD)
    Path(f"{part_of(target)}.json").write_text(note)
    fetch_file(url_of(server), target)
    assert server.resumed == []
    assert_arrived(target)


def test_a_part_that_is_the_whole_is_kept(server: Server, target: Path) -> None:
    server.version = '"one"'
    server.cuts = [THIRD, 0]
    with pytest.raises(SourceUnusableError):
        fetch_file(url_of(server), target)
    part_of(target).write_bytes(OFFICIAL)
    server.asked.clear()
    fetch_file(url_of(server), target)
    assert server.resumed[-1] == len(OFFICIAL)
    assert server.asked == ["ml-100k.zip"]
    assert_arrived(target)


def test_a_part_that_is_longer_than_the_whole_starts_over(server: Server, target: Path) -> None:
    server.version = '"one"'
    server.cuts = [THIRD, 0]
    with pytest.raises(SourceUnusableError):
        fetch_file(url_of(server), target)
    part_of(target).write_bytes(OFFICIAL + b"more")
    fetch_file(url_of(server), target)
    assert_arrived(target)


def test_a_server_that_always_cuts_is_given_up(server: Server, target: Path) -> None:
    server.cuts = [THIRD] * 10
    with pytest.raises(SourceUnusableError, match=f"cut off after {THIRD} of"):
        fetch_file(url_of(server), target)
    assert len(server.asked) == 2


def test_nothing_stays_where_nothing_came(server: Server, target: Path) -> None:
    server.cuts = [0] * 10
    with pytest.raises(SourceUnusableError):
        fetch_file(url_of(server), target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_is_final(server: Server, target: Path, status: int) -> None:
    server.serve("ml-100k.zip", b"sorry", status=status)
    with pytest.raises(SourceUnusableError, match=rf"could not be read: HTTP Error {status}"):
        fetch_file(url_of(server), target)
    assert server.asked == ["ml-100k.zip"]
    assert list(target.parent.iterdir()) == []


def test_a_redirection_is_followed_also_when_going_on(server: Server, target: Path) -> None:
    server.version = '"one"'
    server.cuts = [THIRD]
    server.moved["old.zip"] = url_of(server)
    fetch_file(f"{server.url}/old.zip", target)
    assert server.asked == ["old.zip", "ml-100k.zip"] * 2
    assert server.resumed == [THIRD]
    assert_arrived(target)


def test_a_disk_without_room_is_an_error_before_anything_is_fetched(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, len(OFFICIAL) - 1))
    with pytest.raises(DataError, match=r"could not be written: .*no space left: .* still to come"):
        ensure_dataset("ml-100k", folder, base_url=server.url)
    assert not folder.exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, len(OFFICIAL)))
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert_converted(folder)


def test_another_part_than_was_asked_for_is_not_appended(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.version = '"one"'
    server.cuts = [THIRD]
    server.skips = 5
    with pytest.raises(SourceUnusableError, match="sent another part than was asked for"):
        fetch_file(url_of(server), target)
    assert part_of(target).read_bytes() == OFFICIAL[:THIRD]


def test_only_what_is_still_to_come_needs_room(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    room = iter([len(OFFICIAL), len(OFFICIAL) - THIRD])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, next(room)))
    server.version = '"one"'
    server.cuts = [THIRD]
    fetch_file(url_of(server), target)
    assert_arrived(target)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_fills_up_is_an_error(server: Server, folder: Path) -> None:
    part = folder.parent / ".downloads" / "ml-100k" / "ml-100k.zip.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(DataError, match=os.strerror(errno.ENOSPC)):
        ensure_dataset("ml-100k", folder, base_url=server.url)
    assert not folder.exists()
    part.unlink()
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert_converted(folder)


def test_a_wrong_file_is_not_kept_for_the_next_time(server: Server, folder: Path) -> None:
    server.serve("ml-100k.zip", OFFICIAL[:-1] + b"x")
    for _ in range(2):
        with pytest.raises(DataError, match=f"known is {MD5}"):
            ensure_dataset("ml-100k", folder, base_url=server.url)
        assert_nothing_left(folder)
    server.serve("ml-100k.zip", OFFICIAL)
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert_converted(folder)

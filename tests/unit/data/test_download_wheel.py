"""Where GroupLens is out of reach, ml-100k comes from the published wheel, soon and unchanged."""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from recbole.data import download, wheel
from recbole.data.download import ensure_dataset
from recbole.data.fetching import SourceUnusableError
from recbole.errors import DataError
from tests.unit.data import fake_movielens
from tests.unit.data.fake_movielens import (
    FILES,
    OFFICIAL,
    WHEEL,
    WHEEL_FILES,
    Server,
    assert_nothing_left,
    pip_that_brings,
    refused_url,
)

# pytest finds fixtures among a module's names.
folder = fake_movielens.folder
known_files = fake_movielens.known_files
server = fake_movielens.server


def test_a_refused_connection_falls_back_quickly_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wheel, "_pip_download", pip_that_brings(WHEEL))
    caplog.set_level(logging.INFO)
    url = refused_url()
    start = time.monotonic()
    ensure_dataset("ml-100k", folder, base_url=url)
    assert time.monotonic() - start < 2
    assert {path.name: path.read_text() for path in folder.iterdir()} == WHEEL_FILES
    warning, source, licence = caplog.records
    assert "cite Harper and Konstan" in licence.getMessage()
    assert warning.levelno == logging.WARNING
    assert warning.getMessage().startswith(f"{url}/ml-100k.zip.md5 cannot be reached: ")
    assert source.getMessage() == (
        f"ml-100k: taken from the wheel {wheel.WHEEL_NAME}, now in {folder}"
    )
    assert [path.name for path in folder.parent.iterdir()] == ["ml-100k"]


def test_a_proxy_that_is_not_there_falls_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wheel, "_pip_download", pip_that_brings(WHEEL))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers the proxies it began with
    monkeypatch.setenv("http_proxy", refused_url())
    ensure_dataset("ml-100k", folder, base_url="http://files.example")
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert "refused" in caplog.records[0].getMessage()


def test_a_silent_host_falls_back_after_the_timeout(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wheel, "_pip_download", pip_that_brings(WHEEL))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ensure_dataset("ml-100k", folder, base_url=url, timeout=0.2)
        assert 0.2 <= time.monotonic() - start < 2
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_a_name_server_that_hangs_falls_back_after_the_timeout(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> None:
        released.wait(10)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(wheel, "_pip_download", pip_that_brings(WHEEL))
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    ensure_dataset("ml-100k", folder, base_url="http://files.example", timeout=0.2)
    assert time.monotonic() - start < 2
    released.set()
    assert sorted(path.name for path in folder.iterdir()) == FILES


@pytest.mark.parametrize("status", [404, 503])
def test_a_refusing_host_falls_back_and_says_why(
    server: Server,
    folder: Path,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(wheel, "_pip_download", pip_that_brings(WHEEL))
    server.serve("ml-100k.zip", b"sorry", status=status)
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert {path.name: path.read_text() for path in folder.iterdir()} == WHEEL_FILES
    assert f"HTTP Error {status}" in caplog.records[0].getMessage()


def test_a_cut_connection_falls_back_and_says_so(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wheel, "_pip_download", pip_that_brings(WHEEL))
    server.serve("ml-100k.zip", OFFICIAL[:-7], length=len(OFFICIAL))
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert {path.name: path.read_text() for path in folder.iterdir()} == WHEEL_FILES
    size = len(OFFICIAL)
    assert f"cut off after {size - 7} of {size} bytes" in caplog.records[0].getMessage()


def test_another_wheel_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "_pip_download", pip_that_brings(WHEEL + b"x"))
    with pytest.raises(DataError, match="not the published file, and is not used"):
        ensure_dataset("ml-100k", folder, base_url=refused_url())
    assert_nothing_left(folder)


def pip_that_fails(into: Path) -> None:
    raise SourceUnusableError("pip could not bring it: no index")


@pytest.mark.parametrize(
    ("pip", "reason"),
    [
        (pip_that_fails, "pip could not bring it: no index"),
        (pip_that_brings(WHEEL, "other.whl"), f"pip brought no {wheel.WHEEL_NAME}"),
    ],
)
def test_without_any_source_the_error_gives_both_reasons_and_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pip: Callable[[Path], None], reason: str
) -> None:
    monkeypatch.setattr(wheel, "_pip_download", pip)
    with pytest.raises(DataError) as caught:
        ensure_dataset("ml-100k", folder, base_url=refused_url())
    message = str(caught.value)
    assert "cannot be reached" in message
    assert reason in message
    assert f"/ml-100k.zip at {folder.parent / 'ml-100k.zip'}" in message
    assert f"{folder / 'ml-100k.inter'}  with the header 'user_id:token⇥" in message
    assert "class:token_seq" in message
    assert_nothing_left(folder)


def test_ml_1m_is_never_taken_from_the_wheel(tmp_path: Path) -> None:
    folder = tmp_path / "ml-1m"
    with pytest.raises(DataError) as caught:
        ensure_dataset("ml-1m", folder, base_url=refused_url())
    assert f"ml-1m.zip at {tmp_path / 'ml-1m.zip'}" in str(caught.value)
    assert f"{folder / 'ml-1m.item'}  with the header" in str(caught.value)
    assert "genre:token_seq" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


REAL_PIP_DOWNLOAD = wheel._pip_download


@pytest.mark.parametrize("broken", ["no index", "no pip"])
def test_a_pip_that_fails_is_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    if broken == "no pip":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(SourceUnusableError, match=r"pip could not bring recbole==1\.2\.1: \S+"):
        REAL_PIP_DOWNLOAD(tmp_path)


def test_the_published_wheel_is_the_one_that_is_pinned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    try:
        ensure_dataset("ml-100k", folder, base_url=refused_url())
    except DataError as error:
        if "pip could not bring" not in str(error):
            raise
        pytest.skip("the package index cannot be reached")
    lines = {path.suffix: path.read_bytes().count(b"\n") for path in folder.iterdir()}
    assert lines == {".inter": 100_001, ".user": 944, ".item": 1683}
    for file in FILES:
        suffix = file.rpartition(".")[2]
        header = (folder / file).read_text("utf-8").partition("\n")[0]
        assert header == "\t".join(download.SOURCES["ml-100k"].columns[suffix])

"""A download that is stopped leaves nothing behind, and two at once do not disturb each other."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import recbole
from recbole.data import download
from recbole.data.download import ensure_dataset
from recbole.data.sources.atomic_folder import AtomicFolder
from recbole.data.sources.raw_files import RawFiles
from recbole.errors import DataError
from tests.unit.data import fake_movielens
from tests.unit.data.fake_movielens import (
    MD5,
    NEW_PROCESS,
    OFFICIAL,
    Server,
    assert_converted,
)

# pytest finds fixtures among a module's names.
folder = fake_movielens.folder
known_files = fake_movielens.known_files
server = fake_movielens.server


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError])
def test_an_interrupted_conversion_leaves_nothing(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def stop(raw: RawFiles, out: AtomicFolder) -> None:
        out.write("inter", ["a:token"], [["b"]])
        raise error

    known = download.SOURCES["ml-100k"]
    half = dataclasses.replace(known, convert=stop)
    monkeypatch.setitem(download.SOURCES, "ml-100k", half)
    with pytest.raises(error):
        ensure_dataset("ml-100k", folder, base_url=server.url)
    assert left_of_a_download(folder) == ["ml-100k.zip"]
    monkeypatch.setitem(download.SOURCES, "ml-100k", known)
    server.asked.clear()
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert server.asked == []
    assert_converted(folder)


def start_process(folder: Path, url: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    root = str(Path(recbole.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", NEW_PROCESS, str(folder), url, MD5],
        env={**os.environ, "PYTHONPATH": root, "TERM": "xterm"},
        stderr=stderr,
    )


def wait_half_way(folder: Path) -> None:
    """Until a part of the archive has been written."""
    for _ in range(1500):
        if any(part.stat().st_size for part in folder.parent.glob(".downloads/ml-100k/*.part")):
            return
        time.sleep(0.02)
    raise AssertionError("no download began")


PATIENCE = 60  # seconds for a process, on a machine that is busy


def left_of_a_download(folder: Path) -> list[str]:
    """The names of the files below the folder of all data sets; those of folders do not count."""
    assert not folder.exists()
    return sorted(path.name for path in folder.parent.rglob("*") if path.is_file())


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_download_that_was_ended_is_gone_on_with(
    server: Server, folder: Path, end: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.hold = threading.Event()
    server.version = '"one"'
    with start_process(folder, server.url) as process:
        wait_half_way(folder)
        process.send_signal(end)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == (143 if end == signal.SIGTERM else -end)
    assert left_of_a_download(folder) == ["ml-100k.zip.part", "ml-100k.zip.part.json"]
    part = folder.parent / ".downloads" / "ml-100k" / "ml-100k.zip.part"
    half = part.stat().st_size
    assert 0 < half < len(OFFICIAL)
    server.hold.set()
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert server.resumed == [half]
    assert f"going on from {part}" in caplog.text
    assert_converted(folder)


@contextmanager
def one_that_waits(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """While this lasts a thread asks for what another process is fetching, and waits for it."""
    caplog.set_level(logging.INFO)
    thread = threading.Thread(
        target=ensure_dataset, args=("ml-100k", folder), kwargs={"base_url": server.url}
    )
    thread.start()
    for _ in range(1500):
        if "Another process is at work in" in caplog.text:
            break
        time.sleep(0.02)
    yield
    thread.join(timeout=PATIENCE)
    assert not thread.is_alive()


def test_of_two_processes_at_once_one_fetches_and_both_succeed(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.hold = threading.Event()
    with start_process(folder, server.url) as first:
        wait_half_way(folder)
        with one_that_waits(server, folder, caplog):
            server.hold.set()
            _, errors = first.communicate(timeout=PATIENCE)
    assert (first.returncode, errors) == (0, b"")
    assert "another process has just put it into" in caplog.text
    assert server.asked == ["ml-100k.zip.md5", "ml-100k.zip"]
    assert_converted(folder)


def test_one_that_waits_takes_over_from_one_that_is_killed(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.hold = threading.Event()
    server.version = '"one"'
    with start_process(folder, server.url) as first:
        wait_half_way(folder)
        with one_that_waits(server, folder, caplog):
            first.kill()
            first.communicate(timeout=PATIENCE)
            server.hold.set()
    assert len(server.resumed) == 1
    assert_converted(folder)


@pytest.mark.parametrize("own", [signal.SIG_DFL, lambda *_: None])
def test_a_handler_of_sigterm_is_as_before_and_the_programs_own_stays(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, own: signal.Handlers
) -> None:
    during: list[object] = []
    known = download.SOURCES["ml-100k"]

    def convert(raw: RawFiles, out: AtomicFolder) -> None:
        during.append(signal.getsignal(signal.SIGTERM))
        known.convert(raw, out)

    monkeypatch.setitem(download.SOURCES, "ml-100k", dataclasses.replace(known, convert=convert))
    before = signal.signal(signal.SIGTERM, own)
    try:
        ensure_dataset("ml-100k", folder, base_url=server.url)
        after = signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert after is own
    assert (during == [own]) is (own is not signal.SIG_DFL)


def test_a_thread_may_ask_as_well(server: Server, folder: Path) -> None:
    thread = threading.Thread(
        target=ensure_dataset, args=("ml-100k", folder), kwargs={"base_url": server.url}
    )
    thread.start()
    thread.join()
    assert_converted(folder)


def test_progress_is_shown_on_a_terminal_alone(server: Server, folder: Path) -> None:
    with start_process(folder, server.url) as quiet:
        _, errors = quiet.communicate(timeout=PATIENCE)
    assert (quiet.returncode, errors) == (0, b"")

    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    watcher, terminal = pty.openpty()
    with start_process(folder.with_name("again"), server.url, stderr=terminal) as shown:
        os.close(terminal)
        seen = b""
        try:
            while piece := os.read(watcher, 4096):
                seen += piece
        except OSError:
            pass  # how Linux reports that the other side has closed
        shown.wait(timeout=PATIENCE)
    os.close(watcher)
    assert shown.returncode == 0
    assert b"Downloading ml-100k.zip" in seen

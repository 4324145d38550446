"""A download that is stopped leaves nothing behind, and two at once do not disturb each other."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import recbole
from recbole.data import download
from recbole.data.download import ensure_dataset
from recbole.errors import DataError
from tests.unit.data import fake_movielens
from tests.unit.data.fake_movielens import (
    MD5,
    NEW_PROCESS,
    Server,
    assert_converted,
    assert_nothing_left,
)

# pytest finds fixtures among a module's names.
folder = fake_movielens.folder
known_files = fake_movielens.known_files
server = fake_movielens.server


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError])
def test_an_interrupted_conversion_leaves_nothing(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def stop(raw: Path, out: Path) -> None:
        (out / "ml-100k.inter").touch()
        raise error

    half = dataclasses.replace(download.SOURCES["ml-100k"], convert=stop)
    monkeypatch.setitem(download.SOURCES, "ml-100k", half)
    with pytest.raises(error):
        ensure_dataset("ml-100k", folder, base_url=server.url)
    assert_nothing_left(folder)


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
        if any(part.stat().st_size for part in folder.parent.glob(".ml-100k.partial-*/*.zip")):
            return
        time.sleep(0.02)
    raise AssertionError("no download began")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_terminated_download_leaves_nothing(server: Server, folder: Path, end: int) -> None:
    server.hold = threading.Event()
    with start_process(folder, server.url) as process:
        wait_half_way(folder)
        process.send_signal(end)
        process.communicate(timeout=20)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: -signal.SIGINT}[end]
    assert_nothing_left(folder)


def test_what_a_killed_download_leaves_is_swept_by_the_next(server: Server, folder: Path) -> None:
    server.hold = threading.Event()
    with start_process(folder, server.url) as process:
        wait_half_way(folder)
        process.kill()
        process.communicate(timeout=20)
    assert not folder.exists()
    assert len(list(folder.parent.iterdir())) == 1
    server.hold.set()
    ensure_dataset("ml-100k", folder, base_url=server.url)
    assert_converted(folder)


def test_two_processes_at_once_both_succeed(server: Server, folder: Path) -> None:
    """The first is held half-way; the second neither sweeps its work away nor waits for it."""
    held = server.hold = threading.Event()
    with start_process(folder, server.url) as first:
        wait_half_way(folder)
        server.hold = None
        ensure_dataset("ml-100k", folder, base_url=server.url)
        assert len(list(folder.parent.glob(".ml-100k.partial-*"))) == 1
        made = (folder / "ml-100k.inter").stat()
        held.set()
        _, errors = first.communicate(timeout=20)
    assert (first.returncode, errors) == (0, b"")
    assert (folder / "ml-100k.inter").stat().st_ino == made.st_ino
    assert_converted(folder)


@pytest.mark.parametrize("own", [signal.SIG_DFL, lambda *_: None])
def test_a_handler_of_sigterm_is_as_before_and_the_programs_own_stays(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, own: signal.Handlers
) -> None:
    during: list[object] = []
    known = download.SOURCES["ml-100k"]

    def convert(raw: Path, out: Path) -> None:
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
        _, errors = quiet.communicate(timeout=20)
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
        shown.wait(timeout=20)
    os.close(watcher)
    assert shown.returncode == 0
    assert b"Downloading ml-100k.zip" in seen

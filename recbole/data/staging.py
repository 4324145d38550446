"""A folder that appears whole or not at all: built under another name beside it, then renamed.

The build folder is locked while its process lives. The system drops the lock however that process
ends, so that the next run can tell what a killed one left, and remove it.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from recbole.errors import DataError

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)


@contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Yield a fresh folder beside `target`, and remove it at the end, whatever the end is.

    A SIGTERM counts as an exit (status 143), so that it cleans up too, unless the program has a
    handler of its own. Raises OSError where the folder cannot be made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.partial-"
    _sweep(target.parent, prefix)
    with sigterm_as_exit():
        staging, lock = _claim(target.parent, prefix)
        try:
            yield staging
        finally:
            # What cannot be removed now is no reason to fail: the next run sweeps it.
            shutil.rmtree(staging, ignore_errors=True)
            if lock is not None:
                os.close(lock)


@contextmanager
def folder_of_one_process(path: Path) -> Iterator[Path]:
    """Yield a folder that one process has to itself; others that ask for it wait until it is free.

    What is in it at the end stays there for the next one; an empty one is removed, and so is an
    empty folder above it. On a file system without locks each process gets a folder of its own
    beside it, of which nothing stays. Raises OSError where the folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = _wait_for(path)
    except OSError as error:
        if not path.is_dir():
            raise
        logger.debug("%s cannot be locked: %s", path, error)
        with tempfile.TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as own:
            yield Path(own)
        return
    try:
        yield path
    finally:
        for folder in (path, path.parent):
            with suppress(OSError):  # it is not empty
                folder.rmdir()
        os.close(lock)


def move_into_place(built: Path, target: Path) -> bool:
    """Rename `built` to `target`; False where another process has put its own there before.

    Raises OSError where neither is the case.
    """
    try:
        built.rename(target)
    except OSError:
        if is_filled(target):
            return False
        raise
    return True


def is_filled(folder: Path) -> bool:
    """Whether `folder` is a folder with something in it."""
    return folder.is_dir() and any(folder.iterdir())


def _claim(parent: Path, prefix: str) -> tuple[Path, int | None]:
    """Make and lock a folder; the lock is None on a file system that has none."""
    while True:
        staging = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            lock = _lock(staging)
        except (BlockingIOError, FileNotFoundError):
            continue  # another run swept it in the moment before the lock
        except OSError as error:
            logger.debug("%s stays unlocked, and so unswept: %s", staging, error)
            return staging, None
        if staging.exists():
            return staging, lock
        os.close(lock)


def _wait_for(folder: Path) -> int:
    """Make and lock a folder, once no other process has it locked."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = _lock(folder)
        except FileNotFoundError:
            continue  # another process has just removed it
        except BlockingIOError:
            logger.info("Another process is at work in %s; waiting for it to end", folder)
            lock = _lock(folder, wait=True)
        if folder.exists() and os.path.samestat(folder.stat(), os.fstat(lock)):
            return lock
        os.close(lock)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove the folders whose process has ended, and no others."""
    for leftover in parent.glob(f"{prefix}*"):
        try:
            lock = _lock(leftover)
        except OSError as error:
            logger.debug("%s is left alone: %s", leftover, error)
            continue
        logger.info("Removing %s, left by a run that was stopped", leftover)
        shutil.rmtree(leftover, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path, *, wait: bool = False) -> int:
    """Lock `folder`, or raise OSError (BlockingIOError where another process holds it)."""
    if sys.platform == "win32":
        raise OSError("folders cannot be locked on this system")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack instead of ending the process on the spot."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def refuse_unwritable(path: Path) -> None:
    """Raise DataError where `replacing` could not write a file, so that no work is done in vain."""
    if path.is_dir():
        raise DataError(f"{path}: expected the name of a file, got that of a folder")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise DataError(f"{path} cannot be written: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"{path} cannot be written: the folder {folder} may not be written to")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a file beside `path`, which takes its place when the block ends well.

    After an error, Ctrl-C or SIGTERM the file beside it is removed, and what was at `path` stays.
    An OSError that names the file beside it names `path` instead.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Containers on one shared folder may all be process 1, each of another host.
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    with sigterm_as_exit():
        try:
            yield temporary
            temporary.replace(path)
        except OSError as error:
            if error.filename != str(temporary):
                raise
            raise type(error)(error.errno, error.strerror, str(path)) from None
        finally:
            temporary.unlink(missing_ok=True)

"""Prepared data kept on disk, so that the next load neither parses nor filters nor encodes.

An entry is named by the hash of all that it depends on: the content of the source files, every
data option but those below, and the code of this package. Whatever changes, an entry that does not
fit is not found; none is ever brought up to date. Entries are written whole or not at all, so that
several processes may load at once, and a damaged one is noticed and made anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from recbole.data.archive import DamagedArchiveError, read_archive, write_archive
from recbole.data.options import DataOptions
from recbole.data.prepared import Prepared
from recbole.data.source_files import Sources

_log = logging.getLogger(__name__)

#: The layout of an entry.
FORMAT = 1
#: How many entries of a data set are kept: those used last.
KEPT = 4

#: The options that what is kept does not depend on: where files lie, how rows are split and put
#: into batches.
WITHOUT_EFFECT = frozenset(
    {
        "data_path",
        "data_cache",
        "eval_args",
        "train_batch_size",
        "eval_batch_size",
        "train_neg_sample_args",
        "shuffle",
    }
)
_LEFT_BEHIND_S = 3600
_ONE_AT_A_TIME = threading.RLock()


def cached(
    folder: Path, name: str, options: DataOptions, prepare: Callable[[Sources | None], Prepared]
) -> Prepared:
    """What `prepare` returns, from the cache where it has been made before.

    The warnings that preparation gave are given again.

    Args:
        folder: the folder of the data set.
        prepare: reads and prepares the files. It is given their hashes, where these are known.
    """
    place = cache_folder(folder, name, options)
    if place is None:
        return prepare(None)
    sources = Sources.of(folder, name, place)
    path = place / f"{entry_key(sources, options)}.npz"
    entry = _read(path)
    if entry is not None:
        for warning in entry["warnings"]:
            _log.warning("%s", warning)
        return Prepared.from_dict(entry["data"])
    with recorded_warnings() as warnings:
        prepared = prepare(sources)
    if sources.unchanged():
        _write(path, {"warnings": warnings, "data": prepared.to_dict()})
    return prepared


def cache_folder(folder: Path, name: str, options: DataOptions) -> Path | None:
    """Where the entries of a data set lie; None where there is to be no cache, or can be none."""
    if options.data_cache is False:
        return None
    place = folder / ".cache" if options.data_cache is True else Path(options.data_cache) / name
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.debug("No cache of prepared data: %s", error)
        return None
    if not os.access(place, os.W_OK | os.X_OK):
        _log.debug("No cache of prepared data: %s is not writable", place)
        return None
    return place


def entry_key(sources: Sources, options: DataOptions) -> str:
    """The hash of all that prepared data depends on."""
    depends_on = {
        "format": FORMAT,
        "code": code_digest(),
        "sources": sources.sha256,
        "options": options.model_dump(mode="json", exclude=set(WITHOUT_EFFECT)),
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:32]


@cache
def code_digest() -> str:
    """The hash of this package's source files, so that changed code finds nothing that is old."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> Any:
    try:
        entry = read_archive(path)
        path.touch()  # entries used last are kept
    except FileNotFoundError:
        return None
    except (DamagedArchiveError, OSError) as error:
        _log.warning("%s is damaged (%s); the data is prepared anew", path, error)
        return None
    return entry


def _write(path: Path, entry: dict[str, Any]) -> None:
    try:
        write_archive(path, entry)
        _prune(path.parent)
    except OSError as error:
        _log.warning("The prepared data is not kept for the next load: %s", error)


def _prune(place: Path) -> None:
    """Remove the entries that were not used for longest, and what stopped writers left behind."""
    entries = sorted(place.glob("[!.]*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for entry in entries[KEPT:]:
        entry.unlink(missing_ok=True)
    for leftover in place.glob(".*.npz.*"):
        if time.time() - leftover.stat().st_mtime > _LEFT_BEHIND_S:
            leftover.unlink(missing_ok=True)


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """The texts of the warnings of this package within the block, also of those the log leaves out.

    What the log shows (option `state`) stays the same. One thread at a time: others wait, so that
    each finds the log as it was, and its own warnings alone.
    """
    package = logging.getLogger(__package__)
    with _ONE_AT_A_TIME:
        level, propagate = package.level, package.propagate
        recorder = _Recorder(package)
        package.addHandler(recorder)
        package.setLevel(min(recorder.shown_from, logging.WARNING))
        package.propagate = False
        try:
            yield recorder.texts
        finally:
            package.removeHandler(recorder)
            package.setLevel(level)
            package.propagate = propagate


class _Recorder(logging.Handler):
    """Keeps warnings, and passes on to the log what it would have had of a logger without this."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.shown_from = logger.getEffectiveLevel()
        self._log = logger.parent if logger.propagate else None

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.texts.append(record.getMessage())
        if self._log is not None and record.levelno >= self.shown_from:
            self._log.callHandlers(record)

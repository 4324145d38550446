"""The source files of a data set and their SHA-256, which is not computed anew at every load.

The hash of a file is remembered with its size, times of change, inode and device. As long as these
are the same, so is the file; with one exception that Git calls racy: a file changed within the same
tick of the clock as it was hashed looks the same before and after. So a hash is only remembered for
a file that had not been touched for two seconds, more than the tick of any file system, when it
was hashed. (A program may set a file's time of modification, but not ctime, that of its last change
of any kind. Windows has no such time, and there every file is hashed at every load.)
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole.data.staging import replacing

_log = logging.getLogger(__name__)

_INDEX = "sha256.json"
_SOURCE = re.compile(r".+\.(inter|user|item)(\.[a-z]+)?")
_UNTOUCHED_NS = 2 * 10**9


@dataclass(frozen=True)
class Sources:
    """The files that a data set may be read from, as they were at one moment.

    Attributes:
        sha256: the hash of each file, by file name.
    """

    folder: Path
    sha256: dict[str, str]
    _identities: dict[str, list[int]]

    @classmethod
    def of(cls, folder: Path, name: str, cache: Path) -> Sources:
        """The files `<name>.….inter`, `.user` and `.item` of a folder, all that there are.

        Args:
            cache: the folder where hashes are remembered.
        """
        index = _read_index(cache / _INDEX)
        hashes: dict[str, str] = {}
        identities: dict[str, list[int]] = {}
        fresh = False
        for path in source_files(folder, name):
            identity = identities[path.name] = _identity(path)
            key = str(path.resolve())
            known = index.get(key)
            if known is not None and known[:-1] == identity:
                hashes[path.name] = known[-1]
                continue
            begun = time.time_ns()
            hashes[path.name] = sha256(path)
            if sys.platform != "win32" and max(identity[1:3]) + _UNTOUCHED_NS < begun:
                index[key] = [*identity, hashes[path.name]]
                fresh = True
        if fresh:
            _write_index(cache / _INDEX, index)
        return cls(folder, hashes, identities)

    def unchanged(self) -> bool:
        """Whether no file has been touched, removed or added since."""
        try:
            return all(
                _identity(self.folder / name) == then for name, then in self._identities.items()
            )
        except OSError:
            return False


def source_files(folder: Path, name: str) -> list[Path]:
    """The files of a data set in its folder, by name."""
    found = [path for path in folder.iterdir() if path.name.startswith(f"{name}.")]
    return sorted(path for path in found if _SOURCE.fullmatch(path.name) and path.is_file())


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identity(path: Path) -> list[int]:
    """Size, modification, last change of any kind, inode, device."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]


def _read_index(path: Path) -> dict[str, list[Any]]:
    try:
        stored = json.loads(path.read_text())
        if stored["check"] == _check(stored["files"]):
            return stored["files"]
        _log.debug("%s is damaged; the files are hashed anew", path)
    except FileNotFoundError:
        _log.debug("%s: no file has been hashed yet", path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.debug("%s is damaged; the files are hashed anew: %s", path, error)
    return {}


def _write_index(path: Path, index: dict[str, list[Any]]) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({"files": index, "check": _check(index)}))
    except OSError as error:
        _log.debug("Hashes are not remembered: %s", error)


def _check(index: Any) -> str:
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()

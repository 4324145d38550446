"""Reading from a web server that may be slow, cut the connection, or not be there at all.

What has arrived stays in <file>.part, and the next attempt, in this process or another, goes on
from there (RFC 9110: Range, with If-Range so that two versions of a file are never mixed).
"""

from __future__ import annotations

import errno
import http.client
import json
import logging
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole.data.byte_progress import byte_progress

logger = logging.getLogger(__name__)

#: A transfer that brings nothing for this long is taken for cut.
STALL_SECONDS = 30.0
#: The pause before a cut transfer goes on.
PAUSE_SECONDS = 1.0
_CHUNK_BYTES = 1 << 16
_NETWORK_ERRORS = (OSError, http.client.HTTPException)
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class SourceUnusableError(Exception):
    """A source gave no answer, or not the whole file; another source may."""


class _CutError(Exception):
    """The connection ended before the file did."""


def fetch_note(url: str, seconds: float) -> str | None:
    """Read a text of a few lines, or None where the host answers but has no such text.

    The whole answer must come within `seconds`. A look-up of the host's name heeds no time limit,
    so it runs in a thread that can be left behind. Raises SourceUnusableError where the host cannot
    be reached.
    """
    answer: Future[str] = Future()

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds) as response:
                answer.set_result(response.read(_CHUNK_BYTES).decode("latin-1"))
        except Exception as error:  # noqa: BLE001 - handed over to the waiting thread
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(timeout=seconds)
    except urllib.error.HTTPError as error:
        logger.debug("%s: %s", url, error)
        error.close()
        return None
    except TimeoutError as error:
        raise SourceUnusableError(f"{url} gave no answer within {seconds:g} s") from error
    except _NETWORK_ERRORS as error:
        raise SourceUnusableError(f"{url} cannot be reached: {_reason(error)}") from error


def part_of(target: Path) -> Path:
    """Where a file is kept while it is on its way to `target`."""
    return target.with_name(f"{target.name}.part")


def fetch_file(url: str, target: Path) -> None:
    """Bring `url` to `target`, with a progress bar on a terminal.

    A connection that is cut is opened again for as long as each attempt brings something new. After
    an error, Ctrl-C or worse, what has arrived is kept, and a later call goes on from there.

    Raises:
        SourceUnusableError: the server refuses, stalls or cuts the connection.
        OSError: `target` cannot be written, or the disk has no room for the file.
    """
    part = _Part(url, part_of(target))
    furthest = -1
    while True:
        try:
            _transfer(url, part)
            break
        except _CutError as cut:
            if part.size() <= furthest:
                part.forget_if_empty()
                raise SourceUnusableError(str(cut)) from cut
            furthest = part.size()
            logger.info("%s; going on from there", cut)
            time.sleep(PAUSE_SECONDS)
    part.move_to(target)


@dataclass(frozen=True)
class _Part:
    """A file that is on its way, and beside it what it is a part of."""

    url: str
    path: Path

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def version(self) -> str | None:
        """What the server called this version of the file; None where that is not known."""
        try:
            noted = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        is_ours = isinstance(noted, dict) and noted.get("url") == self.url
        return noted.get("version") if is_ours else None

    def begin(self, version: str | None) -> None:
        """Start over, with what the server sends now."""
        self.path.write_bytes(b"")
        self._note.write_text(json.dumps({"url": self.url, "version": version}), encoding="utf-8")

    def forget_if_empty(self) -> None:
        """Leave nothing where nothing came."""
        if not self.size():
            self.path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def move_to(self, target: Path) -> None:
        self.path.replace(target)
        self._note.unlink(missing_ok=True)


def _transfer(url: str, part: _Part) -> None:
    """Bring what is missing. Raises _CutError where the connection ends too soon."""
    have, version = part.size(), part.version()
    headers = {"User-Agent": "recbole"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=STALL_SECONDS
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            if _total(error.headers) != have:  # else all of it is here already
                part.begin(None)
                raise _CutError(f"{url} is not what it was") from error
            return
        raise SourceUnusableError(f"{url} could not be read: {error}") from error
    except _NETWORK_ERRORS as error:
        raise SourceUnusableError(f"{url} could not be read: {_reason(error)}") from error
    with response:
        goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if goes_on and _start(response.headers) != have:
            raise SourceUnusableError(f"{url}: the server sent another part than was asked for")
        if not goes_on:
            part.begin(_version(response.headers))
            have = 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        _refuse_full_disk(part.path, total, have)
        with (
            part.path.open("ab") as file,
            byte_progress(f"Downloading {url.rpartition('/')[2]}", total, have) as advance,
        ):
            _copy(url, response, file.write, advance, total, have)


def _copy(
    url: str,
    response: Any,
    write: Callable[[bytes], Any],
    advance: Callable[[int], None],
    total: int | None,
    have: int,
) -> None:
    received = have
    for chunk in _chunks(url, response):
        write(chunk)
        received += len(chunk)
        advance(len(chunk))
    # Reading in pieces, http.client takes an early end of the body for the end.
    if total is not None and received != total:
        raise _CutError(f"{url} was cut off after {received} of {total} bytes")


def _chunks(url: str, response: Any) -> Iterator[bytes]:
    """The body piece by piece.

    Only what goes wrong on the network becomes _CutError; an error of the caller, such as a full
    disk, does not pass through here.
    """
    while True:
        try:
            chunk = response.read(_CHUNK_BYTES)
        except _NETWORK_ERRORS as error:
            raise _CutError(f"{url} could not be read: {_reason(error)}") from error
        if not chunk:
            return
        yield chunk


def _refuse_full_disk(path: Path, total: int | None, have: int) -> None:
    """Say at once that there is no room, not after an hour."""
    if total is None:
        return
    free = shutil.disk_usage(path.parent).free
    if total - have > free:
        raise OSError(
            errno.ENOSPC,
            f"no space left: {_gigabytes(total - have)} are still to come, {_gigabytes(free)} are"
            " free",
            str(path),
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.2f} GB"


def _version(headers: Any) -> str | None:
    """What tells one version of a file from another; None where a server gives nothing firm."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _start(headers: Any) -> int | None:
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    return int(match[1]) if match and match[1] else None


def _total(headers: Any) -> int | None:
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    return int(match[2]) if match and match[2] != "*" else None


def _reason(error: Exception) -> str:
    """What went wrong, without the wrapping that urllib puts around it."""
    inner = error.reason if type(error) is urllib.error.URLError else error
    return str(inner) or type(inner).__name__

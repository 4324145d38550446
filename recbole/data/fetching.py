"""Reading from a web server that may be slow, cut the connection, or not be there at all."""

from __future__ import annotations

import http.client
import logging
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

logger = logging.getLogger(__name__)

#: A transfer that brings nothing for this long is given up.
STALL_SECONDS = 30.0
_CHUNK_BYTES = 1 << 16
_NETWORK_ERRORS = (OSError, http.client.HTTPException)


class SourceUnusableError(Exception):
    """A source gave no answer, or not the whole file; another source may."""


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


def fetch_file(url: str, target: Path) -> None:
    """Stream `url` to `target`, with a progress bar on a terminal.

    Raises SourceUnusableError where the server refuses, stalls or cuts the connection, and OSError
    where `target` cannot be written.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar, target.open("wb") as file:
        task = bar.add_task(f"Downloading {url.rpartition('/')[2]}", total=None)
        for chunk, total in _chunks(url):
            file.write(chunk)
            bar.update(task, advance=len(chunk), total=total)


def _chunks(url: str) -> Iterator[tuple[bytes, int | None]]:
    """Yield the body piece by piece, each with the total size where the server says it.

    Only what goes wrong on the network becomes SourceUnusableError; an error of the caller, such as
    a full disk, does not pass through here.
    """
    try:
        with urllib.request.urlopen(url, timeout=STALL_SECONDS) as response:
            size = response.headers.get("Content-Length")
            total = int(size) if size is not None and size.isdecimal() else None
            received = 0
            while chunk := response.read(_CHUNK_BYTES):
                received += len(chunk)
                yield chunk, total
    except _NETWORK_ERRORS as error:
        raise SourceUnusableError(f"{url} could not be read: {_reason(error)}") from error
    # Reading in pieces, http.client takes an early end of the body for the end.
    if total is not None and received != total:
        raise SourceUnusableError(f"{url} was cut off after {received} of {total} bytes")


def _reason(error: Exception) -> str:
    """What went wrong, without the wrapping that urllib puts around it."""
    inner = error.reason if type(error) is urllib.error.URLError else error
    return str(inner) or type(inner).__name__

"""Atomic files written row by row, so that a source of any size needs the memory of one row."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

_log = logging.getLogger(__name__)
_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class AtomicFolder:
    """Where the atomic files of one data set are written.

    Attributes:
        path: a folder, which is made if need be.
        name: of the data set, the stem of its files.
    """

    path: Path
    name: str

    def write(self, suffix: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write `<name>.<suffix>`: UTF-8, TAB separated, lines ending in LF on every system.

        Halves of characters, which escapes in JSON can leave, become U+FFFD; that is logged.

        Args:
            columns: the header, `field:type` parts.
            rows: their cells; none may hold a TAB or a line end (see `text` and `sequence`).
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"{self.name}.{suffix}"
        with path.open("wb") as file:
            file.writelines(_encoded(chain([columns], rows), path.name))


def _encoded(rows: Iterable[Sequence[str]], name: str) -> Iterator[bytes]:
    """Lines of UTF-8."""
    mended = 0
    for row in rows:
        line = "\t".join(row) + "\n"
        try:
            yield line.encode()
        except UnicodeEncodeError:
            mended += 1
            yield _HALVES.sub("\ufffd", line).encode()
    if mended:
        _log.warning(
            "%s: %s rows had halves of characters (lone surrogates), now U+FFFD",
            name,
            f"{mended:,}",
        )


def text(value: str) -> str:
    """A cell with its words separated by single spaces: no TAB, no line end."""
    return " ".join(value.split())


def sequence(elements: Iterable[str]) -> str:
    """A cell of type token_seq: each element one token ("Slice of Life" -> "Slice_of_Life").

    An element that comes again counts once; the first of them keeps its place.
    """
    tokens = ("_".join(element.split()) for element in elements)
    return " ".join(dict.fromkeys(token for token in tokens if token))

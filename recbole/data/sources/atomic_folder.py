"""Atomic files written row by row, so that a source of any size needs the memory of one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


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

        Args:
            columns: the header, `field:type` parts.
            rows: their cells; none may hold a TAB or a line end (see `text` and `sequence`).
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"{self.name}.{suffix}"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write("\t".join(columns) + "\n")
            file.writelines("\t".join(row) + "\n" for row in rows)


def text(value: str) -> str:
    """A cell with its words separated by single spaces: no TAB, no line end."""
    return " ".join(value.split())


def sequence(elements: Iterable[str]) -> str:
    """A cell of type token_seq: each element one token ("Slice of Life" -> "Slice_of_Life").

    An element that comes again counts once; the first of them keeps its place.
    """
    tokens = ("_".join(element.split()) for element in elements)
    return " ".join(dict.fromkeys(token for token in tokens if token))

"""Names of columns that files, options and a shell can hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def safe_name(name: str, otherwise: str) -> str:
    """A name of ASCII letters, digits and underscores; one that is such a name stays as it is.

    >>> safe_name("Book-Rating (1:10)", "column_3")
    'book_rating_1_10'

    Args:
        otherwise: the name where no letter is left of `name`.
    """
    if _SAFE.fullmatch(name):
        return name
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    joined = "_".join(re.findall(r"[a-z0-9]+", letters.lower()))
    if not re.search("[a-z]", joined):
        return otherwise
    return joined if joined[0].isalpha() else f"_{joined}"


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, or with _2, _3, ... at its end where it is taken."""
    used, found, number = set(taken), name, 2
    while found in used:
        found, number = f"{name}_{number}", number + 1
    return found

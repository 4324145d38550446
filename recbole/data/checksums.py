"""Whether a file is the one that its host published."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from recbole.data.sources.source import RemoteFile
from recbole.errors import DataError

_MD5 = re.compile(r"\b[0-9a-fA-F]{32}\b")


def digest(path: Path, algorithm: str) -> str:
    """The checksum of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        # A checksum, no secret: systems that ban MD5 for secrets allow this.
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def check_fetched(path: Path, file: RemoteFile, url: str, note: str | None) -> None:
    """Refuse a file that has just been fetched from `url` and is another than was expected.

    Args:
        note: what the host says of its MD5, in a text beside it; None where it says nothing.

    Raises:
        DataError: a checksum that is known, or the one that is served, does not fit.
    """
    served = _MD5.search(note or "")
    if file.md5 or served:
        found = digest(path, "md5")
        if {file.md5 or found, served[0].lower() if served else found} != {found}:
            raise DataError(
                f"{url} is not the file that was expected, and is not used: its MD5 is {found}, "
                f"known is {file.md5}, and {url}.md5 says {served[0] if served else 'nothing'}"
            )
    if file.sha256 and (found := digest(path, "sha256")) != file.sha256:
        raise DataError(
            f"{url} is not the file that was expected, and is not used: its SHA-256 is {found}, "
            f"known is {file.sha256}"
        )


def check_own(path: Path, file: RemoteFile) -> None:
    """Refuse a file that the user has put there under the name of the published one, and is not.

    Raises:
        DataError: it has another checksum.
    """
    for algorithm, known in (("md5", file.md5), ("sha256", file.sha256)):
        if known and (found := digest(path, algorithm)) != known:
            raise DataError(
                f"{path} is not the published {file.name}: expected the {algorithm.upper()}"
                f" {known}, got {found}. Move it away to have the right one fetched; if it holds"
                " the raw files all the same, use 'recbole data convert'; if it holds atomic files,"
                " unpack them"
            )

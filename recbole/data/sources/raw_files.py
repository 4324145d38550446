"""Files as their owners publish them: in a folder, in an archive, compressed, or by themselves.

Nothing is unpacked to disk. A member of an archive is read where it lies, as a stream.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, TextIO

from recbole.data.byte_progress import byte_progress
from recbole.errors import DataError, did_you_mean

_BUFFER_BYTES = 1 << 18
_ARCHIVES = "a .zip, .tar, .tgz or .tar.gz archive"


@dataclass(frozen=True)
class RawFile:
    """One file, wherever it lies.

    Attributes:
        name: what messages call it: its path, with that of its archive before it.
        base: the name alone, without .gz.
        depth: the folders above it, from where the search began.
        size: in bytes, as it lies there.
        open: opens its bytes.
    """

    name: str
    base: str
    depth: int
    size: int
    open: Callable[[], IO[bytes]]

    @contextmanager
    def text(self, encoding: str = "utf-8-sig", newline: str | None = None) -> Iterator[TextIO]:
        """Open it as text, with a progress bar on a terminal.

        What goes wrong with the file itself inside the block becomes a DataError: a damaged
        archive, an early end, bytes that are no text in this encoding.
        """
        try:
            with ExitStack() as stack:
                advance = stack.enter_context(
                    byte_progress(f"Converting {self.base}", total=self.size)
                )
                counted = _Counted(stack.enter_context(self.open()), advance)
                stream: Any = io.BufferedReader(counted, _BUFFER_BYTES)
                if self.name.lower().endswith(".gz"):
                    stream = stack.enter_context(gzip.GzipFile(fileobj=stream))
                yield stack.enter_context(
                    io.TextIOWrapper(stream, encoding=encoding, newline=newline)
                )
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.name}: expected text in {encoding}, got the byte"
                f" 0x{error.object[error.start]:02x}"
            ) from error
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError) as e:
            raise DataError(f"{self.name} is damaged or was cut off: {e}") from e


class RawFiles:
    """The raw files at hand, found by their names.

    Args:
        paths: folders, archives and single files.

    Raises:
        DataError: one of the paths is not there, or an archive cannot be read, or one of its
            members leads outside.
    """

    def __init__(self, *paths: Path) -> None:
        self.where = ", ".join(map(str, paths))
        self._files = [file for path in paths for file in _files_at(path)]

    def required(self, *patterns: str, layout: str, but_not: str = "") -> RawFile:
        """The file whose name fits the first pattern that one fits; of several, the shallowest.

        Args:
            patterns: names without .gz, such as "ratings.csv" or "meta_*.json".
            layout: what it should hold, for a message.
            but_not: a pattern of names that are meant for something else.

        Raises:
            DataError: no file fits, or several of one depth do.
        """
        for pattern in patterns:
            fitting = [f for f in self._files if _fits(f, pattern) and not _fits(f, but_not)]
            if not fitting:
                continue
            depth = min(file.depth for file in fitting)
            first, *others = [file for file in fitting if file.depth == depth]
            if others:
                raise DataError(
                    f"{self.where}: expected one file '{pattern}', got {first.name} and"
                    f" {others[0].name}; give one of them alone"
                )
            return first
        names = sorted({file.base for file in self._files})
        more = " …" if len(names) > 12 else ""
        raise DataError(
            f"{self.where}: {' or '.join(patterns)} is missing: expected a file of {layout}; there"
            f" is {', '.join(names[:12]) or 'no file'}{more}.{did_you_mean(patterns[0], names)}"
        )


def _fits(file: RawFile, pattern: str) -> bool:
    return fnmatchcase(file.base.lower(), pattern.lower())


def _files_at(path: Path) -> list[RawFile]:
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file())
        return [
            _plain(file, len(file.relative_to(path).parts))
            for file in inside
            if not _is_a_shadow(file.name)
        ]
    if not path.exists():
        near = [beside.name for beside in path.parent.glob("*")] if path.parent.is_dir() else []
        raise DataError(f"{path}: no such file or folder.{did_you_mean(path.name, near)}")
    try:
        if zipfile.is_zipfile(path):
            return _members_of_zip(path)
        if path.name.lower().endswith((".tar", ".tgz", ".tar.gz")):
            return _members_of_tar(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged, or no archive: {error}") from error
    if path.suffix.lower() == ".zip":
        raise DataError(f"{path} is damaged, or no archive: expected {_ARCHIVES}")
    return [_plain(path, 0)]


def _plain(path: Path, depth: int) -> RawFile:
    return RawFile(str(path), _base(path.name), depth, path.stat().st_size, lambda: path.open("rb"))


def _members_of_zip(path: Path) -> list[RawFile]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    refuse_outside(path, [member.filename for member in members])

    def opener(member: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
        # The archive is closed with the last of its open members.
        return lambda: zipfile.ZipFile(path).open(member)

    return [
        _member(path, member.filename, member.file_size, opener(member))
        for member in members
        if not member.is_dir() and not _is_a_shadow(member.filename)
    ]


def _members_of_tar(path: Path) -> list[RawFile]:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    refuse_outside(path, [member.name for member in members])

    def opener(member: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
        return lambda: io.BufferedReader(_TarMember(path, member))

    return [
        _member(path, member.name, member.size, opener(member))
        for member in members
        if member.isreg() and not _is_a_shadow(member.name)
    ]


def _member(archive: Path, name: str, size: int, opener: Callable[[], IO[bytes]]) -> RawFile:
    inside = PurePosixPath(name)
    return RawFile(f"{archive}/{name}", _base(inside.name), len(inside.parts), size, opener)


def refuse_outside(archive: Path, names: Sequence[str]) -> None:
    """Raise DataError where a member of an archive would leave the folder it is unpacked in."""
    for name in names:
        path = PureWindowsPath(name)  # which understands both kinds of separators
        if path.drive or path.root or ".." in path.parts:
            raise DataError(f"{archive.name} is refused: its member {name!r} leads outside")


def _base(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _is_a_shadow(name: str) -> bool:
    """Whether a file is what macOS adds for each file of an archive."""
    return PurePosixPath(name).name.startswith("._")


class _TarMember(io.RawIOBase):
    """The bytes of one member; closes the archive with itself."""

    def __init__(self, path: Path, member: tarfile.TarInfo) -> None:
        self._archive = tarfile.open(path)  # noqa: SIM115 - closed in close()
        content = self._archive.extractfile(member)
        assert content is not None, "members are regular files"
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._content.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._archive.close()
        super().close()


class _Counted(io.RawIOBase):
    """A stream that tells how much of it was read."""

    def __init__(self, stream: IO[bytes], advance: Callable[[int], None]) -> None:
        self._stream = stream
        self._advance = advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        self._advance(len(piece))
        return len(piece)

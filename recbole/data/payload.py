"""Tensors and plain data in one file of torch.save, written whole and checked when it is read."""

from __future__ import annotations

import errno
import os
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch

from recbole.data.staging import replacing


class DamagedPayloadError(Exception):
    """The file is none of torch.save, or not as it was written."""


def save_payload(path: Path, payload: Mapping[str, Any]) -> None:
    """Write a dictionary atomically: the old file stands until the new one is whole.

    Raises:
        OSError: the file cannot be written; names `path`. (torch.save raises a RuntimeError.)
    """
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            noting = _NotingErrors(file)
            try:
                torch.save(dict(payload), noting)  # type: ignore[arg-type]  # all that it calls
            except RuntimeError:
                if noting.error is not None:
                    raise noting.error from None
                raise
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def load_payload(path: Path, *, mapped: bool = False) -> Any:
    """Read on the CPU what `save_payload` wrote, after a look at every byte of it.

    torch.load does not compare checksums: a flipped bit would be a slightly wrong weight. To do so
    reads the file once more, in pieces, which takes a third of the time that a model of that size
    needs to be built and filled (7 s of 30 s for 800 MB on a busy core; 2 ms for a small one).

    Args:
        mapped: leave tensors on disk until they are used.

    Raises:
        DamagedPayloadError: the file is cut off, altered or of another kind.
        OSError: the file is not there or cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            members = archive.infolist()
        if damaged is not None:
            raise DamagedPayloadError(f"the checksum of {damaged} is wrong")
        if any(member.compress_size != member.file_size for member in members):
            raise DamagedPayloadError("a size in it is wrong")  # nothing is compressed
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError:  # its message is for programmers
        raise DamagedPayloadError("it holds other things than tensors and plain data") from None
    # NotImplementedError, of a compression that no version has, is a RuntimeError.
    except (
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,
        ValueError,
        EOFError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DamagedPayloadError(reason) from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # An end record that says where no byte can be.
        raise DamagedPayloadError("its table of contents is damaged") from None


class _NotingErrors:
    """A file for torch.save, which forgets why it could not write."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.error = self.error or error
            raise

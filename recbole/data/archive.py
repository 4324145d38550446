"""Plain data and arrays in one file: a NumPy archive (.npz), uncompressed and without pickle.

Each array is a member of its own, under a number; the member `tree` is the JSON of everything else,
in which {"array": number} stands for one. Members carry a CRC-32, so that damage is noticed.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole.data.staging import replacing

_TREE = "tree"
_ARRAY = "array"


class DamagedArchiveError(Exception):
    """The file is no archive of ours, or not as it was written."""


def write_archive(path: Path, tree: Any) -> None:
    """Write dictionaries with string keys, lists, plain values, tensors and arrays to a file.

    Raises:
        OSError: the file cannot be written; what was at `path` stays.
    """
    arrays: dict[str, NDArray[Any]] = {}
    text = json.dumps(_without_arrays(tree, arrays))
    arrays[_TREE] = np.frombuffer(text.encode(), np.uint8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_archive(path: Path) -> Any:
    """What `write_archive` wrote, with all arrays as tensors.

    Raises:
        DamagedArchiveError: the file is cut off, altered or of another kind.
        OSError: the file is not there or cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            tree = json.loads(archive[_TREE].tobytes())
            return _with_arrays(tree, {name: archive[name] for name in archive.files})
    # RuntimeError: a member that says it is encrypted or compressed in a way that is not known.
    except (
        ValueError,
        KeyError,
        EOFError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DamagedArchiveError(str(error)) from None


def _without_arrays(tree: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(tree, dict):
        return {key: _without_arrays(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list | tuple) and not _is_text(tree):
        return [_without_arrays(value, arrays) for value in tree]
    if isinstance(tree, Tensor | np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.asarray(tree)
        return {_ARRAY: name}
    return tree


def _is_text(values: Any) -> bool:
    """Whether a list is one of strings, such as a vocabulary, which holds no arrays."""
    return bool(values) and isinstance(values[0], str)


def _with_arrays(tree: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(tree, dict):
        if tree.keys() == {_ARRAY}:
            return torch.from_numpy(arrays[tree[_ARRAY]])
        return {key: _with_arrays(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list) and not _is_text(tree):
        return [_with_arrays(value, arrays) for value in tree]
    return tree

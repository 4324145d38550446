"""Between Arrow arrays and NumPy arrays, on the same memory.

`pa.array`, `Array.to_numpy` and the like import pandas the first time they are called, to see
whether they were given a Series: 0.4 s and 40 MiB, more than it takes to load MovieLens-1M. What is
done here with the buffers themselves needs no pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def numpy_of(array: Any, missing: float = 0) -> NDArray[Any]:
    """An Arrow array of numbers or truth values [N] as a NumPy array, read-only where it can be.

    Args:
        missing: what stands for a null.
    """
    valid, data = array.buffers()
    end = array.offset + len(array)
    if not len(array):
        return np.empty(0, array.type.to_pandas_dtype())
    if pa.types.is_boolean(array.type):
        values = _bits(data, array.offset, end)
    else:
        values = np.frombuffer(data, array.type.to_pandas_dtype())[array.offset : end]
    if not array.null_count:
        return values
    return np.where(_bits(valid, array.offset, end), values, np.asarray(missing, values.dtype))


def numbers(values: NDArray[Any], missing: NDArray[np.bool_] | None = None) -> Any:
    """Numbers [N] as an Arrow array of their type, with null where `missing` [N] says so."""
    values = np.ascontiguousarray(values)
    valid = None if missing is None else _packed(~missing)
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [valid, pa.py_buffer(values)]
    )


def truths(values: NDArray[np.bool_]) -> Any:
    """Truth values [N] as an Arrow array."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _packed(values)])


def strings(values: Sequence[str | None]) -> Any:
    """Strings as an Arrow array, with null for None."""
    encoded = [b"" if value is None else value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise OverflowError("expected at most 2 GiB of text in a column of tokens")
    missing = np.fromiter((value is None for value in values), np.bool_, len(encoded))
    return pa.StringArray.from_buffers(
        len(encoded),
        pa.py_buffer(offsets.astype(np.int32)),
        pa.py_buffer(b"".join(encoded)),
        _packed(~missing) if missing.any() else None,
    )


def _bits(buffer: Any, start: int, end: int) -> NDArray[np.bool_]:
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), count=end, bitorder="little")
    return bits[start:].astype(np.bool_)


def _packed(values: NDArray[np.bool_]) -> Any:
    return pa.py_buffer(np.packbits(values, bitorder="little"))

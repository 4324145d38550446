"""Arrays between Arrow and NumPy, against what pyarrow itself makes of them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole.data.arrow_arrays import numbers, numpy_of, strings, truths


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.float64(), pa.bool_()])
@given(
    values=st.lists(st.sampled_from([None, 0, 1, 2, 7]), max_size=30),
    start=st.integers(0, 12),
    missing=st.sampled_from([0, 1]),
)
def test_numpy_of(kind, values, start, missing):
    if pa.types.is_boolean(kind):
        values = [None if value is None else value > 1 for value in values]
    array = pa.array(values, kind)[start:]
    found = numpy_of(array, missing)
    assert found.tolist() == [missing if value is None else value for value in values[start:]]
    assert found.dtype == kind.to_pandas_dtype()


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), max_size=20))
def test_numbers(rows):
    values = np.array([value for value, _ in rows], np.int32)
    missing = np.array([gone for _, gone in rows], np.bool_)
    assert numbers(values).equals(pa.array(values))
    assert numbers(values, missing).to_pylist() == [None if gone else v for v, gone in rows]
    assert numbers(values[::-1].astype(float)).equals(pa.array(values[::-1].astype(float)))
    assert truths(missing).equals(pa.array(missing))


@given(st.lists(st.none() | st.text(max_size=4), max_size=20))
def test_strings(values):
    array = strings(values)
    array.validate(full=True)
    assert array.equals(pa.array(values, pa.string()))

"""Dates and times as text, in ISO 8601, to seconds since 1970."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_DAY = r"\d{4}-\d{2}-\d{2}"
_MOMENT = re.compile(
    rf"{_DAY}([T ]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d{{1,6}})?)?(Z|[+-]\d{{2}}(:?\d{{2}})?)?)?"
)
_WITH_ZONE = r"[T ].*(Z|[+-]\d{2}(:?\d{2})?)$"


def are_moments(texts: Sequence[str]) -> bool:
    """Whether all of these are days or moments, such as 2026-11-21 or 2026-11-21T10:30:00Z."""
    if not texts or not all(_MOMENT.fullmatch(text) for text in texts):
        return False
    try:
        seconds_of(pa.array(texts, pa.string()))
    except pa.ArrowInvalid:  # such as February 30th
        return False
    return True


def seconds_of(texts: Any) -> Any:
    """An Arrow array of such texts as seconds since 1970 in UTC, float64; null stays null.

    A moment without a time zone is one in UTC.

    Raises:
        pa.ArrowInvalid: one of them is no moment.
    """
    is_day = pc.equal(pc.utf8_length(texts), 10)
    full = pc.if_else(is_day, pc.binary_join_element_wise(texts, "00:00", " "), texts)
    has_zone = pc.match_substring_regex(full, _WITH_ZONE)
    zoned = pc.if_else(has_zone, full, pc.binary_join_element_wise(full, "Z", ""))
    moments = pc.cast(zoned, pa.timestamp("us", tz="UTC"))
    return pc.divide(pc.cast(pc.cast(moments, pa.int64()), pa.float64()), 1e6)

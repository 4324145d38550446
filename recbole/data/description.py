"""What is in a data set: counts, fields, ratings, and what a k-core would leave of it.

N interactions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recbole.data.columns import Codes, Column, FloatColumn, Numbers, SequenceColumn, TokenColumn
from recbole.data.features import choose_features
from recbole.data.files import AtomicData, located, target_columns
from recbole.data.filtering import core_of
from recbole.data.header import read_header
from recbole.data.intervals import parse_intervals
from recbole.data.numbers import numbers_of
from recbole.data.options import DataOptions
from recbole.data.parquet import SUFFIX as PARQUET
from recbole.data.parquet import feature_type
from recbole.errors import DataError

#: The k-cores that are tried.
CORES = (2, 3, 5, 10, 15, 20, 50)
_MOST_BARS = 20
_BINS = 10
_HEAVY_TAIL = 20.0  # greatest over median, from which bins are logarithmic


@dataclass(frozen=True)
class Counts:
    """Interactions, the users and items that have any, and how many each has."""

    interactions: int
    users: int
    items: int
    sparsity: float
    per_user: float
    per_user_median: float
    per_item: float
    per_item_median: float


@dataclass(frozen=True)
class FieldSummary:
    """One column.

    Attributes:
        source: inter, user or item.
        role: what becomes of it: user id, item id, target, time, input, no input, not loaded.
        vocabulary: distinct tokens; None for numbers.
        missing: the share of rows without a value.
        low, high: of numbers.
    """

    name: str
    type: str
    source: str
    role: str
    vocabulary: int | None = None
    missing: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bar:
    """Ratings from `low` up to `high` (both included where they are the same level)."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Label:
    """The clicks: `where` says how they come about, `positive` how large their share is."""

    where: str
    positive: float


@dataclass(frozen=True)
class Core:
    """What is left where every user and item must have at least k interactions."""

    k: int
    interactions: int
    users: int
    items: int


def codes_of(data: AtomicData, field: str) -> Codes:
    """The codes of a token column of the interactions: int32 [N]."""
    column = data.interactions[field]
    assert isinstance(column, TokenColumn)
    return column.codes


def counts_of(data: AtomicData, options: DataOptions) -> Counts:
    """Counts of the interactions; missing ids are not counted as users or items."""
    per_user, per_item = (
        _per_code(codes_of(data, field)) for field in (options.USER_ID_FIELD, options.ITEM_ID_FIELD)
    )
    rows, pairs = len(data.interactions), len(per_user) * len(per_item)
    return Counts(
        interactions=rows,
        users=len(per_user),
        items=len(per_item),
        sparsity=1 - rows / pairs if pairs else 0.0,
        per_user=float(per_user.mean()) if len(per_user) else 0.0,
        per_user_median=float(np.median(per_user)) if len(per_user) else 0.0,
        per_item=float(per_item.mean()) if len(per_item) else 0.0,
        per_item_median=float(np.median(per_item)) if len(per_item) else 0.0,
    )


def _per_code(codes: Codes) -> NDArray[np.int64]:
    """How often each code occurs, of those that do."""
    counts = np.bincount(codes[codes >= 0])
    return counts[counts > 0]


def fields_of(
    folder: Path, name: str, data: AtomicData, options: DataOptions
) -> list[FieldSummary]:
    """Every column of the files, in their order: those that are loaded, then the others."""
    inputs, targets = choose_features(data, options), target_columns(options)
    found = []
    for suffix, table in data.tables().items():
        for field, column in table.columns.items():
            if field in (options.USER_ID_FIELD, options.ITEM_ID_FIELD):
                role = "user id" if field == options.USER_ID_FIELD else "item id"
            elif suffix == "inter" and field in targets:
                role = "target"
            elif field in inputs:
                role = "input"
            else:
                is_time = suffix == "inter" and field == options.TIME_FIELD
                role = "time" if is_time else "no input"
            found.append(_summary(field, column, suffix, role))
        parts = options.benchmark_filename
        stem = f"{name}.{parts[0]}" if parts and suffix == "inter" else name
        there = columns_there(located(folder / f"{stem}.{suffix}"), options)
        found += [
            FieldSummary(field, kind, suffix, "not loaded")
            for field, kind in there.items()
            if field not in table
        ]
    return found


def columns_there(path: Path, options: DataOptions) -> dict[str, str]:
    """The names and types of all columns of a file; "?" for a type that none of ours is."""
    if path.suffix != PARQUET:
        return {name: type_.value for name, type_ in read_header(path, options).types.items()}
    types = {}
    for field in pq.read_schema(path):
        try:
            types[field.name] = feature_type(field, str(path), options).value
        except DataError:  # of a column that is not loaded
            types[field.name] = "?"
    return types


def _summary(name: str, column: Column, source: str, role: str) -> FieldSummary:
    missing = float(column.missing.mean()) if len(column) else 0.0
    elements = column.elements if isinstance(column, SequenceColumn) else column
    if isinstance(elements, TokenColumn):
        return FieldSummary(
            name, column.type.value, source, role, len(_per_code(elements.codes)), missing
        )
    known = elements.values[~elements.missing]
    low, high = (float(known.min()), float(known.max())) if len(known) else (None, None)
    return FieldSummary(name, column.type.value, source, role, None, missing, low, high)


def bars_of(values: Numbers, counts: NDArray[np.int64]) -> list[Bar]:
    """A histogram: a bar for each level of a scale, or ten bins of many different amounts.

    Args:
        values: the distinct ratings, ascending.
        counts: how often each occurs.
    """
    if len(values) <= _MOST_BARS:
        levels = zip(values.tolist(), counts.tolist(), strict=True)
        return [Bar(level, level, count) for level, count in levels]
    low, high = float(values[0]), float(values[-1])
    median = float(values[np.searchsorted(counts.cumsum(), counts.sum() / 2)])
    if low > 0 and high > _HEAVY_TAIL * median:
        edges = np.geomspace(low, high, _BINS + 1)
    else:
        edges = np.linspace(low, high, _BINS + 1)
    edges[0], edges[-1] = low, high  # as they are, whatever was rounded on the way
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, _BINS - 1)
    sums = np.bincount(place, weights=counts, minlength=_BINS)
    return [Bar(float(edges[i]), float(edges[i + 1]), int(sums[i])) for i in range(_BINS)]


def cores_of(data: AtomicData, options: DataOptions, wanted: Iterable[int] = CORES) -> list[Core]:
    """What each k-core of users and items would leave."""
    users, items = (codes_of(data, f) for f in (options.USER_ID_FIELD, options.ITEM_ID_FIELD))
    found = []
    for k in wanted:
        interval = parse_intervals(f"[{k},inf)")
        kept, _ = core_of((users, items), (interval, interval))
        left = (len(_per_code(codes[kept])) for codes in (users, items))
        found.append(Core(k, int(kept.sum()), *left))
    return found


def repeated_pairs(data: AtomicData, options: DataOptions) -> int:
    """How many interactions are of a user and an item that have had one before."""
    users, items = (codes_of(data, f) for f in (options.USER_ID_FIELD, options.ITEM_ID_FIELD))
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    return len(pairs) - len(np.unique(pairs))


def occurring_once(codes: Codes) -> tuple[int, int]:
    """How many codes occur once, and how many occur at all."""
    counts = _per_code(codes)
    return int((counts == 1).sum()), len(counts)


def numbers_in(column: Column) -> Numbers | None:
    """A column as numbers, also where they are tokens; None where it holds others."""
    if isinstance(column, FloatColumn):
        return column.values
    if not isinstance(column, TokenColumn):
        return None
    try:
        return numbers_of(column).values
    except ValueError:
        return None

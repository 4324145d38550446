"""Which rows are kept: RecBole's five filters, in its order.

Missing ids, duplicates, value intervals, interactions without a user or item row, k-core.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from recbole.data.arrow_arrays import numpy_of, strings
from recbole.data.columns import Codes, FloatColumn, Mask, Table, TokenColumn
from recbole.data.files import AtomicData, location
from recbole.data.intervals import Intervals, parse_intervals
from recbole.data.options import DataOptions, Suffix
from recbole.errors import DataError, did_you_mean

_log = logging.getLogger(__name__)
_LINES_NAMED = 5


@dataclass(frozen=True)
class _Step:
    """One filter and the options that steer it, for the message when nothing is left."""

    name: str
    apply: Callable[[AtomicData, DataOptions], AtomicData]


def filter_rows(data: AtomicData, options: DataOptions) -> AtomicData:
    """Apply every filter; to benchmark files, whose interactions stay as they are, the first.

    Raises:
        DataError: an option names a column that is not there, a user or item has two rows, a row of
            a benchmark file lacks an id, or no row is left (the message gives the number of rows
            after each filter).
    """
    counts = [f"{len(data.interactions):,} read"]
    for step in _STEPS if options.benchmark_filename is None else _STEPS[:1]:
        data = step.apply(data, options)
        counts.append(f"{len(data.interactions):,} after {step.name}")
        for suffix, table in data.tables().items():
            if not len(table):
                raise DataError(
                    f"No row of .{suffix} is left after {step.name}. Interactions:"
                    f" {', '.join(counts)}; expected the filters to leave some"
                )
    _log.debug("Interactions: %s", ", ".join(counts))
    return data


def drop_missing_ids(data: AtomicData, options: DataOptions) -> AtomicData:
    """Drop the rows, of every file, that lack a user or item id."""
    if options.benchmark_filename is not None:
        _refuse_missing_ids(data, options)
    for suffix, table in data.tables().items():
        for field in (options.USER_ID_FIELD, options.ITEM_ID_FIELD):
            if field in table:
                missing = table[field].missing
                if missing.any():
                    _warn_of_missing(table, field, missing, options)
                    table = table.where(~missing)
        data = data.with_table(suffix, table)
    _check_one_row_each(data, options)
    return data


def drop_duplicates(data: AtomicData, options: DataOptions) -> AtomicData:
    """Keep the first or last of several interactions of a user with an item.

    With a time column, the interactions are put in its order first, and stay so.
    """
    keep = options.rm_dup_inter
    if keep is None:
        return data
    table = data.interactions
    time = table.columns.get(options.TIME_FIELD)
    if isinstance(time, FloatColumn):
        table = table.take(np.argsort(time.values, kind="stable"))
    else:
        _log.warning(
            "rm_dup_inter: no float column '%s' is loaded, so '%s' goes by the order of the file",
            options.TIME_FIELD,
            keep,
        )
    users, items = (_codes(table, f) for f in (options.USER_ID_FIELD, options.ITEM_ID_FIELD))
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    ordered = pairs if keep == "first" else pairs[::-1]
    _, first = np.unique(ordered, return_index=True)
    kept = np.sort(first if keep == "first" else len(pairs) - 1 - first)
    return data.with_table("inter", table.take(kept))


def filter_values(data: AtomicData, options: DataOptions) -> AtomicData:
    """Keep the rows whose values lie in `val_interval`; a missing value lies in none."""
    types = data.types()
    for field, wanted in (options.val_interval or {}).items():
        if field not in types:
            raise DataError(
                f"val_interval names '{field}', which is no loaded column; there are"
                f" {', '.join(types)}.{did_you_mean(field, types)}"
            )
        for suffix, table in data.tables().items():
            if field in table:
                data = data.with_table(suffix, table.where(_has_value(table, field, wanted)))
    return data


def drop_unmatched(data: AtomicData, options: DataOptions) -> AtomicData:
    """Drop interactions whose user has no row in .user, or whose item none in .item.

    Raises:
        DataError: there are such interactions, and `filter_inter_by_user_or_item` is False.
    """
    for suffix, table, field in (
        ("user", data.users, options.USER_ID_FIELD),
        ("item", data.items, options.ITEM_ID_FIELD),
    ):
        if table is None:
            continue
        there = data.interactions[field]
        assert isinstance(there, TokenColumn)
        found = _translation(table, there, field)
        if (found[:-1] >= 0).all() and not there.missing.any():
            continue  # the usual case, seen without a look at every row
        unmatched = found[there.codes] < 0
        if not unmatched.any():
            continue
        rows = np.flatnonzero(unmatched)
        if not options.filter_inter_by_user_or_item:
            raise DataError(
                f"{location(data.interactions, int(rows[0]), options)}: expected a row of this"
                f" '{field}' in .{suffix}, got none; filter_inter_by_user_or_item: True drops such"
                f" interactions, {len(rows):,} here"
            )
        where = _first_lines(data.interactions, rows, options)
        _log.warning(
            "%s interactions without a row in .%s are dropped: %s", f"{len(rows):,}", suffix, where
        )
        data = data.with_table("inter", data.interactions.where(~unmatched))
    return data


def keep_core(data: AtomicData, options: DataOptions) -> AtomicData:
    """Keep users and items whose number of interactions lies in their interval.

    Dropping a user takes interactions from items and the other way round, so this is repeated
    until nothing changes: a k-core. Users and items without any interaction lose their row where
    the interval starts above 0.
    """
    table = data.interactions
    users, items = (_codes(table, f) for f in (options.USER_ID_FIELD, options.ITEM_ID_FIELD))
    intervals = tuple(
        None if text is None else parse_intervals(text)
        for text in (options.user_inter_num_interval, options.item_inter_num_interval)
    )
    kept, banned = core_of((users, items), intervals)
    data = data.with_table("inter", table.where(kept))
    data = _drop_banned(data, "user", options.USER_ID_FIELD, banned[0], table, intervals[0])
    return _drop_banned(data, "item", options.ITEM_ID_FIELD, banned[1], table, intervals[1])


def core_of(
    keys: tuple[Codes, ...], intervals: tuple[Intervals | None, ...]
) -> tuple[Mask, tuple[Mask, ...]]:
    """The interactions that are left once every count lies in its interval.

    Args:
        keys: for each side (users, items) the code of each of N interactions.
        intervals: for each side the counts that are allowed, None for any.

    Returns:
        Which interactions are kept, bool [N]; for each side which codes were dropped, bool [V].
    """
    kept = np.ones(len(keys[0]), np.bool_)
    counts = [np.bincount(codes) for codes in keys]
    banned = tuple(np.zeros(len(count), np.bool_) for count in counts)
    while True:
        # Both sides are counted before either is dropped, as RecBole does: with an upper bound
        # the order matters.
        fresh = [
            _out_of_interval(count, interval)
            for count, interval in zip(counts, intervals, strict=True)
        ]
        if not any(out.any() for out in fresh):
            return kept, banned
        dropped = np.zeros(len(kept), np.bool_)
        for codes, bans, out in zip(keys, banned, fresh, strict=True):
            if out.any():
                bans |= out
                dropped |= out[codes]
        rows = np.flatnonzero(dropped & kept)
        kept[rows] = False
        for codes, count in zip(keys, counts, strict=True):
            count -= np.bincount(codes[rows], minlength=len(count))


def _out_of_interval(counts: NDArray[np.int64], interval: Intervals | None) -> Mask:
    """Which codes occur, but not as often as they should: [V] -> bool [V]."""
    if interval is None:
        return np.zeros(len(counts), np.bool_)
    return (counts > 0) & ~interval.contains(counts)


def codes_in(table: Table, other: Table, field: str) -> Codes:
    """The codes that the tokens of `other` have in `table`; -1 for one that has no row there."""
    there = other[field]
    assert isinstance(there, TokenColumn)
    return _translation(table, there, field)[there.codes]


def _translation(table: Table, there: TokenColumn, field: str) -> Codes:
    """For each token of `there`, and last for a missing one, its code in `table` or -1: [V + 1]."""
    here = table[field]
    assert isinstance(here, TokenColumn)
    used = np.full(len(here.vocabulary) + 1, -1, np.int32)
    used[here.codes] = here.codes
    position = numpy_of(pc.index_in(there.vocabulary, value_set=here.vocabulary), -1)
    # The last place of both arrays stands for code -1, a missing token.
    return np.append(used[position], np.int32(-1))


def _drop_banned(
    data: AtomicData,
    suffix: Suffix,
    field: str,
    banned: Mask,
    before: Table,
    interval: Intervals | None,
) -> AtomicData:
    """Drop the rows of users or items that the k-core dropped, or that lack interactions."""
    table = data.tables().get(suffix)
    if table is None or interval is None:
        return data
    kept = ~np.append(banned, False)[codes_in(before, table, field)]
    if interval.lower > 0:
        kept &= codes_in(data.interactions, table, field) >= 0
    return data.with_table(suffix, table.where(kept))


def _codes(table: Table, field: str) -> Codes:
    column = table[field]
    assert isinstance(column, TokenColumn)
    return column.codes


def _has_value(table: Table, field: str, wanted: str | list[str | int]) -> Mask:
    column = table[field]
    if isinstance(column, FloatColumn):
        if not isinstance(wanted, str):
            raise DataError(
                f"val_interval: expected an interval such as '[1,5]' for the float column"
                f" '{field}', got the list {wanted!r}"
            )
        return parse_intervals(wanted).contains(column.values)
    if isinstance(column, TokenColumn):
        if isinstance(wanted, str):
            raise DataError(
                f"val_interval: expected a list of tokens for the token column '{field}', got"
                f" {wanted!r}"
            )
        tokens = strings([str(token) for token in wanted])
        is_wanted = numpy_of(pc.is_in(column.vocabulary, value_set=tokens))
        return np.append(is_wanted, False)[column.codes]
    raise DataError(
        f"val_interval: expected a column of type float or token, got '{field}' of type"
        f" {column.type.value}"
    )


def _refuse_missing_ids(data: AtomicData, options: DataOptions) -> None:
    """An interaction of a benchmark file cannot be dropped: the parts are to be as they are."""
    for field in (options.USER_ID_FIELD, options.ITEM_ID_FIELD):
        missing = data.interactions[field].missing
        if missing.any():
            where = location(data.interactions, int(np.flatnonzero(missing)[0]), options)
            raise DataError(f"{where}: expected an id in column '{field}', got none")


def _warn_of_missing(table: Table, field: str, missing: Mask, options: DataOptions) -> None:
    rows = np.flatnonzero(missing)
    where = _first_lines(table, rows, options)
    _log.warning("%s rows without '%s' are dropped: %s", f"{len(rows):,}", field, where)


def _first_lines(table: Table, rows: NDArray[np.int64], options: DataOptions) -> str:
    named = "; ".join(location(table, int(row), options) for row in rows[:_LINES_NAMED])
    return f"{named} and {len(rows) - _LINES_NAMED:,} more" if len(rows) > _LINES_NAMED else named


def _check_one_row_each(data: AtomicData, options: DataOptions) -> None:
    for table, field in (
        (data.users, options.USER_ID_FIELD),
        (data.items, options.ITEM_ID_FIELD),
    ):
        if table is None:
            continue
        codes = _codes(table, field)
        _, first, counts = np.unique(codes, return_index=True, return_counts=True)
        if (counts > 1).any():
            token = codes[first[counts > 1].min()]
            one, two = np.flatnonzero(codes == token)[:2]
            column = table[field]
            assert isinstance(column, TokenColumn)
            raise DataError(
                f"{location(table, int(two), options)}: '{field}' = "
                f"'{column.vocabulary[int(token)].as_py()}' already has a row,"
                f" {location(table, int(one), options)}; expected one row each"
            )


_STEPS = (
    _Step("missing ids", drop_missing_ids),
    _Step("rm_dup_inter", drop_duplicates),
    _Step("val_interval", filter_values),
    _Step("filter_inter_by_user_or_item", drop_unmatched),
    _Step("user_inter_num_interval and item_inter_num_interval", keep_core),
)

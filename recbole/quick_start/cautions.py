"""What of a data set would hurt training, in sentences that say what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from recbole.config import Config
from recbole.data import Dataset
from recbole.data.columns import FloatColumn, TokenColumn
from recbole.data.description import FieldSummary, Label, codes_of, occurring_once, repeated_pairs
from recbole.data.files import AtomicData, location
from recbole.data.leaks import find_leaks
from recbole.data.options import DataOptions
from recbole.data.rating_scale import Levels
from recbole.data.schema import Target
from recbole.data.target import MOST_LEVELS
from recbole.errors import ConfigError
from recbole.model.head import build_head

_OFTEN_ONCE = 0.05  # the share of users or items with one interaction from which it is said
_MOSTLY_MISSING = 0.5
_FREE_TEXT = 0.5  # distinct tokens per interaction
_FEWEST_ROWS = 100  # on which that says anything
_LOPSIDED = 0.05


@dataclass(frozen=True)
class Caution:
    """Something that would hurt training: a word for programs, and a sentence."""

    code: str
    text: str


def about_rows(rows: AtomicData, kept: AtomicData, options: DataOptions) -> Iterator[Caution]:
    """Rows that come again, that are too few for a user or an item, or whose times say nothing.

    Args:
        rows: the rows described.
        kept: those after all filters, k-core included.
    """
    if not len(kept.interactions):
        yield Caution(
            "empty",
            "No interaction is left by user_inter_num_interval and item_inter_num_interval; what"
            " follows is of the rows before them",
        )
    again = repeated_pairs(rows, options)
    if again:
        yield Caution(
            "duplicates",
            f"{again:,} interactions are of a user and an item that have had one before; one may be"
            " in the training part and the other in the test part (rm_dup_inter: last keeps one)",
        )
    for what, field, option in (
        ("users", options.USER_ID_FIELD, "user_inter_num_interval"),
        ("items", options.ITEM_ID_FIELD, "item_inter_num_interval"),
    ):
        once, distinct = occurring_once(codes_of(rows, field))
        if once >= _OFTEN_ONCE * distinct and once:
            yield Caution(
                "once",
                f"{once:,} of {distinct:,} {what} ({once / distinct:.0%}) have one interaction: too"
                f" little to learn from ({option}: '[2,inf)' or more leaves them out)",
            )
    time = rows.interactions.columns.get(options.TIME_FIELD)
    if isinstance(time, FloatColumn):
        known = time.values[~time.missing]
        if not len(known) or known.min() == known.max():
            yield Caution(
                "time",
                f"'{options.TIME_FIELD}' is the same in every row, so that no split by time (order:"
                " TO, or TS) means anything",
            )


def about_the_target(
    rows: AtomicData,
    rating: str | None,
    levels: Levels,
    label: Label | None,
    config: Config,
    graded: Dataset | None,
) -> Iterator[Caution]:
    """Ratings that are missing, clicks that are unknown or uneven, a head that does not fit.

    Args:
        rating: the column of ratings, if there is one.
        levels: the ratings that occur in it.
        label: the clicks, where it is known which they are.
        graded: the data set with its levels, where `rating_bins` makes some.
    """
    options: DataOptions = config.data
    if rating is not None:
        missing = rows.interactions[rating].missing
        if missing.any():
            where = location(rows.interactions, int(np.flatnonzero(missing)[0]), options)
            yield Caution(
                "no_rating",
                f"{int(missing.sum()):,} interactions have no '{rating}', the first at {where}; a"
                " run refuses them",
            )
    if label is None:
        if options.train_neg_sample_args is None:
            yield Caution(
                "no_label",
                "Nothing says which rows are clicks: set threshold, or train_neg_sample_args where"
                " every row is one",
            )
    elif label.positive in (0.0, 1.0):
        kind = "a click" if label.positive else "none"
        yield Caution(
            "one_class", f"Every row is {kind} ({label.where}): there is nothing to learn"
        )
    elif not _LOPSIDED <= label.positive <= 1 - _LOPSIDED:
        yield Caution(
            "lopsided", f"{label.positive:.1%} of the rows are clicks ({label.where}): very uneven"
        )
    if config.supervision.multi_cls is not None:
        found = tuple(levels.values.tolist()) if len(levels.values) <= MOST_LEVELS else ()
        if graded is None:
            threshold = next(iter((options.threshold or {}).values()), None)
            assert not isinstance(threshold, str)
            target = Target(options.LABEL_FIELD, rating, threshold, found)
        else:
            target = graded.schema.target
        try:
            build_head(config.supervision, target)
        except ConfigError as error:
            yield Caution("multi_cls", str(error))


def about_fields(
    rows: AtomicData, fields: list[FieldSummary], rating: str | None, options: DataOptions
) -> Iterator[Caution]:
    """Columns that give the rating away, or that teach nothing."""
    role = {field.name: field.role for field in fields}
    for leak in find_leaks(rows, rating, options) if rating is not None else []:
        if leak.source == "inter":
            what = f"goes with the rating of its row (r = {leak.strength:.2f}), as if made from it"
        else:
            what = (
                f"goes with the mean rating of each {leak.source} (r = {leak.strength:.2f}), as if"
                " made from all ratings, those of the test part included"
            )
        advice = (
            f"leave it out, unload_col: {{{leak.source}: [{leak.name}]}}"
            if role.get(leak.name) == "input"
            else "it is no input now; keep it so"
        )
        yield Caution("leak", f"'{leak.name}' {what}; {advice}")
    for suffix, table in rows.tables().items():
        for name, column in table.columns.items():
            if role.get(name) not in ("input", "no input"):
                continue
            missing = float(column.missing.mean())
            if _is_constant(column):
                yield Caution("constant", f"'{name}' is the same in every row: it teaches nothing")
            elif missing > _MOSTLY_MISSING and role[name] == "input":
                yield Caution("missing", f"'{name}' is missing in {missing:.0%} of the rows")
            if suffix == "inter" and role[name] == "input" and isinstance(column, TokenColumn):
                _, distinct = occurring_once(column.codes)
                if len(column) >= _FEWEST_ROWS and distinct > _FREE_TEXT * len(column):
                    yield Caution(
                        "unique",
                        f"'{name}' has {distinct:,} different values in {len(column):,} rows: an"
                        " embedding that is hardly ever met again; leave it out, unload_col:"
                        f" {{inter: [{name}]}}",
                    )


def _is_constant(column: Any) -> bool:
    """Whether there is no second value, a missing one counting as a value."""
    if isinstance(column, TokenColumn):
        return bool((column.codes == column.codes[0]).all())
    if isinstance(column, FloatColumn):
        first = column.values[0]
        same = column.missing if np.isnan(first) else column.values == first
        return bool(same.all())
    lengths = column.lengths
    if not (lengths == lengths[0]).all():
        return False
    return lengths[0] == 0 or all(
        _is_constant(column.elements.take(column.offsets[:-1] + place))
        for place in range(int(lengths[0]))
    )

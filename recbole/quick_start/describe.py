"""What is in a data set, what of it would hurt training, and which options fit it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recbole.config import Config
from recbole.data import Dataset
from recbole.data.columns import FloatColumn, Numbers, TokenColumn
from recbole.data.description import (
    Bar,
    Core,
    Counts,
    FieldSummary,
    bars_of,
    codes_of,
    cores_of,
    counts_of,
    fields_of,
    occurring_once,
    repeated_pairs,
)
from recbole.data.features import check_options
from recbole.data.files import AtomicData, location, read_atomic_files
from recbole.data.filtering import filter_rows, keep_core
from recbole.data.leaks import find_leaks
from recbole.data.options import DataOptions
from recbole.data.preparation import folder_of, prepare
from recbole.data.rating_scale import Fit, Levels, fit
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


@dataclass(frozen=True)
class Label:
    """The clicks: `where` says how they come about, `positive` how large their share is."""

    where: str
    positive: float


@dataclass(frozen=True)
class Description:
    """What `describe` finds.

    Attributes:
        read: as the files are.
        kept: after all filters, k-core included; the rest of the description is of these rows,
            or, where none are kept, of those before the k-core.
        fields: of the files, as they are.
        rating: the column of ratings, if there is one.
        bars: a histogram of the ratings.
        label: the clicks, where a threshold or a label column says which they are.
        cores: what is left of the rows before the k-core.
        fit: the options that fit the ratings.
        cautions: what would hurt.
    """

    name: str
    read: Counts
    kept: Counts
    fields: list[FieldSummary]
    rating: str | None
    bars: list[Bar]
    label: Label | None
    cores: list[Core]
    fit: Fit | None
    cautions: list[Caution]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def describe(config: Config) -> Description:
    """Look a data set over, as a run with these options would find it.

    >>> describe(Config("DCNV2", "ml-100k")).cautions

    Raises:
        DataError: a file is missing or malformed, or does not fit the options.
    """
    options: DataOptions = config.data
    name = config.dataset
    folder = folder_of(name, options)
    read = read_atomic_files(folder, name, options)
    check_options(read, options)
    before, kept = _filtered(read, options)
    rows = kept if len(kept.interactions) else before
    rating = _rating_field(read, options)
    levels = Levels()
    if rating is not None:
        levels.add(_ratings(rows, rating))
    found = fit(levels)
    multi_cls = config.supervision.multi_cls
    graded = (
        None
        if options.rating_bins is None
        else prepare(read, name, options, config.environment.seed, multi_cls)
    )
    label = _label(rows, rating, options) if graded is None else _graded_label(graded)
    fields = fields_of(folder, name, read, options)
    return Description(
        name=name,
        read=counts_of(read, options),
        kept=counts_of(kept, options),
        fields=fields,
        rating=rating,
        bars=bars_of(levels.values, levels.counts) if len(levels.values) else [],
        label=label,
        cores=cores_of(before, options),
        fit=found,
        cautions=[
            *_about_rows(rows, kept, options),
            *_about_the_target(rows, rating, levels, label, config, graded),
            *_about_fields(rows, fields, rating, options),
        ],
    )


def _filtered(data: AtomicData, options: DataOptions) -> tuple[AtomicData, AtomicData]:
    """The rows before and after the k-core; benchmark files are not filtered."""
    if options.benchmark_filename is not None:
        return data, data
    without = {"user_inter_num_interval": None, "item_inter_num_interval": None}
    before = filter_rows(data, options.model_copy(update=without))
    return before, keep_core(before, options)


def _rating_field(data: AtomicData, options: DataOptions) -> str | None:
    field = next(iter(options.threshold or {}), options.RATING_FIELD)
    is_there = isinstance(data.interactions.columns.get(field), FloatColumn)
    return field if is_there and field != options.LABEL_FIELD else None


def _ratings(data: AtomicData, rating: str) -> Numbers:
    column = data.interactions[rating]
    assert isinstance(column, FloatColumn)
    return column.values


def _label(data: AtomicData, rating: str | None, options: DataOptions) -> Label | None:
    if options.threshold is not None:
        ((field, threshold),) = options.threshold.items()
        assert isinstance(threshold, float)  # a level's name is for graded ratings alone
    elif options.LABEL_FIELD in data.interactions:
        field, threshold = options.LABEL_FIELD, 1.0
    else:
        return None
    column = data.interactions.columns.get(field)
    if not isinstance(column, FloatColumn) or column.missing.all():
        return None
    values = column.values[~column.missing]
    where = f"{field} >= {threshold:g}" if rating is not None else field
    return Label(where, float((values >= threshold).mean()))


def _graded_label(graded: Dataset) -> Label | None:
    target = graded.schema.target
    if target.threshold is None:
        return None
    clicks = graded.inter_feat[target.label_field].float().mean()
    what = target.rating_field if target.grading is None else f"level of {target.rating_field}"
    return Label(f"{what} >= {target.threshold:g}", float(clicks))


def _about_rows(rows: AtomicData, kept: AtomicData, options: DataOptions) -> Iterator[Caution]:
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


def _about_the_target(
    rows: AtomicData,
    rating: str | None,
    levels: Levels,
    label: Label | None,
    config: Config,
    graded: Dataset | None,
) -> Iterator[Caution]:
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


def _about_fields(
    rows: AtomicData, fields: list[FieldSummary], rating: str | None, options: DataOptions
) -> Iterator[Caution]:
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

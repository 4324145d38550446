"""What is in a data set, what of it would hurt training, and which options fit it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from recbole.config import Config
from recbole.data import Dataset
from recbole.data.columns import FloatColumn, Numbers
from recbole.data.description import (
    Bar,
    Core,
    Counts,
    FieldSummary,
    Label,
    bars_of,
    cores_of,
    counts_of,
    fields_of,
)
from recbole.data.features import check_options
from recbole.data.files import AtomicData, read_atomic_files
from recbole.data.filtering import filter_rows, keep_core
from recbole.data.options import DataOptions
from recbole.data.preparation import folder_of, prepare
from recbole.data.rating_scale import Fit, Levels, fit
from recbole.quick_start.cautions import Caution, about_fields, about_rows, about_the_target


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
            *about_rows(rows, kept, options),
            *about_the_target(rows, rating, levels, label, config, graded),
            *about_fields(rows, fields, rating, options),
        ],
    )


def _filtered(data: AtomicData, options: DataOptions) -> tuple[AtomicData, AtomicData]:
    """The rows before and after the k-core, which benchmark files do without."""
    if options.benchmark_filename is not None:
        rows = filter_rows(data, options)
        return rows, rows
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

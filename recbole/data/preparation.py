"""From the files of a data set to a `Dataset`, and from there to three Loaders.

In RecBole's order: read, filter, number the tokens, fill, label, scale, discretise.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recbole.data.cache import cached
from recbole.data.columns import FloatColumn, Numbers, Table
from recbole.data.dataset import Dataset
from recbole.data.encoded import Encoded
from recbole.data.encoding import Encoder
from recbole.data.features import check_options, choose_features
from recbole.data.files import AtomicData, read_atomic_files
from recbole.data.filtering import filter_rows
from recbole.data.grading import count_levels, learn_levels, lowest_click_level
from recbole.data.interaction import Interaction
from recbole.data.loader import Loader
from recbole.data.negative_loader import NegativeLoader
from recbole.data.options import DataOptions
from recbole.data.prepared import Prepared
from recbole.data.schema import Schema
from recbole.data.shuffling import shuffle_levels
from recbole.data.source_files import Sources
from recbole.data.stream_loader import StreamLoader
from recbole.data.target import TargetColumns, make_target
from recbole.errors import ConfigError, DataError

_log = logging.getLogger(__name__)


def create_dataset(config: Any) -> Dataset:
    """Read and prepare the data set that a Config names.

    Its folder is `<data_path>/<dataset>/`; a data set that is known and not there is downloaded.

    Args:
        config: a `Config`; `config.data`, `config["dataset"]` and `config["seed"]` are read.

    Raises:
        DataError: a file is missing or malformed, or does not fit the options.
    """
    options: DataOptions = config.data
    name: str = config["dataset"]
    folder = folder_of(name, options)
    if options.stream:
        dataset: Dataset = import_module("recbole.data.stream_preparation").open_stream(
            folder, name, options, config["seed"]
        )
        return dataset

    def read_and_encode(sources: Sources | None) -> Prepared:
        hashes = None if sources is None else sources.sha256
        return encode(read_atomic_files(folder, name, options, hashes), options)

    data = cached(folder, name, options, read_and_encode)
    multi_cls = None if options.rating_bins is None else config["multi_cls"]
    return make_dataset(data, name, options, config["seed"], multi_cls)


def folder_of(name: str, options: DataOptions) -> Path:
    """The folder of a data set; one that is known and not there is downloaded.

    Raises:
        DataError: it is neither there nor to be had.
    """
    folder = Path(options.data_path) / name
    if not folder.is_dir():
        import_module("recbole.data.download").ensure_dataset(name, folder)
    return folder


def data_preparation(config: Any, dataset: Dataset) -> tuple[Loader, Loader, Loader]:
    """The Loaders of training, validation and test, on the device of a Config.

    With `shuffle_levels` the ratings of the training part are permuted (`shuffling.py`).

    With `train_neg_sample_args` every row is a positive, and the training batches hold negatives
    too.

    Raises:
        DataError: the data has no label, or lacks the time column that the split needs; or it has
            one, and negatives are to be drawn all the same.
    """
    options: DataOptions = config.data
    sampling = options.train_neg_sample_args
    has_label = dataset.label_field in dataset.inter_feat
    if not has_label and sampling is None:
        target = dataset.schema.target
        top = "4" if target.grading is None else f"level {target.grading.count}"
        raise DataError(
            f"{dataset.dataset_name}: expected a label; set threshold, such as"
            f" {{{target.rating_field or 'rating'}: {top}}}, or"
            f" load a column '{dataset.label_field}' (option LABEL_FIELD) of 0 and 1 from .inter;"
            " or, where every row is a positive, train_neg_sample_args: {distribution: uniform,"
            " sample_num: 1}"
        )
    if has_label and sampling is not None:
        raise DataError(
            f"{dataset.dataset_name}: train_neg_sample_args draws negatives for rows that are all"
            f" positives, and these have a label '{dataset.label_field}'; leave out"
            " train_neg_sample_args, or the threshold and the label column"
        )
    train, valid, test = dataset.build()
    device, seed = torch.device(config["device"]), config["seed"]
    if config["shuffle_levels"]:
        if dataset.stream is not None:
            raise ConfigError(
                "Options 'shuffle_levels' and 'stream' are at odds: ratings on disk are not"
                " permuted; leave out one of them"
            )
        shuffle_levels(train, seed)
    for part, rows in dataset.statistics["parts"].items():
        _log.debug("%s: %s rows", part, f"{rows:,}")
    if dataset.stream is not None:
        window, evaluated = options.stream_rows, options.eval_batch_size
        return (
            StreamLoader(train, window, options.train_batch_size, options.shuffle, device, seed),
            StreamLoader(valid, window, evaluated, False, device, seed),
            StreamLoader(test, window, evaluated, False, device, seed),
        )
    if sampling is None:
        train_data = Loader(train, options.train_batch_size, options.shuffle, device, seed)
    else:
        for positives in (train, valid, test):
            positives.inter_feat[positives.label_field] = torch.ones(len(positives))
        train_data = NegativeLoader(
            train, sampling, options.train_batch_size, options.shuffle, device, seed
        )
    return (
        train_data,
        Loader(valid, options.eval_batch_size, False, device, seed),
        Loader(test, options.eval_batch_size, False, device, seed),
    )


def prepare(
    data: AtomicData, name: str, options: DataOptions, seed: int, multi_cls: int | None = None
) -> Dataset:
    """Filter and encode the tables of a data set.

    Args:
        multi_cls: the number of classes of the rating head, where `rating_bins` is to grade.

    Raises:
        ConfigError, DataError: the tables do not fit the options, or no row is left.
    """
    return make_dataset(encode(data, options), name, options, seed, multi_cls)


def make_dataset(
    data: Prepared, name: str, options: DataOptions, seed: int, multi_cls: int | None = None
) -> Dataset:
    """A Dataset of prepared data, graded where `rating_bins` asks for it."""
    dataset = Dataset(name, data.schema, data.encoder, data.encoded, options, seed)
    return dataset if options.rating_bins is None else graded(dataset, multi_cls)


def encode(data: AtomicData, options: DataOptions) -> Prepared:
    """Filter and encode tables, as far as it does not depend on the split.

    Raises:
        DataError: the tables do not fit the options, or no row is left.
    """
    check_options(data, options)
    data = filter_rows(data, options)
    target = make_target(data, options)
    features = choose_features(data, options)
    encoder = Encoder.fit(data, features, options)
    schema = Schema(
        encoder.fields,
        options.USER_ID_FIELD,
        options.ITEM_ID_FIELD,
        options.TIME_FIELD,
        target.target,
    )
    times = _times(data.interactions, options)
    encoded = Encoded(
        interactions=_interactions(data, encoder, target, times, options),
        users=_by_id(data.users, encoder, options.USER_ID_FIELD),
        items=_by_id(data.items, encoder, options.ITEM_ID_FIELD),
        times=times,
        ratings=None if options.rating_bins is None else target.rating,
        part_sizes=data.part_sizes,
        fingerprint=data.fingerprint,
    )
    return Prepared(schema, encoder, encoded)


def graded(dataset: Dataset, multi_cls: int | None) -> Dataset:
    """Grade the rating column as `rating_bins` says: levels 1 to K in its place, and the label.

    `pairs` merges ratings for half as many classes; for as many as there are ratings, and for a
    binary model, which needs none, they stay as they are.

    Args:
        multi_cls: the number of classes of the rating head; None for a binary model.

    Raises:
        ConfigError: the number of levels is unknown or disputed, or the threshold fits no level.
        DataError: a level would be empty.
    """
    options, target, ratings = dataset.options, dataset.schema.target, dataset.ratings
    assert options.rating_bins is not None and target.rating_field is not None
    assert ratings is not None
    threshold = (options.threshold or {}).get(target.rating_field)
    if options.rating_bins.method == "pairs" and multi_cls in (None, len(target.levels)):
        return _as_they_are(dataset, target.rating_field, ratings, threshold)
    users = dataset.inter_feat[dataset.uid_field].numpy()
    train = dataset.rows_of_parts()[0].numpy()
    count = count_levels(options.rating_bins, target.levels, multi_cls)
    grading = learn_levels(
        target.rating_field,
        ratings[train],
        users[train],
        dataset.user_num,
        options.rating_bins,
        count,
        target.levels,
        threshold,
    )
    lowest = lowest_click_level(grading, threshold)
    levels = grading.place(ratings, users)
    columns = {target.rating_field: torch.from_numpy(levels.astype(np.float32))}
    if lowest is not None:
        columns[target.label_field] = torch.from_numpy((levels >= lowest).astype(np.uint8))
    scale = tuple(float(level) for level in range(1, count + 1))
    changed = replace(target, threshold=lowest, levels=scale, grading=grading)
    return dataset.with_target(changed, columns)


def _as_they_are(
    dataset: Dataset, field: str, ratings: Numbers, threshold: float | str | None
) -> Dataset:
    """Ratings that are not graded after all, and the label."""
    columns = {field: torch.from_numpy(ratings.astype(np.float32))}
    target = dataset.schema.target
    if isinstance(threshold, str):
        raise ConfigError(
            f"The threshold '{threshold}' on '{field}' names a level, and the ratings stay as they"
            f" are: rating_bins: pairs makes levels for multi_cls={len(target.levels) // 2}"
        )
    if threshold is not None:
        columns[target.label_field] = torch.from_numpy((ratings >= threshold).astype(np.uint8))
    return dataset.with_target(replace(target, threshold=threshold), columns)


def _interactions(
    data: AtomicData,
    encoder: Encoder,
    target: TargetColumns,
    times: NDArray[np.float64] | None,
    options: DataOptions,
) -> Interaction:
    columns = _stored(encoder.transform(data.interactions))
    field = target.target.rating_field
    if field is not None and target.rating is not None and options.rating_bins is None:
        columns[field] = torch.from_numpy(target.rating.astype(np.float32))
    if target.label is not None:
        columns[target.target.label_field] = torch.from_numpy(target.label)
    if times is not None and options.TIME_FIELD not in columns:
        columns[options.TIME_FIELD] = torch.from_numpy(times)
    return Interaction(columns)


def _by_id(table: Table | None, encoder: Encoder, field: str) -> Interaction | None:
    """Encode a table of users or items, its rows in the order of the ids, from 0 (padding)."""
    if table is None:
        return None
    ids = encoder.transform(table, [field])[field].numpy()
    count = next(known.size for known in encoder.fields if known.name == field)
    row_of_id = np.full(count, -1, np.int64)
    row_of_id[ids] = np.arange(len(ids))
    columns = encoder.transform(table.take(row_of_id))
    columns[field] = torch.arange(count)
    return Interaction(_stored(columns))


def _stored(columns: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Integers as int32, half the memory; a batch widens them again."""
    return {
        name: column.int() if column.dtype == torch.int64 else column
        for name, column in columns.items()
    }


def _times(table: Table, options: DataOptions) -> NDArray[np.float64] | None:
    """The times as in the file, a missing one as the mean; None without a float time column."""
    column = table.columns.get(options.TIME_FIELD)
    if not isinstance(column, FloatColumn) or column.missing.all():
        return None
    return np.where(column.missing, np.nanmean(column.values), column.values)

"""A data set whose rows never are in memory all at once: prepared column by column, kept on disk.

Filters, the target and the split need ids, rating and, where options name them, time and filtered
columns; those are read first, and go through the very functions that prepare data in memory. All
other columns of the interactions follow one at a time, are encoded, put into the order of the parts
and written away. So memory holds some 120 bytes for each row, however many columns there are, and,
of a sequence column, the elements of that one column.

`<folder>/.stream/<key>/` keeps the result, named by all that it depends on.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recbole.data.cache import code_digest
from recbole.data.columns import (
    Column,
    FloatColumn,
    SequenceColumn,
    Table,
    offsets_of,
    token_column,
)
from recbole.data.dataset import Dataset
from recbole.data.encoded import Encoded
from recbole.data.encoding import Encoder
from recbole.data.evaluation_options import PARTS
from recbole.data.features import check_options, choose_features
from recbole.data.files import (
    AtomicData,
    located,
    read_atomic_files,
    read_table_file,
    target_columns,
    types_of_file,
)
from recbole.data.filtering import filter_rows
from recbole.data.interaction import Interaction
from recbole.data.options import DataOptions
from recbole.data.parts import draw_parts
from recbole.data.payload import save_payload
from recbole.data.preparation import _by_id, _stored, _times
from recbole.data.schema import FeatureSource, FeatureType, Schema
from recbole.data.source_files import Sources
from recbole.data.staging import is_filled, move_into_place, staging_folder
from recbole.data.stream_files import StreamPart, write_part
from recbole.data.target import make_target

_log = logging.getLogger(__name__)

_FOLDER = ".stream"
_META = "meta.pt"
#: Row groups in a window: more of them mix the rows better, and are read less at a time.
_GROUPS = 8
#: Options that change neither rows nor numbers.
_WITHOUT_EFFECT = {"data_path", "train_batch_size", "eval_batch_size", "shuffle"}


def open_stream(folder: Path, name: str, options: DataOptions, seed: int) -> Dataset:
    """The data set in a folder, prepared on disk if it is not yet.

    Raises:
        DataError: as `prepare`.
    """
    place = folder / _FOLDER / _key(folder, name, options, seed)
    if not is_filled(place):
        _log.info("Preparing %s for streaming in %s", name, place)
        with staging_folder(place) as staging:
            _prepare(staging, folder, name, options, seed)
            move_into_place(staging, place)
    return _open(place, name, options, seed)


def _key(folder: Path, name: str, options: DataOptions, seed: int) -> str:
    depends_on = {
        "code": code_digest(),
        "seed": seed,
        "options": options.model_dump(exclude=_WITHOUT_EFFECT),
        "files": dict(Sources.of(folder, name, folder / _FOLDER).sha256),
    }
    text = json.dumps(depends_on, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _prepare(staging: Path, folder: Path, name: str, options: DataOptions, seed: int) -> None:
    path = located(folder / f"{name}.inter")
    types = types_of_file(path, options, "inter")
    keys = [column for column in types if column in _key_columns(options)]
    data = read_atomic_files(folder, name, _only(options, keys) if keys else options)
    all_columns = _with_all_columns(data, types)
    check_options(all_columns, options)
    data = filter_rows(data, options)
    target = make_target(data, options)
    predicted = target.target
    features = choose_features(all_columns, options)
    times = _times(data.interactions, options)

    # Ids, target and time, in the order of the file.
    ids = (options.USER_ID_FIELD, options.ITEM_ID_FIELD)
    encoders = {field: Encoder.fit(data, {field: features[field]}, options) for field in ids}
    slim = {field: encoders[field].transform(data.interactions)[field] for field in ids}
    columns: dict[str, NDArray[Any]] = {n: c.numpy() for n, c in _stored(slim).items()}
    if predicted.rating_field is not None and target.rating is not None:
        columns[predicted.rating_field] = target.rating.astype(np.float32)
    if target.label is not None:
        columns[predicted.label_field] = target.label.astype(np.float32)
    if times is not None and options.TIME_FIELD not in features:
        columns[options.TIME_FIELD] = times

    def schema(encoder: Encoder) -> Schema:
        return Schema(encoder.fields, *ids, options.TIME_FIELD, predicted)

    parts = draw_parts(
        options.eval_args,
        schema(Encoder.joined(encoders.values())),
        columns[options.USER_ID_FIELD],
        times,
        seed,
    )
    order, sizes = torch.cat(parts).numpy(), tuple(len(rows) for rows in parts)
    for number, column in enumerate(columns.values()):
        np.save(staging / f"{number}.npy", column[order])
    names, kept = list(columns), len(columns)
    del columns, slim, times, target, parts

    # All other columns, one at a time.
    rows = data.interactions.rows
    for field, source in features.items():
        if field in encoders:
            continue
        if source is not FeatureSource.INTERACTION:
            encoders[field] = Encoder.fit(data, {field: source}, options)
            continue
        alone = Table.of({field: _column(path, field, data, rows, options)})
        own = data.with_table("inter", alone)
        encoders[field] = Encoder.fit(own, {field: source}, options)
        encoded = _stored(encoders[field].transform(alone))[field].numpy()
        np.save(staging / f"{len(names)}.npy", encoded[order])
        names.append(field)

    encoder = Encoder.joined(encoders[field] for field in features)
    _write(staging, names, kept, sizes, options.stream_rows)
    save_payload(
        staging / _META,
        {
            "schema": schema(encoder).to_dict(),
            "encoder": encoder.to_dict(),
            "users": _plain(_by_id(data.users, encoder, ids[0])),
            "items": _plain(_by_id(data.items, encoder, ids[1])),
            "fingerprint": dict(data.fingerprint),
            "sizes": list(sizes),
            "names": names[:kept],
        },
    )


def _open(place: Path, name: str, options: DataOptions, seed: int) -> Dataset:
    meta = torch.load(place / _META, weights_only=True)
    columns = {
        field: torch.from_numpy(np.load(place / f"{number}.npy", mmap_mode="c"))
        for number, field in enumerate(meta["names"])
    }  # pages of files: the system reads and forgets them as it likes
    encoded = Encoded(
        interactions=Interaction(columns),
        users=_interaction(meta["users"]),
        items=_interaction(meta["items"]),
        times=None,
        ratings=None,
        part_sizes=tuple(meta["sizes"]),
        fingerprint=meta["fingerprint"],
        stream={part: StreamPart(place / f"{part}.parquet") for part in PARTS},
    )
    schema, encoder = Schema.from_dict(meta["schema"]), Encoder.from_dict(meta["encoder"])
    return Dataset(name, schema, encoder, encoded, options, seed)


def _key_columns(options: DataOptions) -> set[str]:
    """The columns of interactions that filters, target and split look at."""
    ids = (options.USER_ID_FIELD, options.ITEM_ID_FIELD)
    return {*ids, *target_columns(options), options.TIME_FIELD, *(options.val_interval or {})}


def _only(options: DataOptions, columns: Iterable[str]) -> DataOptions:
    """The same options, to load some columns of interactions only."""
    asked: dict[Any, Any] = {"user": "*", "item": "*"}
    asked = dict(options.load_col) if options.load_col is not None else asked
    return options.model_copy(update={"load_col": {**asked, "inter": list(columns)}})


def _with_all_columns(data: AtomicData, types: dict[str, FeatureType]) -> AtomicData:
    """Tables that have every column, for those who ask for names and types; no more rows."""
    known = data.interactions.columns
    columns = {name: known.get(name) or _no_rows(kind) for name, kind in types.items()}
    return data.with_table("inter", Table(columns, data.interactions.paths))


def _no_rows(kind: FeatureType) -> Column:
    tokens, numbers = token_column([]), FloatColumn(np.zeros(0))
    if kind is FeatureType.TOKEN:
        return tokens
    if kind is FeatureType.FLOAT:
        return numbers
    elements = tokens if kind is FeatureType.TOKEN_SEQ else numbers
    return SequenceColumn(offsets_of(np.zeros(0, np.int64)), elements)


def _column(
    path: Path, field: str, data: AtomicData, rows: NDArray[Any], options: DataOptions
) -> Column:
    """One column of the interactions that are left after filtering."""
    if field in data.interactions:
        return data.interactions[field]
    table = read_table_file(path, _only(options, [field]), "inter")
    assert table is not None  # the column is one of the file's
    column = table[field]
    return column if len(rows) == len(column) and _is_range(rows) else column.take(rows)


def _is_range(rows: NDArray[Any]) -> bool:
    return bool((np.diff(rows) == 1).all())


def _write(
    staging: Path, names: list[str], kept: int, sizes: tuple[int, ...], window_rows: int
) -> None:
    """Write the parts' Parquet files; only the first columns stay beside them."""
    files = [staging / f"{number}.npy" for number in range(len(names))]
    arrays = [np.load(file, mmap_mode="r") for file in files]
    start = 0
    for part, size in zip(PARTS, sizes, strict=True):
        rows = {
            name: array[start : start + size] for name, array in zip(names, arrays, strict=True)
        }
        write_part(staging / f"{part}.parquet", rows, max(1, window_rows // _GROUPS))
        start += size
    del arrays
    for file in files[kept:]:
        file.unlink()


def _plain(features: Interaction | None) -> dict[str, torch.Tensor] | None:
    return None if features is None else dict(features.interaction)


def _interaction(columns: dict[str, torch.Tensor] | None) -> Interaction | None:
    return None if columns is None else Interaction(columns)

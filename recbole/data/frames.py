"""A Dataset from data frames: the same as from files of the same content, without the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from recbole.config.messages import describe_errors
from recbole.data.atomic import columns_to_load
from recbole.data.columns import Column, FloatColumn, SequenceColumn, Table, TokenColumn
from recbole.data.dataset import Dataset
from recbole.data.files import checked_data
from recbole.data.options import DataOptions, Suffix
from recbole.data.parquet import feature_type, fields_by_name, type_named, typed_table
from recbole.data.preparation import prepare
from recbole.data.row_files import as_table
from recbole.errors import ConfigError, DataError, did_you_mean

_SEED = 2020  # RecBole's default
#: What the three tables are called, in messages and in the fingerprint of a Dataset.
IN_MEMORY = {"inter": "interactions", "user": "users", "item": "items"}


def from_pandas(
    interactions: Any,
    users: Any = None,
    items: Any = None,
    *,
    config: Any = None,
    types: Mapping[str, str] | None = None,
    name: str = "dataframe",
) -> Dataset:
    """Prepare data frames as `create_dataset` prepares files.

    >>> dataset = from_pandas(ratings, config={"threshold": {"rating": 4}})
    >>> run_recbole("DCNV2", dataset, config_dict={"multi_cls": 5})

    Args:
        interactions: one row per interaction, with the ids of user and item: a pandas DataFrame
            (or a `pyarrow.Table`, a dictionary of columns, anything that speaks Arrow).
        users: one row per user, or None.
        items: one row per item, or None.
        config: a `Config`, or a dictionary of options of the data (`threshold`,
            `numerical_features`, `user_inter_num_interval`, ...) and `seed`.
        types: the type of a column (token, token_seq, float, float_seq) where its dtype would say
            another: ids, text, whole numbers, truth values and categories are tokens; other
            numbers and moments are float; lists are sequences. What the options use as a number
            (rating, label, time, `numerical_features`) is float.
        name: what the data set is called in logs and checkpoints, where `config` does not say it.

    Raises:
        ConfigError: an option is unknown or of the wrong type.
        DataError: a column is missing or of a type that none of ours fits, or the frames do not
            fit the options.
    """
    options, seed, name = _options(config, name)
    if options.benchmark_filename is not None:
        raise ConfigError("Option 'benchmark_filename': from_pandas reads no files; leave it out")
    given: dict[Suffix, Any] = {"inter": interactions, "user": users, "item": items}
    arrow = {
        suffix: as_table(frame, IN_MEMORY[suffix])
        for suffix, frame in given.items()
        if frame is not None
    }
    _check_types(types or {}, arrow)
    tables = {
        suffix: _table(table, suffix, options, types or {}) for suffix, table in arrow.items()
    }
    rows = tables["inter"]
    if rows is None:
        raise DataError("interactions: load_col or unload_col leaves out every column")
    read = {suffix: table for suffix, table in tables.items() if table is not None}
    data = checked_data(
        rows,
        tables.get("user"),
        tables.get("item"),
        options,
        fingerprint={IN_MEMORY[suffix]: _sha256(table) for suffix, table in read.items()},
    )
    graded = options.rating_bins is not None and config is not None
    multi_cls = config["multi_cls"] if graded and not isinstance(config, Mapping) else None
    return prepare(data, name, options, seed, multi_cls)


def _options(config: Any, name: str) -> tuple[DataOptions, int, str]:
    if config is not None and not isinstance(config, Mapping):
        return config.data, config["seed"], config["dataset"]
    values = dict(config or {})
    seed = values.pop("seed", _SEED)
    if not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"Option 'seed' (from_pandas): expected a whole number, got {seed!r}")
    for option in values:
        if option not in DataOptions.model_fields:
            raise ConfigError(
                f"Option '{option}' (from_pandas): expected options of the data and 'seed'; give"
                f" others to the run.{did_you_mean(option, DataOptions.model_fields)}"
            )
    try:
        return DataOptions(**values), seed, name
    except ValidationError as error:
        sources = dict.fromkeys(values, "from_pandas")
        raise ConfigError("\n".join(describe_errors(error, sources))) from None


def _check_types(types: Mapping[str, str], arrow: Mapping[Suffix, Any]) -> None:
    names = [name for table in arrow.values() for name in table.column_names]
    for name in types:
        if name not in names:
            raise DataError(
                f"types names the column '{name}', which none of the frames has; there are"
                f" {', '.join(names)}.{did_you_mean(name, names)}"
            )


def _table(
    arrow: Any, suffix: Suffix, options: DataOptions, types: Mapping[str, str]
) -> Table | None:
    where = IN_MEMORY[suffix]
    loaded = columns_to_load(where, fields_by_name(arrow.schema, where), options, suffix)
    if not loaded:
        return None
    known = {
        name: (
            type_named(types[name], f"types: column '{name}'")
            if name in types
            else feature_type(field, where, options)
        )
        for name, field in loaded.items()
    }
    return typed_table(arrow, known, options, where)


def _sha256(table: Table) -> str:
    """A fingerprint of names, types and values, as that of a file is one of its bytes."""
    digest = hashlib.sha256()
    for name, column in table.columns.items():
        digest.update(f"{name}:{column.type.value}\n".encode())
        _add(digest, column)
    return digest.hexdigest()


def _add(digest: Any, column: Column) -> None:
    if isinstance(column, SequenceColumn):
        digest.update(column.offsets.tobytes())
        _add(digest, column.elements)
    elif isinstance(column, FloatColumn):
        digest.update(np.ascontiguousarray(column.values).tobytes())
    elif isinstance(column, TokenColumn):
        # Codes alone would say how the vocabulary came about, not what stands in the rows.
        used, first, codes = np.unique(column.codes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        digest.update(place[codes].tobytes())
        tokens = [*column.vocabulary.to_pylist(), None]  # code -1 is the last place
        digest.update(json.dumps([tokens[code] for code in used[order]]).encode())

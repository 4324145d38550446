"""Which columns are input features, and what the options ask to be done with each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from recbole.data.files import AtomicData, target_columns
from recbole.data.options import DataOptions
from recbole.data.schema import FeatureSource, FeatureType
from recbole.errors import DataError, did_you_mean

_log = logging.getLogger(__name__)


def choose_features(data: AtomicData, options: DataOptions) -> dict[str, FeatureSource]:
    """The input features with their sources, in the order of the files .inter, .user, .item.

    A token or token_seq column is a feature; a float or float_seq column is one if it is listed
    in `numerical_features`. What `unused_col` lists is none, and the rating and label columns
    never are, whatever lists them.
    """
    targets = set(target_columns(options))
    left_out = {name for names in (options.unused_col or {}).values() for name in names}
    features: dict[str, FeatureSource] = {}
    for suffix, table in data.tables().items():
        for name, column in table.columns.items():
            is_number = column.type in (FeatureType.FLOAT, FeatureType.FLOAT_SEQ)
            is_target = suffix == "inter" and name in targets
            if name == options.USER_ID_FIELD:
                features.setdefault(name, FeatureSource.USER_ID)
            elif name == options.ITEM_ID_FIELD:
                features.setdefault(name, FeatureSource.ITEM_ID)
            elif is_target or name in left_out:
                continue
            elif not is_number or name in options.numerical_features:
                features[name] = FeatureSource(suffix)
    return features


def check_options(data: AtomicData, options: DataOptions) -> None:
    """Check every option that names columns against the columns that are loaded.

    Raises:
        DataError: an option names a column that is not loaded or is of the wrong type.
    """
    types = data.types()
    targets = {name for name in target_columns(options) if _is_no_side_column(name, data)}
    numbers = (FeatureType.FLOAT, FeatureType.FLOAT_SEQ)
    sequences = (FeatureType.TOKEN_SEQ, FeatureType.FLOAT_SEQ)
    discretised = (options.discretization or {}).keys()
    _check("numerical_features", options.numerical_features, types, numbers, targets)
    _check("normalize_field", options.normalize_field or (), types, numbers, targets)
    _check("discretization", discretised, types, numbers, targets)
    _check("seq_len", options.seq_len or (), types, sequences, set())
    for name in discretised:
        if name not in options.numerical_features and name not in targets:
            raise DataError(
                f"discretization names '{name}'; expected a column that numerical_features lists:"
                f" {', '.join(options.numerical_features) or 'none'}"
                f".{did_you_mean(name, options.numerical_features)}"
            )
    for suffix, names in (options.unused_col or {}).items():
        table = data.tables().get(suffix)
        columns = table.columns if table is not None else {}
        for name in names:
            if name not in columns:
                raise DataError(
                    f"unused_col names '{name}' of .{suffix}, which is no loaded column; there are"
                    f" {', '.join(columns) or 'none'}.{did_you_mean(name, columns)}"
                )
            if name in (options.USER_ID_FIELD, options.ITEM_ID_FIELD):
                raise DataError(f"unused_col names the id column '{name}', which is always used")


def _check(
    option: str,
    names: Iterable[str],
    types: Mapping[str, FeatureType],
    expected: tuple[FeatureType, ...],
    targets: set[str],
) -> None:
    for name in names:
        if name in targets:
            _log.warning("%s: '%s' is the target, so it is left out of the inputs", option, name)
        elif name not in types:
            raise DataError(
                f"{option} names '{name}', which is no loaded column; there are"
                f" {', '.join(types)}.{did_you_mean(name, types)}"
            )
        elif types[name] not in expected:
            raise DataError(
                f"{option}: expected columns of type {' or '.join(t.value for t in expected)},"
                f" got '{name}' of type {types[name].value}"
            )


def _is_no_side_column(name: str, data: AtomicData) -> bool:
    """Whether a name is not that of a column of .user or .item."""
    return not any(name in table for table in (data.users, data.items) if table is not None)

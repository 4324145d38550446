"""Whether two Datasets are the same in everything but their names and where they came from."""

from __future__ import annotations

from typing import Any

import torch

from recbole.data import Dataset, Interaction


def assert_same(one: Dataset, other: Dataset) -> None:
    """Fields, target, vocabularies, statistics, every column and the split are the same."""
    assert one.schema == other.schema
    _assert_same_plain(one.encoder.to_dict(), other.encoder.to_dict())
    _assert_same_columns(one.inter_feat, other.inter_feat)
    _assert_same_columns(one.get_user_feature(), other.get_user_feature())
    _assert_same_columns(one.get_item_feature(), other.get_item_feature())
    for part, its_twin in zip(one.build(), other.build(), strict=True):
        _assert_same_columns(part.inter_feat, its_twin.inter_feat)


def _assert_same_plain(one: Any, other: Any) -> None:
    """Plain data, in which there may be tensors."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            _assert_same_plain(one[key], other[key])
    elif isinstance(one, list | tuple):
        for mine, theirs in zip(one, other, strict=True):
            _assert_same_plain(mine, theirs)
    else:
        assert one == other


def _assert_same_columns(one: Interaction, other: Interaction) -> None:
    assert list(one) == list(other)
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, equal_nan=True)

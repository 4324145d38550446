"""MovieLens-100K, prepared under four configurations, has exactly RecBole 1.2.1's counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recbole.data import create_dataset, data_preparation
from tests.unit.data.data_files import StandIn

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "ml-100k.json").read_text())
COMMON = {
    "threshold": {"rating": 4},
    "user_inter_num_interval": "[10,inf)",
    "item_inter_num_interval": "[10,inf)",
    "load_col": {
        "inter": ["user_id", "item_id", "rating"],
        "user": ["user_id", "age", "gender", "occupation"],
        "item": ["item_id", "release_year", "class"],
    },
}


@pytest.mark.parametrize("name", GOLDENS)
def test_counts(movielens_100k, name):
    golden = GOLDENS[name]
    config = StandIn(movielens_100k, "ml-100k", **{**COMMON, **golden["config"]})
    dataset = create_dataset(config)
    assert dataset.user_num == golden["users_with_padding"]
    assert dataset.item_num == golden["items_with_padding"]
    assert dataset.inter_num == golden["interactions"]
    assert {field: dataset.num(field) for field in golden["tokens"]} == golden["tokens"]
    assert dataset.inter_feat["label"].sum() == golden["total_positives"]
    loaders = data_preparation(config, dataset)
    assert [loader.num_rows for loader in loaders] == golden["split"]
    assert (
        sum(float(loader.columns["label"].sum()) for loader in loaders) == golden["total_positives"]
    )

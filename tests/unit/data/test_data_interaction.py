"""Interaction behaves as RecBole's: a dictionary of columns, a table of rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recbole.data import Interaction, cat_interactions


@pytest.fixture
def rows():
    return Interaction(
        {
            "id": torch.tensor([3, 1, 2], dtype=torch.int32),
            "x": [0.5, 1.5, 2.5],
            "genre": np.array([[1, 0], [2, 3], [4, 0]]),
        }
    )


def test_columns(rows):
    assert rows.columns == list(rows) == ["id", "x", "genre"]
    assert "id" in rows and "y" not in rows and len(rows) == rows.length == 3
    assert rows["id"].dtype == torch.int32 and rows["x"].dtype == torch.float32
    rows["y"] = torch.zeros(3)
    rows.update(Interaction({"x": torch.ones(3)}))
    rows.drop("id")
    assert rows.columns == ["x", "genre", "y"] and rows["x"].tolist() == [1, 1, 1]
    rows.add_prefix("neg_")
    assert list(rows.interaction) == ["neg_x", "neg_genre", "neg_y"]
    assert rows.numpy()["neg_y"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (1, [1]),
        (-2, [1]),
        (slice(1, None), [1, 2]),
        ([2, 0, 0], [2, 3, 3]),
        (np.array([0, 2]), [3, 2]),
        (torch.tensor([-1, 0]), [2, 3]),
        (torch.tensor([True, False, True]), [3, 2]),
        ([False, True, False], [1]),
        ([], []),
    ],
)
def test_rows(rows, index, expected):
    chosen = rows[index]
    assert chosen["id"].tolist() == expected and chosen["id"].dtype == torch.int64
    assert chosen["genre"].shape == (len(expected), 2)
    lookup = dict(zip(rows["id"].tolist(), rows["x"].tolist(), strict=True))
    assert chosen["x"].tolist() == [lookup[i] for i in expected]


def test_taking_rows_keeps_the_stored_type(rows):
    taken = rows.take(torch.tensor([2, 0]))
    assert taken["id"].tolist() == [2, 3] and taken["id"].dtype == torch.int32


def test_repeating_and_joining(rows):
    assert rows.repeat(2)["id"].tolist() == [3, 1, 2, 3, 1, 2]
    assert rows.repeat(2)["genre"].shape == (6, 2)
    assert rows.repeat_interleave(2)["id"].tolist() == [3, 3, 1, 1, 2, 2]
    assert cat_interactions([rows, rows[[1]]])["genre"].tolist() == [[1, 0], [2, 3], [4, 0], [2, 3]]
    with pytest.raises(ValueError, match="expected the columns"):
        cat_interactions([rows, Interaction({"id": [1]})])
    with pytest.raises(ValueError, match="at least one"):
        cat_interactions([])


def test_sorting_and_shuffling(rows):
    rows.sort("id")
    assert rows["id"].tolist() == [1, 2, 3] and rows["genre"].tolist() == [[2, 3], [4, 0], [1, 0]]
    rows.sort("genre", ascending=False)
    assert rows["genre"][:, 0].tolist() == [4, 2, 1]
    two = Interaction({"a": [1, 0, 1, 0], "b": [1, 2, 3, 4]})
    two.sort(["a", "b"], ascending=[True, False])
    assert two["b"].tolist() == [4, 2, 3, 1]
    many = Interaction({"a": torch.arange(50), "b": torch.arange(50) * 2})
    many.shuffle()
    assert many["a"].tolist() != list(range(50)) and sorted(many["a"].tolist()) == list(range(50))
    assert torch.equal(many["b"], many["a"] * 2)


def test_moving(rows):
    moved = rows.to("meta", selected_field="x")
    assert moved["x"].device.type == "meta" and moved["id"].device.type == "cpu"
    assert rows.to("meta")["id"].device.type == "meta" and rows["id"].device.type == "cpu"
    assert rows.cpu()["id"].tolist() == [3, 1, 2]


def test_mistakes_are_named(rows):
    with pytest.raises(
        KeyError, match=r"no column 'genres'; there are id, x, genre. Did you mean 'genre'"
    ):
        rows["genres"]
    with pytest.raises(KeyError, match="no column 'y'"):
        rows.drop("y")
    with pytest.raises(ValueError, match="column 'y': expected 3 rows as in 'id', got 2"):
        rows["y"] = torch.zeros(2)
    with pytest.raises(ValueError, match="expected 3 rows"):
        rows["x"] = torch.zeros(2)
    with pytest.raises(ValueError, match="column 'y': expected 1 rows as in 'x', got 2"):
        Interaction({"x": [1], "y": [1, 2]})
    with pytest.raises(ValueError, match="got a single value"):
        Interaction({"x": torch.tensor(1)})
    with pytest.raises(IndexError, match="below 3, got 3"):
        rows[3]
    with pytest.raises(KeyError, match="expected the name of a column"):
        rows[0] = torch.zeros(3)

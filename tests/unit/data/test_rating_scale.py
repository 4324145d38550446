"""The threshold nearest to half, and the number of classes, for ratings of every kind."""

import numpy as np
import pytest

from recbole.data import rating_scale as grading
from recbole.data.rating_scale import Levels, fit
from recbole.data.schema import Target
from recbole.model.head import SoftmaxHead, SupervisionOptions


def fitted(values):
    levels = Levels()
    levels.add(np.array(values, np.float64))
    return fit(levels)


@pytest.mark.parametrize(
    ("values", "threshold", "multi_cls"),
    [
        ([1, 2, 3, 4, 5], 4, 5),  # 40 % from 4, 60 % from 3: the lower level where both are as near
        ([1, 2, 3, 4, 4, 5], 4, 5),
        ([1] + [5] * 9, 5, None),
        ([2, 3, 4, 5], 4, 5),  # nobody gave a 1
        ([1, 2, 4, 5], 4, 5),
        ([1, 2, 100], 2, 3),
        ([1, 2, 6], 2, 3),
        ([0, 1], 1, None),
        ([0, 1, 2, 3], 2, 4),
        ([-1, 0, 1], 1, 3),
        ([0.5 * n for n in range(1, 11)], 3, 10),
        ([1.5, 2.5, 4.0], 2.5, 3),
        (range(1, 21), 11, 20),
        (range(1, 22), 11, None),
        (range(1000), 500, None),
    ],
)
def test_what_fits(values, threshold, multi_cls):
    found = fitted(list(values))
    assert found.multi_cls == multi_cls
    share = np.mean(np.array(list(values)) >= found.threshold)
    assert found.share == pytest.approx(share)
    assert abs(share - 0.5) <= abs(np.mean(np.array(list(values)) >= threshold) - 0.5) + 1e-12
    if multi_cls is not None:  # the head takes it
        levels = tuple(sorted(set(map(float, values))))
        target = Target("label", "rating", found.threshold, levels)
        assert SoftmaxHead(SupervisionOptions(multi_cls=multi_cls), target).num_logits == multi_cls


@pytest.mark.parametrize("values", [[], [4, 4], [np.nan], [3, np.nan]])
def test_nothing_fits_a_single_rating(values):
    assert fitted(values) is None


def test_pieces_add_up():
    values = np.random.default_rng(0).integers(1, 6, 1000).astype(float)
    levels = Levels()
    for piece in np.array_split(values, 7):
        levels.add(piece)
    distinct, counts = np.unique(values, return_counts=True)
    np.testing.assert_array_equal(levels.values, distinct)
    np.testing.assert_array_equal(levels.counts, counts)


def test_very_many_amounts_are_rounded(monkeypatch):
    monkeypatch.setattr(grading, "_MOST_COUNTED", 5000)
    values = np.random.default_rng(0).lognormal(5, 2, 20_000)
    values[:10] = 0
    levels = Levels()
    for piece in np.array_split(values, 9):
        levels.add(piece)
    assert len(levels.values) < 5000
    assert levels.counts.sum() == 20_000
    assert fit(levels).threshold == pytest.approx(np.median(values), rel=0.01)
    assert levels.values.max() == pytest.approx(values.max(), rel=0.01)

"""Each statistic on fixed numbers, against SciPy and against its definition."""

import math

import numpy as np
import pytest
from scipy import special, stats

from recbole.report.statistics import Comparison, Sample

BEFORE = {1: 82.10, 2: 82.31, 3: 81.95, 4: 82.20}
AFTER = {1: 82.46, 2: 82.50, 3: 82.41, 4: 82.66}


@pytest.fixture
def compared():
    return Comparison.of(Sample(BEFORE), Sample(AFTER))


def test_mean_and_deviation():
    values = np.array(list(BEFORE.values()))
    sample = Sample(BEFORE)
    assert sample.mean == pytest.approx(values.mean(), rel=1e-12)
    assert sample.deviation == pytest.approx(stats.tstd(values), rel=1e-12)  # n − 1


def test_few_values():
    assert Sample({}).mean is None and Sample({}).deviation is None
    assert Sample({1: 3.0}).mean == 3.0 and Sample({1: 3.0}).deviation is None


def test_change_is_that_of_the_means(compared):
    before, after = np.mean(list(BEFORE.values())), np.mean(list(AFTER.values()))
    assert compared.change_percent == pytest.approx((after - before) / before * 100, rel=1e-9)
    assert Comparison.of(Sample({1: 82.10}), Sample({1: 82.46})).change_percent == pytest.approx(
        0.4385, abs=1e-4
    )  # the paper's WideDeep, 0.44


def test_changes_are_paired_by_seed(compared):
    differences = np.array([AFTER[seed] - BEFORE[seed] for seed in BEFORE])
    assert compared.change.mean == pytest.approx(differences.mean(), rel=1e-9)
    assert compared.change.deviation == pytest.approx(differences.std(ddof=1), rel=1e-9)


def test_p_is_that_of_the_paired_test(compared):
    # From the definition: Student's t of the mean difference, two-sided, by the incomplete beta.
    differences = np.array(list(AFTER.values())) - np.array(list(BEFORE.values()))
    n = len(differences)
    t = differences.mean() / (differences.std(ddof=1) / math.sqrt(n))
    p = special.betainc((n - 1) / 2, 0.5, (n - 1) / (n - 1 + t * t))
    assert compared.p_value == pytest.approx(p, rel=1e-9)
    unpaired = stats.ttest_ind(list(AFTER.values()), list(BEFORE.values())).pvalue
    assert compared.p_value != pytest.approx(unpaired, rel=1e-3)


def test_order_does_not_pair_what_does_not_belong_together(compared):
    shuffled = {seed: AFTER[seed] for seed in (3, 1, 4, 2)}
    assert Comparison.of(Sample(BEFORE), Sample(shuffled)).p_value == compared.p_value


def test_only_shared_seeds_count():
    compared = Comparison.of(Sample({1: 1.0, 2: 2.0, 9: 50.0}), Sample({2: 3.0, 1: 2.5, 8: 70.0}))
    assert compared.seeds == [1, 2]
    assert compared.before.mean == 1.5 and compared.after.mean == 2.75


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, {}), ({1: 1.0}, {1: 2.0}), ({1: 1.0, 2: 2.0}, {1: 1.5, 2: 2.5})],
    ids=["none", "one seed", "no spread"],
)
def test_no_p_where_there_is_none(before, after):
    assert Comparison.of(Sample(before), Sample(after)).p_value is None


def test_no_change_of_nothing():
    assert Comparison.of(Sample({}), Sample({1: 2.0})).change_percent is None
    assert Comparison.of(Sample({1: 0.0}), Sample({1: 2.0})).change_percent is None

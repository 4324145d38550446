import pytest
from measure.spread import Spread, geometric_mean, markdown, median_interval, ratio


def test_a_spread_is_the_median_and_both_ends():
    assert Spread.of([5.0, 1.0, 3.0, 10.0]) == Spread(median=4.0, low=1.0, high=10.0, count=4)


def test_a_spread_reads_as_a_cell():
    assert Spread.of([1234.4, 1000, 2000]).text() == "1,234 (1,000–2,000)"
    assert Spread.of([1.234, 1, 2]).text(".1f") == "1.2 (1.0–2.0)"


def test_no_value_has_no_spread():
    with pytest.raises(ValueError, match="at least one"):
        Spread.of([])


def test_a_ratio_is_one_of_pairs():
    """A machine that becomes ten times slower for a whole round changes nothing."""
    assert ratio([20, 2, 20], [10, 1, 10]) == Spread(2.0, 2.0, 2.0, 3)
    assert ratio([30, 2], [10, 1]).high == 3.0


def test_a_ratio_needs_pairs():
    with pytest.raises(ValueError, match="argument"):
        ratio([1.0, 2.0], [1.0])


def test_the_interval_of_a_median_is_that_of_the_order_statistics():
    """Of 9 values the median lies between the second and the eighth: 1 - 2 · 10/2⁹ = 96 %."""
    values = [4.0, 9.0, 1.0, 3.0, 100.0, 6.0, 7.0, 2.0, 5.0]
    assert median_interval(values) == (2.0, 9.0)
    assert median_interval(values, level=0.99) == (1.0, 100.0)


def test_few_values_do_not_tell_where_the_median_is():
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == (1.0, 6.0)


def test_the_geometric_mean_is_the_same_the_other_way_round():
    values = [2.0, 8.0, 0.5]
    assert geometric_mean(values) == pytest.approx(2.0)
    assert geometric_mean(1 / value for value in values) == pytest.approx(0.5)


def test_a_markdown_table():
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"

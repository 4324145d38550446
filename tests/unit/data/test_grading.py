"""Counts and play time as levels: the edges, what they are learned from, what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recbole.data import Schema, create_dataset
from recbole.data.grading import (
    count_levels,
    distinct_numbers,
    learn_levels,
    log_edges,
    lowest_click_level,
    quantile_edges,
)
from recbole.data.grading_options import RatingBins
from recbole.data.options import DataOptions
from recbole.errors import ConfigError, DataError
from recbole.model.head import RatingHead, SupervisionOptions
from tests.unit.data.data_files import StandIn, write

QUANTILE = RatingBins(method="quantile")
LOG = RatingBins(method="log")


def edges_of(numbers, count, learn=quantile_edges):
    numbers = np.asarray(numbers, np.float64)
    return learn(numbers, np.zeros(len(numbers), np.int64), 1, count)[0]


def learned(numbers, count, options=QUANTILE, users=None, **more):
    numbers = np.asarray(numbers, np.float64)
    users = np.zeros(len(numbers), np.int64) if users is None else np.asarray(users)
    return learn_levels("plays", numbers, users, int(users.max()) + 1, options, count, **more)


class TestQuantileEdges:
    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.integers(-1000, 1000), min_size=2, max_size=60, unique=True),
        st.integers(2, 9),
    )
    def test_are_numpys_where_no_number_stands_twice(self, numbers, count):
        expected = np.quantile(numbers, np.arange(1, count) / count)
        assert edges_of(numbers, count) == pytest.approx(expected, rel=1e-12)

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 4), st.floats(0, 50)), min_size=1, max_size=60),
        st.integers(2, 6),
    )
    def test_of_a_group_are_those_of_its_numbers_alone(self, rows, count):
        groups, numbers = (np.array(column) for column in zip(*rows, strict=True))
        together = quantile_edges(numbers, groups, 6, count)
        for group in range(6):
            own = numbers[groups == group]
            if len(own):
                assert together[group] == pytest.approx(edges_of(own, count))
            else:
                assert np.isnan(together[group]).all()

    def test_move_to_the_nearer_end_of_equal_numbers(self):
        # The quantile 1/2 is 1: 60 % of the rows up to it are nearer to a half than none below it.
        assert edges_of([1, 1, 1, 1, 1, 1, 2, 3, 4, 5], 2).tolist() == [2]
        # Here it is 5, and 40 % below are nearer than 100 % up to it.
        assert edges_of([1, 2, 3, 4, 5, 5, 5, 5, 5, 5], 2).tolist() == [5]
        # As near either way: the equal numbers form the upper level.
        assert edges_of([1, 2, 2, 3], 2).tolist() == [2]

    def test_split_equal_shares(self):
        levels = learned(np.arange(100), 5)
        assert levels.rows == (20, 20, 20, 20, 20)

    def test_ascend_where_one_has_moved_past_the_next(self):
        # The quantile 2/4 moves from 3 up to 8, beyond 3/4, which lies between the same two.
        numbers = [1, 2, 3, 3, 3, 3, 3, 3, 3, 8, 9, 9.5]
        assert edges_of(numbers, 4).tolist() == [3, 8, 8]

    def test_do_not_depend_on_the_order_of_the_rows(self):
        numbers = np.random.default_rng(0).integers(1, 30, 200)
        assert (edges_of(numbers, 4) == edges_of(numbers[::-1], 4)).all()


def test_log_edges_are_equal_steps_of_the_logarithm():
    assert edges_of([1, 3, 10_000], 4, log_edges) == pytest.approx([10, 100, 1000])
    groups = np.array([0, 2, 0, 2])
    edges = log_edges(np.array([1.0, 5.0, 100.0, 500.0]), groups, 3, 2)
    assert edges[[0, 2], 0] == pytest.approx([10, 50]) and np.isnan(edges[1]).all()


def test_distinct_numbers_of_each_group():
    numbers, groups = np.array([1.0, 1.0, 2.0, 2.0, 7.0]), np.array([0, 0, 0, 2, 2])
    assert distinct_numbers(numbers, groups, 4).tolist() == [2, 0, 2, 0]


class TestLevels:
    def test_a_number_on_an_edge_belongs_to_the_level_above(self):
        levels = learned([1, 5, 10, 50], 3, RatingBins(method="edges", edges=[5, 50]))
        zero = np.zeros(5, np.int64)
        assert levels.place(np.array([4.9, 5, 49, 50, 1e9]), zero).tolist() == [1, 2, 2, 3, 3]
        assert levels.rows == (1, 2, 1)

    def test_each_user_has_edges_of_its_own(self):
        options = RatingBins(method="quantile", group_by="user")
        numbers, users = [1, 2, 3, 4, 100, 200, 300, 400, 7], [0] * 4 + [1] * 4 + [2]
        levels = learned(numbers, 2, options, users)
        assert levels.place(np.array([3.0, 3.0]), np.array([0, 1])).tolist() == [2, 1]
        # One number is too few for two levels: that user is graded like all users together.
        assert torch.isnan(levels.user_edges[2]).all()
        together = levels.edges[0]
        assert together == np.quantile(numbers, 0.5)
        of_the_third = levels.place(np.array([together - 1, together]), np.array([2, 2]))
        assert of_the_third.tolist() == [1, 2]

    def test_an_empty_level_is_refused_with_edges_that_leave_none(self):
        with pytest.raises(DataError, match="level 1 of 'plays'") as refused:
            learned([1, 1, 1, 1, 1, 1, 1, 5, 6, 7], 5)
        suggestion = str(refused.value).split("rating_bins: [")[-1].split("]")[0]
        edges = [float(edge) for edge in suggestion.split(",")]
        again = learned([1, 1, 1, 1, 1, 1, 1, 5, 6, 7], len(edges) + 1,
                        RatingBins(method="edges", edges=edges))  # fmt: skip
        assert all(again.rows) and f"multi_cls={len(edges) + 1}" in str(refused.value)

    @pytest.mark.parametrize("edges", [[0, 5], [5, 1000], [5, 5.5, 6]])
    def test_given_edges_outside_the_data_are_refused(self, edges):
        with pytest.raises(DataError, match="would be empty"):
            learned([1, 5, 7, 9], len(edges) + 1, RatingBins(method="edges", edges=edges))

    def test_a_constant_column_is_refused(self):
        with pytest.raises(DataError, match="is 3 in every training row"):
            learned([3, 3, 3], 2)

    def test_no_training_rows(self):
        with pytest.raises(DataError, match="got none"):
            learn_levels("plays", np.zeros(0), np.zeros(0, np.int64), 1, QUANTILE, 2)

    def test_survive_a_checkpoint(self, tmp_path):
        options = RatingBins(method="log", group_by="user")
        levels = learned([1, 10, 100, 5, 50], 2, options, [0, 0, 0, 1, 2])
        torch.save(levels.to_dict(), tmp_path / "levels")
        again = type(levels).from_dict(torch.load(tmp_path / "levels", weights_only=True))
        assert again == levels and again.rows == levels.rows
        assert again != learned([1, 10, 400, 5, 50], 2, options, [0, 0, 0, 1, 2])
        assert again != learned([1, 10, 100, 5, 50], 2, LOG, [0, 0, 0, 1, 2])


class TestThreshold:
    def test_a_number_moves_the_nearest_learned_edge(self):
        numbers = np.arange(1, 101)
        levels = learned(numbers, 4, threshold=60.0)
        assert levels.edges == (25.75, 60.0, 75.25)
        assert lowest_click_level(levels, 60.0) == 3
        by_user = RatingBins(method="quantile", group_by="user")
        users = np.repeat([0, 1], 50)
        own = learned(numbers, 2, by_user, users, threshold=30.0).user_edges
        assert own.tolist() == [[30.0], [30.0]]

    @pytest.mark.parametrize("method", ["quantile", "log"])
    @settings(max_examples=60, deadline=None)
    @given(
        rows=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), min_size=2, max_size=80),
        count=st.integers(2, 6),
        threshold=st.integers(2, 40),
    )
    def test_by_user_is_the_same_number_for_every_user(self, method, rows, count, threshold):
        users, numbers = (np.array(column) for column in zip(*rows, strict=True))
        assume(numbers.min() < threshold <= numbers.max())
        by_user = RatingBins(method=method, group_by="user")
        try:
            levels = learned(numbers, count, by_user, users, threshold=float(threshold))
        except DataError:  # a level without rows
            return
        clicks = levels.place(numbers, users) >= lowest_click_level(levels, threshold)
        assert clicks.tolist() == (numbers >= threshold).tolist()

    def test_by_user_where_users_count_on_other_scales(self):
        random = np.random.default_rng(1)
        numbers = np.r_[random.integers(1, 21, 300), random.integers(100, 1001, 300)]
        users = np.repeat([0, 1, 2], [300, 300, 1])
        numbers = np.r_[numbers, 17]  # too few for edges of one's own
        by_user = RatingBins(method="quantile", group_by="user")
        levels = learned(numbers, 5, by_user, users, threshold=15.0)
        clicks = levels.place(numbers, users) >= lowest_click_level(levels, 15.0)
        assert clicks.tolist() == (numbers >= 15).tolist()
        assert (levels.user_edges[:2].diff(dim=1) >= 0).all()
        assert torch.isnan(levels.user_edges[2]).all()

    def test_of_equal_edges_moves_the_one_that_leaves_them_ascending(self):
        numbers = [2, 2, 2, 6, 6, 8]
        assert edges_of(numbers, 3).tolist() == [6, 6]
        levels = learned(numbers, 3, threshold=8.0)
        assert levels.edges == (6, 8) and lowest_click_level(levels, 8.0) == 3

    def test_a_level_is_named(self):
        assert lowest_click_level(learned(range(10), 5), "level 4") == 4
        assert lowest_click_level(learned(range(10), 5), None) is None

    @pytest.mark.parametrize(
        ("threshold", "message"),
        [
            ("level 1", "no level below it; expected level 2 to level 5"),
            ("level 6", "no level above it; expected level 2 to level 5"),
            (0.0, "no level below it; expected one above 0 and at most 9"),
            (9.5, "no level from it"),
        ],
    )
    def test_without_levels_on_both_sides_is_refused(self, threshold, message):
        with pytest.raises(ConfigError, match=message):
            learned(range(10), 5, threshold=threshold)

    def test_within_a_given_level_is_refused(self):
        options = RatingBins(method="edges", edges=[3, 6])
        with pytest.raises(ConfigError, match=r"one of the edges 3, 6, or 'level N' with N from 2"):
            learned(range(10), 3, options, threshold=4.0)
        assert lowest_click_level(learned(range(10), 3, options, threshold=6.0), 6.0) == 3


class TestCount:
    HALF_STARS = tuple(half / 2 for half in range(1, 11))

    def test_comes_from_what_says_it(self):
        assert count_levels(QUANTILE, (), 5) == 5
        assert count_levels(RatingBins(method="log", levels=4), (), None) == 4
        assert count_levels(RatingBins(method="edges", edges=[1, 2]), (), 3) == 3
        assert count_levels(RatingBins(method="pairs"), self.HALF_STARS, None) == 5

    @pytest.mark.parametrize(
        ("options", "scale", "multi_cls", "message"),
        [
            ({"method": "quantile"}, (), None, "set multi_cls"),
            ({"method": "log", "levels": 4}, (), 5, "asks for 4 levels, multi_cls is 5"),
            ({"method": "edges", "edges": [1]}, (), 5, "1 edges, which make 2 levels"),
            ({"method": "pairs"}, HALF_STARS, 10, "5 levels of 10 distinct"),
            ({"method": "pairs"}, HALF_STARS[1:], 5, "got 9: 1, 1.5"),
            ({"method": "pairs"}, (), 5, "very many"),
        ],
    )
    def test_is_refused_where_options_disagree(self, options, scale, multi_cls, message):
        with pytest.raises(ConfigError, match=message):
            count_levels(RatingBins(**options), scale, multi_cls)

    def test_pairs_of_half_stars(self):
        numbers = np.array(self.HALF_STARS)
        levels = learned(numbers, 5, RatingBins(method="pairs"), scale=self.HALF_STARS)
        assert levels.edges == (1.5, 2.5, 3.5, 4.5)
        zero = np.zeros(10, np.int64)
        assert levels.place(numbers, zero).tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]

    def test_a_threshold_within_a_pair_moves_the_nearest_edge(self):
        numbers = np.array(self.HALF_STARS)
        options = RatingBins(method="pairs")
        levels = learned(numbers, 5, options, scale=self.HALF_STARS, threshold=4.0)
        assert levels.edges == (1.5, 2.5, 4.0, 4.5)
        assert lowest_click_level(levels, 4.0) == 4


class TestOptions:
    @pytest.mark.parametrize(
        ("given", "method", "edges"),
        [("log", "log", None), ([1, 2.5], "edges", [1, 2.5]), ({"method": "pairs"}, "pairs", None)],
    )
    def test_short_forms(self, given, method, edges):
        options = DataOptions(rating_bins=given)
        assert (options.rating_bins.method, options.rating_bins.edges) == (method, edges)
        assert DataOptions(**options.model_dump()) == options

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("quantiles", "quantile"),
            ([2, 1], "greater than the one before"),
            ([], "at least one edge"),
            ([1, 1], "greater than the one before"),
            ({"method": "log", "edges": [1]}, "with no other"),
            ({"method": "edges"}, "expected 'edges'"),
            ({"method": "pairs", "levels": 5}, "no 'levels'"),
            ({"method": "edges", "edges": [1], "group_by": "user"}, "quantile or log"),
            ({"method": "log", "levels": 1}, "greater than or equal to 2"),
        ],
    )
    def test_mistakes(self, given, message):
        with pytest.raises(ValueError, match=message):
            DataOptions(rating_bins=given)

    @pytest.mark.parametrize("given", ["level 0", "level", "levels 3", "level 3.5", True, None])
    def test_mistaken_thresholds(self, given):
        with pytest.raises(ValueError, match="'level N' with N from 1"):
            DataOptions(threshold={"plays": given}, rating_bins="log")

    def test_a_level_needs_bins(self):
        with pytest.raises(ValueError, match="names a level, and without rating_bins"):
            DataOptions(threshold={"plays": "level 4"})
        with pytest.raises(ValueError, match="label column"):
            DataOptions(threshold={"label": 1}, rating_bins="log")


def plays(rows=400, least=1):
    """A .inter file of listening counts with a long tail."""
    random = np.random.default_rng(3)
    counts = np.floor(np.exp(random.normal(4, 1.5, rows))).astype(int) + least
    lines = [f"u{random.integers(12)}\ti{n}\t{count}" for n, count in enumerate(counts)]
    return "user_id:token\titem_id:token\tplays:float\n" + "\n".join(lines) + "\n"


def graded(folder, inter=None, multi_cls=5, seed=2020, **options):
    write(folder, inter=inter if inter is not None else plays())
    options = {"threshold": {"plays": "level 4"}, "rating_bins": "quantile", **options}
    config = StandIn(folder, seed=seed, **options)
    config._values["multi_cls"] = multi_cls
    return create_dataset(config)


class TestDataset:
    def test_levels_and_labels_stand_where_ratings_stood(self, tmp_path):
        dataset = graded(tmp_path)
        levels, labels = dataset.inter_feat["plays"], dataset.inter_feat["label"]
        assert set(levels.tolist()) == {1, 2, 3, 4, 5} and levels.dtype == torch.float32
        assert labels.tolist() == (levels >= 4).tolist() and labels.dtype == torch.uint8
        target = dataset.schema.target
        assert (target.rating_field, target.threshold) == ("plays", 4.0)
        assert target.levels == (1, 2, 3, 4, 5)
        assert "plays" not in [field.name for field in dataset.schema.fields]

    def test_edges_are_learned_on_the_training_part_alone(self, tmp_path):
        dataset = graded(tmp_path)
        raw = np.array([float(line.split("\t")[2]) for line in plays().splitlines()[1:]])
        train = dataset.rows_of_parts()[0].numpy()
        fractions = np.arange(1, 5) / 5
        expected = np.quantile(raw[train], fractions)
        assert dataset.schema.target.grading.edges == pytest.approx(expected, abs=1)
        assert np.abs(expected - np.quantile(raw, fractions)).max() > 1  # or nothing is shown
        assert sum(dataset.schema.target.grading.rows) == len(train)
        other = graded(tmp_path, seed=1)
        assert other.schema.target.grading != dataset.schema.target.grading

    def test_parts_hold_the_same_levels(self, tmp_path):
        dataset = graded(tmp_path)
        for part, rows in zip(dataset.build(), dataset.rows_of_parts(), strict=True):
            assert part.inter_feat["plays"].equal(dataset.inter_feat["plays"][rows])
            assert part.schema == dataset.schema
        both = dataset.build()[0].interactions_of("train", "test")
        assert set(both["plays"].tolist()) <= {1, 2, 3, 4, 5}

    def test_a_rating_head_has_the_same_levels_and_threshold(self, tmp_path):
        for threshold in ({"plays": "level 4"}, {"plays": 60}):
            dataset = graded(tmp_path, threshold=threshold)
            head = RatingHead(SupervisionOptions(multi_cls=5), dataset.schema.target)
            batch = dataset[torch.arange(len(dataset))]
            classes = head.classes(batch)
            assert (classes + 1).tolist() == batch["plays"].tolist()
            assert (classes >= head.num_negative).float().tolist() == batch["label"].tolist()

    def test_a_raw_threshold_is_the_label_of_the_raw_number(self, tmp_path):
        dataset = graded(tmp_path, threshold={"plays": 60}, multi_cls=4)
        raw = [float(line.split("\t")[2]) for line in plays().splitlines()[1:]]
        assert dataset.inter_feat["label"].bool().tolist() == [count >= 60 for count in raw]
        assert 60 in dataset.schema.target.grading.edges

    def test_a_binary_model_gets_the_labels_of_a_rating_head(self, tmp_path):
        head = graded(tmp_path)
        binary = graded(tmp_path, rating_bins={"method": "quantile", "levels": 5}, multi_cls=None)
        assert binary.inter_feat["label"].equal(head.inter_feat["label"])

    def test_by_user(self, tmp_path):
        dataset = graded(tmp_path, rating_bins={"method": "quantile", "group_by": "user"})
        users, labels = dataset.inter_feat["user_id"], dataset.inter_feat["label"].float()
        shares = [float(labels[users == user].mean()) for user in users.unique()]
        assert min(shares) > 0.2 and max(shares) < 0.6

    def test_the_grading_is_told_and_kept(self, tmp_path):
        dataset = graded(tmp_path)
        first = dataset.schema.target.grading.edges[0]
        assert f"5 levels (quantile of the training part): 1 below {first:g} (" in str(dataset)
        assert "label = plays >= level 4" in str(dataset)
        assert dataset.statistics["grading"]["edges"][0] == first
        assert Schema.from_dict(dataset.schema.to_dict()) == dataset.schema

    def test_a_number_without_logarithm_is_refused_with_its_line(self, tmp_path):
        text = plays(20) + "u1\tz\t0\n"
        with pytest.raises(DataError, match=r"line 22: rating_bins: log expects numbers above 0"):
            graded(tmp_path, text, rating_bins="log")
        kept = {"val_interval": {"plays": "(0,inf)"}, "threshold": {"plays": "level 2"}}
        assert len(graded(tmp_path, text, rating_bins="log", multi_cls=2, **kept)) == 20

    def test_a_missing_number_is_refused_with_its_line(self, tmp_path):
        with pytest.raises(DataError, match=r"line 22: expected a number in the target column"):
            graded(tmp_path, plays(20) + "u1\tz\t\n")

    def test_a_column_to_grade_has_to_be_there(self, tmp_path):
        with pytest.raises(DataError, match=r"RATING_FIELD.*there are user_id, item_id, plays"):
            graded(tmp_path, threshold=None)
        dataset = graded(tmp_path, threshold=None, RATING_FIELD="plays")
        assert "label" not in dataset.inter_feat and dataset.schema.target.threshold is None


def half_stars(rows=400):
    values = np.random.default_rng(0).integers(1, 11, rows) / 2
    lines = [f"u{row % 20}\ti{row // 20}\t{value}" for row, value in enumerate(values)]
    text = "user_id:token\titem_id:token\trating:float\n" + "\n".join(lines) + "\n"
    return text, values


@pytest.mark.parametrize("multi_cls", [None, 10])
def test_pairs_leave_ratings_as_they_are_where_none_need_merging(tmp_path, multi_cls):
    text, values = half_stars()
    options = {"rating_bins": "pairs", "threshold": {"rating": 4}}
    plain = graded(tmp_path, text, multi_cls, rating_bins=None, threshold={"rating": 4})
    dataset = graded(tmp_path, text, multi_cls, **options)
    assert dataset.schema == plain.schema
    assert dataset.schema.target.threshold == 4
    assert dataset.inter_feat["rating"].tolist() == values.tolist()
    assert dataset.inter_feat["label"].tolist() == plain.inter_feat["label"].tolist()
    with pytest.raises(ConfigError, match=r"'level 4' .* multi_cls=5"):
        graded(tmp_path, text, multi_cls, rating_bins="pairs", threshold={"rating": "level 4"})


def test_pairs_merge_for_half_as_many_classes(tmp_path):
    text, values = half_stars()
    dataset = graded(tmp_path, text, 5, rating_bins="pairs", threshold={"rating": 4})
    assert dataset.schema.target.grading.edges == (1.5, 2.5, 4.0, 4.5)
    assert dataset.inter_feat["label"].tolist() == (values >= 4).astype(int).tolist()
    assert sorted(set(dataset.inter_feat["rating"].tolist())) == [1, 2, 3, 4, 5]

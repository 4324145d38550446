"""Options of the data are typed, agree with each other, and intervals mean what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recbole.data import DataOptions
from recbole.data.evaluation_options import EvalArgs
from recbole.data.intervals import parse_intervals

ENDS = st.integers(-5, 5)


@given(ENDS, ENDS, st.sampled_from("[("), st.sampled_from("])"), ENDS, ENDS)
def test_an_interval_contains_what_its_brackets_say(a, b, left, right, c, d):
    low, high, third, fourth = min(a, b), max(a, b), min(c, d), max(c, d)
    intervals = parse_intervals(f"{left}{low},{high}{right} ; [{third}, {fourth}]")
    values = np.array([*range(-6, 7), *(x + 0.5 for x in range(-6, 6)), math.nan])
    expected = [
        ((low <= v if left == "[" else low < v) and (v <= high if right == "]" else v < high))
        or third <= v <= fourth
        for v in values.tolist()
    ]
    assert intervals.contains(values).tolist() == expected
    assert intervals.lower == min(low, third)


def test_infinite_ends():
    assert parse_intervals("(-inf,0);[10,inf)").contains(np.array([-1e9, 0, 10, 1e9])).tolist() == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("text", ["", "10", "[1,2", "1,2]", "[1;2]", "[a,b]", "[1,2,3]", "{1,2}"])
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(ValueError, match="expected intervals such as"):
        parse_intervals(text)


def test_an_interval_the_wrong_way_round_is_refused():
    with pytest.raises(ValueError, match=r"left end first, got '\[3,2\]'"):
        parse_intervals("[0,1];[3,2]")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user_inter_num_interval": "10"}, "expected intervals such as"),
        ({"val_interval": {"rating": "3+"}}, "expected intervals such as"),
        ({"threshold": {"a": 1, "b": 2}}, "exactly one field"),
        ({"threshold": {}}, "exactly one field"),
        ({"threshold": {"rating": math.inf}}, "finite number"),
        ({"threshold": {"rating": "4"}}, "finite number"),
        ({"seq_len": {"genre": 0}}, "greater than or equal to 1"),
        (
            {"load_col": {"inter": ["a"]}, "unload_col": {"inter": ["b"]}},
            "'load_col' and 'unload_col'",
        ),
        ({"load_col": {"kg": ["a"]}}, "'inter', 'user' or 'item'"),
        (
            {"normalize_field": ["a"], "normalize_all": True},
            "'normalize_field' and 'normalize_all'",
        ),
        ({"discretization": {"a": {"method": "ED"}}}, "expected the number of buckets"),
        ({"discretization": {"a": {"method": "LD", "bucket": 3}}}, "no 'bucket'"),
        ({"discretization": {"a": {"method": "EF"}}}, "'ED' or 'LD'"),
        ({"benchmark_filename": ["train", "test"]}, "three names"),
        ({"field_separator": ",,"}, "single ASCII character"),
        ({"field_separator": " "}, "'field_separator' and 'seq_separator'"),
        ({"encoding": "utf-9"}, "an encoding that Python knows"),
        ({"RATING_FIELD": "label"}, "'RATING_FIELD' and 'LABEL_FIELD'"),
        ({"rm_dup_inter": "all"}, "'first' or 'last'"),
        ({"train_batch_size": 0}, "greater than or equal to 1"),
        ({"user_inter_num_intervall": "[1,2]"}, "Extra inputs"),
        ({"eval_args": {"split": {"RS": [0.8, 0.2]}}}, "three ratios"),
        ({"eval_args": {"split": {"RS": [0.8, -0.1, 0.1]}}}, "three ratios"),
        ({"eval_args": {"split": {"TS": [0, 0.5, 0.5]}}}, "three ratios"),
        ({"eval_args": {"split": {"LS": "test"}}}, "valid_and_test, valid_only, test_only"),
        ({"eval_args": {"split": {"RS": [8, 1, 1], "LS": "test_only"}}}, "expected one of"),
        ({"eval_args": {"order": "XO"}}, "'RO' or 'TO'"),
        ({"eval_args": {"group_by": "item"}}, "'user'"),
        ({"eval_args": {"mode": "uni"}}, "labeled, full, uniN or popN"),
        ({"eval_args": {"mode": {"valid": "full"}}}, "both parts"),
    ],
)
def test_a_wrong_option_is_refused_in_plain_words(options, message):
    with pytest.raises(ValidationError, match=message):
        DataOptions(**options)


def test_defaults_are_those_of_context_aware_models():
    options = DataOptions()
    assert options.eval_args.split == {"RS": [0.8, 0.1, 0.1]}
    assert (options.eval_args.order, options.eval_args.group_by) == ("RO", None)
    assert options.eval_args.modes == {"valid": "labeled", "test": "labeled"}
    assert (options.train_batch_size, options.eval_batch_size, options.shuffle) == (
        2048,
        4096,
        True,
    )
    assert options.normalises_all
    assert not DataOptions(normalize_field=["a"]).normalises_all
    assert not DataOptions(normalize_all=False).normalises_all


def test_whole_numbers_stand_for_floats_and_none_may_be_written_out():
    assert DataOptions(threshold={"rating": 4}).threshold == {"rating": 4.0}
    assert EvalArgs(group_by="None").group_by is None
    assert EvalArgs(mode={"valid": "uni100", "test": "full"}).modes["valid"] == "uni100"


def test_every_option_is_described():
    for group in (DataOptions, EvalArgs):
        assert not [name for name, field in group.model_fields.items() if not field.description]

"""Options as text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole.config.yaml_values import parse_value
from recbole.errors import ConfigError
from recbole.sweep.option_text import option_text, split_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1,0.3", [0.1, 0.3]),
        ("2020", [2020]),
        ("2020,2021", [2020, 2021]),
        ("DCNV2, WideDeep", ["DCNV2", "WideDeep"]),
        ("[64,64],[128]", [[64, 64], [128]]),
        ("[10,inf)", ["[10,inf)"]),
        ("[10,inf),[5,inf)", ["[10,inf)", "[5,inf)"]),
        ("{rating: 4},{rating: 3, other: 2}", [{"rating": 4}, {"rating": 3, "other": 2}]),
        ("'a,b',c", ["a,b", "c"]),
        ("1e-3,null", [0.001, None]),
    ],
)
def test_commas_outside_brackets_and_quotes_separate(text, values):
    assert split_values(text, "Option 'x'") == values


@pytest.mark.parametrize("text", ["1,,2", "1,", ",1"])
def test_an_empty_value_is_refused(text):
    with pytest.raises(ConfigError, match="Option 'x': expected a value on each side"):
        split_values(text, "Option 'x'")


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = plain | st.text("abc ,[]{}:'\"#-019.", max_size=8) | st.lists(plain, max_size=4)


@given(values)
def test_text_is_read_back_as_the_value(value):
    assert parse_value(option_text(value), "x") == value


def test_plain_names_stay_plain():
    assert option_text("adamw") == "adamw"
    assert option_text("0.5") == '"0.5"'
    assert option_text([256, 256]) == "[256,256]"
    assert option_text("[10,inf)") == "[10,inf)"

"""Command-line options: `--key=value` with YAML values, never evaluated."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole.config.sources import parse_command_line
from recbole.errors import ConfigError

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")))
SCALARS = st.none() | st.booleans() | st.integers() | FLOATS | TEXTS
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=3)
)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_any_plain_value_is_read_back(options):
    arguments = [
        f"--{name}={json.dumps(value, ensure_ascii=False)}" for name, value in options.items()
    ]
    assert parse_command_line(arguments) == options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("5E2", 500.0),
        ("-2e+1", -20.0),
        ("1.5", 1.5),
        ("10", 10),
        ("True", True),
        ("None", None),
        ("~", None),
        ("abc", "abc"),
        ("e5", "e5"),
        ("2020-01-01", "2020-01-01"),
        ("2024-02-30", "2024-02-30"),
        ("2020-01-01 10:00:00", "2020-01-01 10:00:00"),
        ("1e", "1e"),
        ("[256,256]", [256, 256]),
        ("{rating: 4}", {"rating": 4}),
        ("[10,inf)", "[10,inf)"),
        ("(3,inf)", "(3,inf)"),
        ("a=b=c", "a=b=c"),
        ("", None),
        ("__import__('os').system('true')", "__import__('os').system('true')"),
    ],
)
def test_values(text, value):
    parsed = parse_command_line([f"--x={text}"])["x"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_infinity_is_a_number():
    assert parse_command_line(["--x=.inf"])["x"] == math.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["multi_cls=5"], "Command line: expected --key=value, got 'multi_cls=5'"),
        (["--multi_cls", "5"], "Command line: expected --key=value, got '--multi_cls'"),
        (["--=5"], "Command line: expected --key=value, got '--=5'"),
        (["--a=1", "--a=2"], "Option 'a' stands twice on the command line"),
        (["--a=[1,"], r"Option 'a' \(command line\): expected a YAML value, got '\[1,'"),
        (["--a=0x_"], r"Option 'a' .* got '0x_' \('0x_' is no int\)"),
        (["--a=!!bool x"], r"Option 'a' .*'x' is no bool"),
        (["--a=!!timestamp 2020-01-01"], r"Option 'a' .* expected a YAML value"),
        (["--a=!!binary eA=="], r"Option 'a' .* expected a YAML value"),
    ],
)
def test_malformed_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        parse_command_line(arguments)

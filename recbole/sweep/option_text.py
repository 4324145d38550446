"""Options as text: what stands behind `--key=`, one value or several with commas."""

from __future__ import annotations

import json
from typing import Any

from recbole.config.yaml_values import parse_value
from recbole.errors import ConfigError

_OPENING, _CLOSING, _QUOTES = "[{(", "]})", "\"'"


def split_values(text: str, origin: str) -> list[Any]:
    """The values that commas separate, each read as YAML.

    Commas within brackets or quotes separate nothing: `[64,64],[128]` is two lists, and the
    interval `[10,inf)` is one value.

    Args:
        text: such as `0.1,0.3`.
        origin: where it stands, for the error message.

    Raises:
        ConfigError: a value is not YAML, or empty where there are several.
    """
    pieces, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            pieces.append("")
            continue
        pieces[-1] += character
    if len(pieces) > 1 and not all(piece.strip() for piece in pieces):
        raise ConfigError(f"{origin}: expected a value on each side of every comma, got {text!r}")
    return [parse_value(piece.strip(), origin) for piece in pieces]


def option_text(value: Any) -> str:
    """The shortest text that is read back as `value`, such as `[256,256]` or `{"rating":4}`."""
    if isinstance(value, str):
        plain = value.strip() == value and value and _reads_as(value, value)
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _reads_as(text: str, value: str) -> bool:
    try:
        return parse_value(text, "") == value
    except ConfigError:
        return False

"""What a user is told about an option: plain words, its source, the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from recbole.errors import did_you_mean


def describe_unknown(
    name: str,
    source: str,
    known: Iterable[str],
    model: str,
    owners: Mapping[str, list[str]],
) -> str:
    """One line for an option that nothing here has, or that only another model has."""
    if name in owners:
        return (
            f"Option '{name}' ({source}) belongs to {', '.join(owners[name])}, not to {model}."
            f"{did_you_mean(name, known)}"
        )
    return f"Unknown option '{name}' ({source}).{did_you_mean(name, known)}"


def describe_errors(error: ValidationError, sources: Mapping[str, str]) -> list[str]:
    """One line for each value that a group of options refused."""
    expected: dict[str, list[str]] = {}
    got: dict[str, str] = {}
    lines = []
    for detail in error.errors(include_url=False):
        if not detail["loc"]:  # options that contradict each other; the message names them
            lines.append(_plain(detail["msg"]))
            continue
        name, *inner = detail["loc"]
        path = f"{name}{''.join(f'[{part}]' for part in inner if not _is_branch(part))}"
        origin = f"Option '{path}' ({sources.get(str(name), 'default')})"
        if detail["type"] == "extra_forbidden":
            lines.append(f"{origin}: there is no such key")
        elif detail["type"] == "missing":
            lines.append(f"{origin}: this key is required")
        elif detail["type"] in ("too_short", "too_long"):
            expected.setdefault(origin, []).append(_length(detail))
            got[origin] = repr(detail["input"])
        else:
            expected.setdefault(origin, []).append(_plain(detail["msg"]))
            got[origin] = repr(detail["input"])
    for origin, reasons in expected.items():  # several where an option may have several types
        either = " or ".join(dict.fromkeys(reason.removeprefix("expected ") for reason in reasons))
        lines.append(f"{origin}: expected {_got(either, got[origin])}")
    return lines


def _length(detail: Mapping[str, Any]) -> str:
    """What a list should have been that has too few or too many elements."""
    is_short = detail["type"] == "too_short"
    count = detail["ctx"]["min_length" if is_short else "max_length"]
    word = "least" if is_short else "most"
    return f"expected at {word} {count} element{'' if count == 1 else 's'}"


def _got(expected: str, got: str) -> str:
    """Add the value that came, before a hint of what was meant, unless it is named already."""
    if " got " in expected:
        return expected
    reason, dot, hint = expected.partition(". Did you mean")
    return f"{reason}, got {got}{dot}{hint}"


def _is_branch(part: str | int) -> bool:
    """Whether pydantic names a branch of a union here (`int`, `list[int]`), not a key."""
    return isinstance(part, str) and (
        part in ("int", "str", "float", "bool", "none") or "[" in part or "-" in part
    )


def _plain(message: str) -> str:
    """Pydantic's words in plain ones."""
    message = message.removeprefix("Value error, ").removeprefix("Input should be ")
    for technical, plain in _WORDS.items():
        message = message.replace(technical, plain)
    return message if message.startswith(("expected", "Options ")) else f"expected {message}"


_WORDS = {
    "a valid integer": "a whole number",
    "a valid boolean": "True or False",
    "a valid number": "a number",
    "a valid string": "a string",
    "a valid list": "a list",
    "a valid dictionary": "a dictionary {key: value}",
    "greater than or equal to": "a value of at least",
    "less than or equal to": "a value of at most",
    "greater than": "a value above",
    "less than": "a value below",
}

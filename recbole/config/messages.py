"""What a user is told about an option: plain words, its source, the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
    lines = []
    for detail in error.errors(include_url=False):
        reason = _plain(detail["msg"])
        if not detail["loc"]:
            lines.append(reason)
            continue
        name = str(detail["loc"][0])
        inner = "".join(f"[{part}]" for part in detail["loc"][1:] if not _is_branch(part))
        source = sources.get(name, "default")
        if detail["type"] == "extra_forbidden":
            reason = "no such key"
        lines.append(f"Option '{name}{inner}' ({source}): {reason}, got {detail['input']!r}")
    return lines


def _is_branch(part: str | int) -> bool:
    """Whether pydantic names a branch of a union here (`int`, `list[int]`), not a key."""
    return isinstance(part, str) and (
        part in ("int", "str", "float", "bool", "none") or "[" in part or "-" in part
    )


def _plain(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Input should be ")
    message = message.replace("a valid integer", "a whole number")
    message = message.replace("a valid boolean", "True or False")
    message = message.replace("a valid number", "a number")
    message = message.replace("a valid string", "a string").replace("a valid list", "a list")
    message = message.replace("a valid dictionary", "a dictionary {key: value}")
    return message if message.startswith(("expected", "Options ")) else f"expected {message}"

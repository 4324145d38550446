"""YAML as option values: `1e-3` is a number, `None` is null, a key given twice is an error.

Values are plain data: text, numbers, truth values, null, and lists and dictionaries of these. A
date is text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from recbole.errors import ConfigError

_TAG = "tag:yaml.org,2002:"

# YAML 1.1, which PyYAML reads, takes 1e-3 for a string because it has no dot. Everyone else
# takes it for a number.
_FLOAT = re.compile(
    r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
        |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)

# Half-open intervals, such as [10,inf), are no YAML; RecBole's users write them unquoted.
_HALF_OPEN = re.compile(r"^\s*\[[^\[\]()]+,[^\[\]()]+\)\s*$")


class _OptionLoader(yaml.SafeLoader):
    """A SafeLoader that knows numbers such as 1e-3, Python's None, and refuses repeated keys."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, KeyError):  # such as 0x_, or !!bool x
            kind = node.tag.rpartition(":")[2]
            raise _fault(f"{node.value!r} is no {kind}", node) from None

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping as it is written: keys that `<<` will merge into it may be there, too."""
        node = super().compose_mapping_node(anchor)
        seen: set[Any] = set()
        for key_node, _ in node.value:
            is_merge = key_node.tag == f"{_TAG}merge"
            key = "<<" if is_merge else self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _fault("expected text or a number as a key", key_node)
            if key in seen:
                raise _fault(f"the key '{key}' stands twice", key_node)
            seen.add(key)
        return node


def _fault(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_NO_PLAIN_DATA = {f"{_TAG}{kind}" for kind in ("timestamp", "binary", "set", "omap", "pairs")}
_OptionLoader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag not in _NO_PLAIN_DATA
}
_OptionLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in {*_NO_PLAIN_DATA, f"{_TAG}float"}]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_OptionLoader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))
_OptionLoader.add_implicit_resolver(f"{_TAG}null", re.compile("^None$"), ["N"])


def parse_value(text: str, origin: str) -> Any:
    """The value that a piece of YAML stands for.

    Args:
        text: YAML, such as `[256,256]`, `1e-3` or `{rating: 4}`, or an interval `[10,inf)`.
        origin: where it stands, for the error message.

    Raises:
        ConfigError: `text` is not YAML.
    """
    if _HALF_OPEN.match(text):
        return text
    try:
        return yaml.load(text, _OptionLoader)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{origin}: expected a YAML value, got {text!r} ({_reason(error)})"
        ) from None


def read_file(path: Path) -> dict[str, Any]:
    """The options in a YAML file, as a dictionary.

    Raises:
        ConfigError: the file is missing, is not UTF-8 YAML, or holds no mapping of options.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"Configuration file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Configuration file {path} cannot be read: {error}") from None
    try:
        options = yaml.load(text, _OptionLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}{_line(error)}: {_reason(error)}") from None
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise ConfigError(
            f"{path}: expected options as 'name: value', got {type(options).__name__}"
        )
    return {str(name): value for name, value in options.items()}


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark is not None else ""


def _reason(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]

"""`recbole data <verb>`: what can be done with data sets."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from recbole.errors import ConfigError, did_you_mean

#: The verbs: the module whose function `main` takes the other arguments, and what each is for.
_VERBS = {
    "get": ("recbole.commands.data_get_command", "fetch a public data set from its host"),
    "convert": ("recbole.commands.data_convert_command", "make it from raw files that you have"),
    "import": ("recbole.commands.data_import_command", "make a data set of your own tables"),
    "describe": ("recbole.commands.data_describe_command", "what is in it, and what would hurt"),
}


def main(arguments: Sequence[str]) -> None:
    """Run the verb that the first argument names.

    Raises:
        RecBoleError: there is no such verb, or what it does is at fault.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return
    verb, *others = arguments
    if verb not in _VERBS:
        raise ConfigError(
            f"recbole data: expected one of {', '.join(_VERBS)}, got {verb!r}."
            f"{did_you_mean(verb, _VERBS)}"
        )
    import_module(_VERBS[verb][0]).main(others)


def _usage() -> str:
    lines = [f"  {verb:10}{meaning}" for verb, (_, meaning) in _VERBS.items()]
    return "\n".join(
        ["usage: recbole data VERB ...", "", *lines, "", "recbole data VERB --help says more."]
    )

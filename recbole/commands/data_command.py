"""`recbole data <verb>`: data sets, before a model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from recbole.errors import ConfigError, did_you_mean

#: What each verb is for, and the module whose function `main` takes the other arguments.
VERBS = {
    "import": ("own tables as a data set", "recbole.commands.data_import_command"),
    "describe": (
        "what is in a data set, and what would hurt",
        "recbole.commands.data_describe_command",
    ),
}


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ConfigError: there is no such verb.
        RecBoleError: see the verbs.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: recbole data <verb> ...\n")
        for verb, (purpose, _) in VERBS.items():
            print(f"  recbole data {verb:10}{purpose}")
        print("\nrecbole data <verb> --help says more.")
        return
    verb = arguments[0]
    if verb not in VERBS:
        raise ConfigError(
            f"recbole data: expected one of {', '.join(VERBS)}, got {verb!r}"
            f".{did_you_mean(verb, VERBS)}"
        )
    import_module(VERBS[verb][1]).main(arguments[1:])

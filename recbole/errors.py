"""The errors that a user can cause and mend: each says what was expected and what came.

The command line prints them without a traceback and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RecBoleError(Exception):
    """Something outside the program's code is wrong: an option, a file, a checkpoint."""

    exit_code = 2


class ConfigError(RecBoleError):
    """An option is unknown, of the wrong type, out of range or at odds with another one."""


class DataError(RecBoleError):
    """A data file is missing or malformed, or its content does not fit the options."""


class CheckpointError(RecBoleError):
    """A checkpoint is missing, damaged, or cannot serve what is asked of it."""


class TrainingDivergedError(RecBoleError):
    """The training loss became NaN or infinite."""

    exit_code = 1


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the candidate nearest to `name`, or "" where none is near."""
    by_lower_case = {candidate.lower(): candidate for candidate in candidates}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower_case[near[0]]}'?" if near else ""

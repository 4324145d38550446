"""Outputs that would take the place of what a command reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recbole.data.staging import refuse_unwritable
from recbole.errors import DataError
from recbole.trainer.files import RunFiles


def refuse_replacing(output: Path, checkpoints: Iterable[Any], **read: Any) -> None:
    """Refuse an output that cannot be written, or that is a file which has to stay.

    Args:
        output: the file to be written.
        checkpoints: those that are used; they stay, and so do the records of their runs.
        read: what else is read, by what it is called. What is no path of a file is left alone.

    Raises:
        DataError: the output is one of them, or cannot be written.
    """
    refuse_unwritable(output)
    files = {name: [given] for name, given in read.items()}
    files["checkpoint"] = [given for given in checkpoints if isinstance(given, str | Path)]
    files["record of a run"] = [RunFiles(Path(path)).record for path in files["checkpoint"]]
    for role, paths in files.items():
        for path in paths:
            # Unlike Path.is_file, this is no error for a text too long to be a name.
            is_file = isinstance(path, str | Path) and os.path.isfile(path)  # noqa: PTH113
            if is_file and output.exists() and output.samefile(path):
                raise DataError(f"{output}: expected an output other than the {role}")

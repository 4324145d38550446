"""`recbole sweep --search`: the search for good options, told in the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from recbole.errors import ConfigError
from recbole.sweep.grid import Grid
from recbole.sweep.search import Search, best_settings, default_storage, describe, search
from recbole.sweep.search_space import read_space
from recbole.sweep.sweep import cores


def search_of(
    parameter_file: str,
    grid: Grid,
    folder: Path,
    trials: int,
    storage: str | None,
    study: str | None,
) -> Search:
    """The search that the command's arguments ask for.

    Raises:
        ConfigError: an argument, or a line of the parameter file, is at fault.
    """
    cells = grid.cells()
    if len(cells) != 1:
        raise ConfigError(
            f"Option 'search': expected one model, data set and seed, and no axes or variants; got"
            f" {len(cells)} combinations, from {cells[0]} to {cells[-1]}"
        )
    (cell,) = cells
    return Search(
        cell=cell,
        space=read_space(parameter_file),
        storage=default_storage(folder) if storage is None else storage,
        study=study or f"{cell.model}-{cell.dataset}",
        trials=trials,
    )


def describe_search(wanted: Search) -> None:
    """Print what would be searched, once all of it has been found valid.

    Raises:
        ConfigError: see `Search.check`.
    """
    wanted.check()
    print(wanted.cell.command())
    for parameter in wanted.space:
        print(f"    {parameter}")


def run_search(wanted: Search, jobs: int, folder: Path) -> None:
    """Search, a line for each trial, and write the best settings.

    Raises:
        RecBoleError: an option is at fault, or no trial was finished.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = search(wanted, jobs, max(1, cores() // jobs), _say)
    path = best_settings(wanted, found, folder / f"{wanted.study}-best.yaml")
    print(f"Best: {describe(found.best_trial)}")
    print(f"Settings: {path}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")

"""What a sweep is to do: cells by their keys, and which of them are due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from recbole.config import Config
from recbole.errors import ConfigError, DataError
from recbole.sweep.cell import Cell, cell_key, data_fingerprint
from recbole.sweep.measures import find_measure
from recbole.sweep.table import FAILED, ResultsTable, Row, missing_measures


@dataclass(frozen=True)
class Plan:
    """The cells of a sweep, in the order in which they are begun.

    Attributes:
        cells: by their keys; cells whose options come to the same are one, the first of them.
        retry: whether failures of earlier sweeps, of runs and of measures, are tried again;
            `attempts` tells them from those of this one.
        without_data: cells whose data is not there, with the reason.
    """

    cells: Mapping[str, Cell]
    retry: bool = False
    attempts: Mapping[str, int] = field(default_factory=dict)
    without_data: Mapping[Cell, str] = field(default_factory=dict)

    def is_due(self, key: str, row: Row | None) -> bool:
        """Whether there is something left to do for a cell."""
        if row is None:
            return True
        again = self.retry and row.attempt <= self.attempts.get(key, 0)
        if row.status == FAILED:
            return again
        return bool(missing_measures(row, self.cells[key].measures, again))


def validated(cells: Iterable[Cell]) -> Iterator[tuple[Cell, Config]]:
    """Each cell with its options.

    Raises:
        ConfigError: an option of a cell, or a measure, is at fault.
    """
    for cell in cells:
        for name in cell.measures:
            find_measure(name)
        try:
            config = cell.config()
        except ConfigError as error:
            raise ConfigError(f"{cell}:\n{error}") from None
        yield cell, config


def make_plan(
    cells: Iterable[Cell],
    table: ResultsTable,
    retry: bool = False,
) -> Plan:
    """Validate every cell and find its key. A data set that is not there is fetched.

    Raises:
        ConfigError: an option of a cell, or a measure, is at fault; nothing has been run.
    """
    keyed: dict[str, Cell] = {}
    absent: dict[Cell, str] = {}
    fingerprints: dict[tuple[str, str], dict[str, str] | str] = {}
    for cell, config in validated(cells):
        place = config.data.data_path, cell.dataset
        if place not in fingerprints:
            try:
                fingerprints[place] = data_fingerprint(config)
            except DataError as error:
                fingerprints[place] = str(error)
        data = fingerprints[place]
        if isinstance(data, str):
            absent[cell] = data
        else:
            key = cell_key(config, data)
            keyed[key] = keyed.get(key, cell).with_measures(cell.measures)
    attempts = {row.key: row.attempt for row in table.rows(keyed)}
    return Plan(keyed, retry, attempts, absent)

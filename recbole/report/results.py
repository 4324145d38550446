"""What the runs of a reproduction came to, by model, variant and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recbole.report.reproduction import Reproduction
from recbole.report.statistics import Sample
from recbole.sweep.cell import Cell, cell_key, data_fingerprint
from recbole.sweep.table import FINISHED, ResultsTable, Row, has_failed

#: A number of a row, or None where there is none.
Reader = Callable[[Row], float | None]


@dataclass(frozen=True)
class Results:
    """The rows of a reproduction.

    Attributes:
        reproduction: what was to be run.
        rows: the finished rows, by model, variant and seed.
        unfinished: the cells that have none, with the reason: not run, or what the failure was; of
            those that one run would serve, the first.
    """

    reproduction: Reproduction
    rows: Mapping[tuple[str, str], Mapping[int, Row]]
    unfinished: Mapping[Cell, str]

    @classmethod
    def read(cls, reproduction: Reproduction, table: ResultsTable) -> Results:
        """Look every run of a reproduction up in a table of results."""
        rows: dict[tuple[str, str], dict[int, Row]] = {}
        unfinished: dict[str, tuple[Cell, str]] = {}
        fingerprint: dict[str, str] | None = None
        for cell in reproduction.cells():
            config = cell.config()
            fingerprint = data_fingerprint(config) if fingerprint is None else fingerprint
            key = cell_key(config, fingerprint)
            row = table.row(key)
            if row is None:
                unfinished.setdefault(key, (cell, "not run"))
            elif row.status != FINISHED:
                unfinished.setdefault(key, (cell, f"failed: {row.error}"))
            else:
                rows.setdefault((cell.model, cell.variant), {})[cell.seed] = row
        return cls(reproduction, rows, dict(unfinished.values()))

    def of(self, model: str, variant: str) -> Mapping[int, Row]:
        """The finished rows of a model and variant, by seed."""
        return self.rows.get((model, variant), {})

    def sample(self, model: str, variant: str, read: Reader) -> Sample:
        """A number of each of these rows that has it."""
        return Sample.known({seed: read(row) for seed, row in self.of(model, variant).items()})

    def keys(self, model: str, variant: str) -> list[str]:
        """The rows' keys, which are the runs' ids."""
        return [row.key for row in self.of(model, variant).values()]

    def every_row(self) -> list[Row]:
        """All rows, each once."""
        return list({row.key: row for some in self.rows.values() for row in some.values()}.values())


def test_metric(name: str, scale: float = 100.0) -> Reader:
    """Reads a metric of the test part, as a rule in %."""
    return lambda row: _scaled(row.test.get(name), scale)


def ranking_metric(name: str, scale: float = 100.0) -> Reader:
    """Reads a ranking metric of the test part, as a rule in %."""
    return lambda row: _scaled(measure(row, "ranking").get("test", {}).get(name), scale)


def measure(row: Row, name: str) -> Mapping[str, Any]:
    """What was measured under a name; empty where it was not, or could not be."""
    found = row.measures.get(name, {})
    return {} if has_failed(found) else found


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale

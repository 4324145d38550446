"""The table of results: one row for each cell, in a folder that processes and machines may share.

    <folder>/rows/<key>.json     what is known of a cell that has ended, finished or failed
    <folder>/claims/             who is at which cell (see `claims.py`)
    <folder>/runs/<key>/         the cell's checkpoint, record and log
    <folder>/results.parquet     all rows as one table, for other programs to read

Somebody who is given `results.parquet` alone has the rows too: opened, it is taken apart again, and
so is one that takes the place of an older one. A row that is there already stays as it is.

A row is a file of its own, moved into place whole: nothing can be lost by two processes writing at
once, or by one that is killed while it writes, and no file needs a lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from recbole.data.source_files import sha256
from recbole.data.staging import replacing
from recbole.errors import DataError
from recbole.sweep.claims import LEASE, Claims
from recbole.trainer.record import finite

FINISHED, FAILED, RUNNING = "finished", "failed", "running"


@dataclass(frozen=True)
class Row:
    """What is known of a cell.

    Attributes:
        key: what its result depends on (see `cell_key`).
        variant: the name it had in the sweep that ran it.
        status: finished or failed; running only in `ResultsTable.everything`.
        error: why it failed.
        attempt: 1, and one more each time it was taken up again after it had failed, or to measure.
        resumed: whether it went on from a checkpoint.
        seconds: that it took, with those before it was resumed, and with measures.
        epochs, best_epoch: trained, and the one whose weights are kept.
        valid, test: metrics of the validation and the test part under the best weights.
        seconds_per_epoch, seconds_training, seconds_per_evaluation: mean over epochs, all epochs
            with their validations, mean over validations.
        checkpoint, record: files, below the folder of the table.
        command: what runs the cell alone.
        config: every option in effect.
        measures: what was measured of the trained model, by the name of the measure.
    """

    key: str
    model: str
    dataset: str
    seed: int
    variant: str
    command: str
    status: str = FINISHED
    error: str | None = None
    attempt: int = 1
    resumed: bool = False
    host: str = ""
    pid: int = 0
    started: str = ""
    ended: str = ""
    seconds: float = 0.0
    device: str = ""
    epochs: int = 0
    best_epoch: int | None = None
    parameters: int | None = None
    valid: dict[str, float | None] = field(default_factory=dict)
    test: dict[str, float | None] = field(default_factory=dict)
    seconds_per_epoch: float | None = None
    seconds_training: float | None = None
    seconds_per_evaluation: float | None = None
    checkpoint: str | None = None
    record: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def flat(self) -> dict[str, Any]:
        """One line of a table: metrics as columns of their own, nested values as json."""
        line: dict[str, Any] = {}
        for known in fields(self):
            value = getattr(self, known.name)
            if known.name in ("valid", "test"):
                line |= {f"{known.name}_{metric}": number for metric, number in value.items()}
            elif isinstance(value, dict):
                line[known.name] = json.dumps(value, sort_keys=True)
            else:
                line[known.name] = value
        return line

    @classmethod
    def of_flat(cls, line: Mapping[str, Any]) -> Row:
        """The row that `flat` made a line of; columns that are not known are left out."""
        values: dict[str, Any] = {}
        for known in fields(cls):
            if known.name in ("valid", "test"):
                prefix = f"{known.name}_"
                metrics = {
                    n.removeprefix(prefix): v for n, v in line.items() if n.startswith(prefix)
                }
                values[known.name] = {name: v for name, v in metrics.items() if v is not None}
            elif known.default_factory is dict:
                values[known.name] = json.loads(line.get(known.name) or "{}")
            elif line.get(known.name) is not None:
                values[known.name] = line[known.name]
        return cls(**values)


class ResultsTable:
    """The rows of a folder.

    Args:
        folder: made if it is not there.
        lease: see `Claims`.
    """

    def __init__(self, folder: str | Path, lease: float = LEASE) -> None:
        self.folder = Path(folder)
        self.rows_folder = self.folder / "rows"
        self._exported = self.folder / "results.parquet"
        self._known = self.rows_folder / ".exported"  # the SHA-256 of the last one, read or written
        self._take_in()
        self.claims = Claims(self.folder / "claims", lease)

    def _take_in(self) -> None:
        """Write the rows of a `results.parquet` from elsewhere, but for those that are here."""
        digest = sha256(self._exported) if self._exported.exists() else None
        is_known = self._known.exists() and self._known.read_text() == digest
        rows = [] if digest is None or is_known else self._exported_rows()
        self.rows_folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            if not self.row_file(row.key).exists():
                self.put(row)
        if digest is not None and not is_known:
            self._remember(digest)

    def _exported_rows(self) -> list[Row]:
        from pyarrow import ArrowException, parquet

        try:
            lines = parquet.read_table(self._exported).to_pylist()
            return [Row.of_flat(line) for line in lines if line["status"] in (FINISHED, FAILED)]
        except (ArrowException, KeyError, TypeError, json.JSONDecodeError) as error:
            raise DataError(f"{self._exported}: expected a table of results: {error}") from None

    def _remember(self, digest: str) -> None:
        with replacing(self._known) as temporary:
            temporary.write_text(digest)

    def run_folder(self, key: str) -> Path:
        """Where the files of a cell lie."""
        return self.folder / "runs" / key

    def row_file(self, key: str) -> Path:
        """The file of a cell's row."""
        return self.rows_folder / f"{key}.json"

    def row(self, key: str) -> Row | None:
        """The row of a cell that has ended.

        Raises:
            DataError: its file is damaged.
        """
        path = self.row_file(key)
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name for field in fields(Row)}
            return Row(**{name: value for name, value in plain.items() if name in known})
        except FileNotFoundError:
            return None
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
            raise DataError(
                f"{path}: expected the row of a results table as json: {error}; remove the file"
                " to have the cell run again"
            ) from None

    def put(self, row: Row) -> None:
        """Write a row, in the place of an older one of the cell. Only its claim's holder may."""
        with replacing(self.row_file(row.key)) as temporary:
            temporary.write_text(_text(row), encoding="utf-8")

    def rows(self, keys: Iterable[str] | None = None) -> list[Row]:
        """The rows of some cells, as far as there are any; of all, in the order of their ends."""
        if keys is None:
            names = (path.stem for path in self.rows_folder.glob("[0-9a-f]*.json"))
            return sorted(filter(None, map(self.row, names)), key=lambda row: (row.ended, row.key))
        return [row for key in keys if (row := self.row(key)) is not None]

    def export(self) -> Path:
        """Write all rows as `results.parquet`, those being run now too."""
        import pyarrow as pa
        from pyarrow import parquet

        path = self._exported
        while True:
            self._take_in()  # what was put in its place while rows were added here
            rows = self.rows()
            ended = {row.key for row in rows if row.status == FINISHED}
            running = [
                {"key": key, "status": RUNNING, "host": holder.host, "pid": holder.pid}
                for key, holder in self.claims.holders().items()
                if key not in ended
            ]
            lines = [*(row.flat() for row in rows), *running]
            columns = dict.fromkeys(name for line in lines for name in line)
            table = pa.table(
                {name: _column([line.get(name) for line in lines]) for name in columns}
            )
            with replacing(path) as temporary:
                parquet.write_table(table, temporary)
                digest = sha256(temporary)
            self._remember(digest)
            if self.rows() == rows:  # none ended meanwhile, whose table this would have replaced
                return path


def _text(row: Row) -> str:
    return json.dumps(finite(asdict(row)), indent=1) + "\n"


def _column(values: list[Any]) -> Any:
    """An Arrow column of the type that its values have: whole numbers and others mix to float."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pa.array(values, pa.float64())
    return pa.array(values, None if kinds else pa.string())


def missing_measures(row: Row, wanted: Iterable[str], again: bool = False) -> list[str]:
    """The measures that a finished row lacks; with `again` also those that failed."""
    return [
        name
        for name in wanted
        if name not in row.measures or (again and has_failed(row.measures[name]))
    ]


def has_failed(measure: Mapping[str, Any]) -> bool:
    """Whether a measure could not be taken."""
    return set(measure) == {"error"}

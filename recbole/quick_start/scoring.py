"""A checkpoint at work: rows in, click probability and rating probabilities out.

N rows of a chunk, B rows of a batch, K rating levels.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from recbole.data import FeatureSource, Interaction
from recbole.data.arrow_columns import CellError, table_from_arrow
from recbole.data.columns import Table
from recbole.data.interaction import widen
from recbole.data.row_files import Chunk
from recbole.errors import DataError, TrainingDivergedError, did_you_mean
from recbole.model.head import RatingHead
from recbole.trainer import checkpoint

logger = logging.getLogger(__name__)

CLICK = "click_probability"
EXPECTED = "expected_rating"


@dataclass
class Unknown:
    """What was met that training had not seen.

    Attributes:
        rows: how many rows were scored.
        tokens: by field, how many tokens (of all rows) were never seen.
        missing: by id field, in how many rows there was none.
        known: by id field, in how many rows there was a known one.
    """

    rows: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """One line; "" where everything was known."""
        found = [f"{count:,} of {name}" for name, count in self.tokens.items()]
        found += [f"{count:,} without {name}" for name, count in self.missing.items()]
        if not found:
            return ""
        line = f"Scored as unknown, in {self.rows:,} rows: {', '.join(found)}"
        never = [name for name, count in self.known.items() if count == 0]
        if never:
            line += f". No row has a known {never[0]}; are these the data set's own?"
        return line


class Scorer:
    """Scores rows with a saved model, without the data it was trained on.

    Features of users and items are those of the checkpoint, looked up by id; where the rows have a
    column of that name themselves, theirs count.

    >>> scorer = Scorer.load("saved/DCNV2.pth")
    >>> source = open_rows("rows.csv", scorer.options)
    >>> tables = [scorer.score(chunk, source.name) for chunk in source.chunks()]

    Attributes:
        batch_size: rows of a forward pass.
        unknown: what was met, over all chunks, that training had not seen.
    """

    def __init__(self, saved: checkpoint.Checkpoint, batch_size: int | None = None) -> None:
        self.options = saved.config.data
        self.batch_size = batch_size or self.options.eval_batch_size
        self.unknown = Unknown()
        self._schema = saved.schema
        self._encoder = saved.encoder
        self._device = saved.config.device
        self._model = saved.build_model()
        self._features = {
            FeatureSource.USER: _on(saved.user_features, self._device),
            FeatureSource.ITEM: _on(saved.item_features, self._device),
        }

    @classmethod
    def load(
        cls,
        path: str | Path,
        model_class: type | None = None,
        batch_size: int | None = None,
        **overrides: Any,
    ) -> Scorer:
        """The scorer of a checkpoint file; see `recbole.trainer.checkpoint.load`."""
        return cls(checkpoint.load(path, model_class, **overrides), batch_size)

    @property
    def score_schema(self) -> Any:
        """Names and Arrow types of the score columns."""
        names = [CLICK]
        head = self._model.head
        if isinstance(head, RatingHead):
            names += [f"probability_{level:g}" for level in head.levels.tolist()]
            names.append(EXPECTED)
        return pa.schema([(name, pa.float32()) for name in names])

    @property
    def inputs(self) -> list[str]:
        """The columns that the model reads, of the rows or of the checkpoint's features."""
        return [known.name for known in self._schema.fields]

    def check_columns(self, names: Collection[str], source: str) -> None:
        """Refuse rows that lack an input, or have a column of the name of a score.

        Raises:
            DataError: names the column and the nearest one there is.
        """
        for known in self._schema.fields:
            in_features = known.source in self._features
            if not in_features and known.name not in names:
                raise DataError(
                    f"{source}: expected the column '{known.name}', which the model reads, got"
                    f" {', '.join(names)}.{did_you_mean(known.name, names)}"
                )
        for name in self.score_schema.names:
            if name in names:
                raise DataError(
                    f"{source}: the column '{name}' is there already, and the scores have one of"
                    " that name; rename or drop it"
                )

    def describe_columns(self, names: Collection[str]) -> None:
        """Log, in a line each, which columns come from where, and which are not read."""
        own = [
            f.name for f in self._schema.fields if f.name in names and f.source in self._features
        ]
        unread = [name for name in names if name not in self.inputs]
        if own:
            logger.info("Taken from the rows, not from the checkpoint: %s", ", ".join(own))
        if unread:
            logger.info("Kept in the output, not read by the model: %s", ", ".join(unread))

    def score(self, chunk: Chunk, source: str) -> Any:
        """The scores of a chunk, a `pyarrow.Table` with the columns of `score_schema`.

        Args:
            chunk: rows with the columns that `check_columns` asks for.
            source: the name of the rows in messages.

        Raises:
            DataError: a cell cannot be read as the type of its field; the message gives the row.
            TrainingDivergedError: a score is NaN or infinite.
        """
        table = self._table(chunk, source)
        encoded = Interaction(self._encoder.transform(table)).to(self._device)
        self._count_unknown(table)
        with torch.no_grad():
            parts = [
                self._forward(encoded[start : start + self.batch_size])
                for start in range(0, len(table), self.batch_size)
            ]
        scores = torch.cat(parts).cpu()  # [N, columns]
        if not torch.isfinite(scores).all():
            raise TrainingDivergedError(
                f"{source}: the model gives scores that are NaN or infinite"
            )
        columns = [pa.array(column.numpy()) for column in scores.T.contiguous()]
        return pa.Table.from_arrays(columns, schema=self.score_schema)

    def _table(self, chunk: Chunk, source: str) -> Table:
        try:
            return table_from_arrow(chunk.table, self._schema.fields, self.options.seq_separator)
        except CellError as error:
            where = "" if error.row is None else f", row {chunk.first_row + error.row + 1}"
            raise DataError(f"{source}{where}: column '{error.column}': {error}") from None

    def _forward(self, rows: Interaction) -> Tensor:
        """The scores of a batch: [B, columns]."""
        batch = dict(rows.interaction)
        keys = {
            FeatureSource.USER: rows[self._schema.user_field],
            FeatureSource.ITEM: rows[self._schema.item_field],
        }
        for known in self._schema.fields:
            if known.name not in rows:
                column = self._features[known.source][known.name]
                batch[known.name] = widen(column.index_select(0, keys[known.source]))
        scores = self._model.scores(Interaction(batch))
        columns = [scores.click[:, None]]  # [B] -> [B, 1]
        head = self._model.head
        if scores.classes is not None and isinstance(head, RatingHead):
            columns += [scores.classes, head.expected_level(scores.classes)[:, None]]
        return torch.cat(columns, dim=1).float()  # [B, 1], or [B, 1 + K + 1]

    def _count_unknown(self, table: Table) -> None:
        self.unknown.rows += len(table)
        unknown = self._encoder.unknown_tokens(table)
        self.unknown.tokens.update(unknown)
        for key in (self._schema.user_field, self._schema.item_field):
            missing = int(table[key].missing.sum())
            if missing:
                self.unknown.missing[key] += missing
            self.unknown.known[key] += len(table) - missing - unknown.get(key, 0)


def _on(features: Interaction | None, device: torch.device) -> Interaction:
    return Interaction({}) if features is None else features.to(device)

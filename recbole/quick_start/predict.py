"""Scoring new rows with a saved model, chunk by chunk, from a file or from memory."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from recbole.data.row_files import CHUNK_ROWS, RowSource, open_rows, refuse_repeated
from recbole.model.cpu import tuned_cpu
from recbole.quick_start.device import device_overrides
from recbole.quick_start.outputs import refuse_replacing
from recbole.quick_start.scoring import Scorer, Unknown
from recbole.quick_start.table_files import refuse_format, write_table
from recbole.trainer.progress import progress_bar

logger = logging.getLogger(__name__)


@tuned_cpu()
def predict(
    checkpoint: str | Path | Scorer,
    rows: Any,
    output: str | Path | None = None,
    *,
    batch_size: int | None = None,
    device: str | None = None,
    show_progress: bool = False,
    chunk_rows: int = CHUNK_ROWS,
    model_class: type | None = None,
) -> Any:
    """Score rows with a saved model; the data it was trained on is not needed.

    >>> scores = predict("saved/DCNV2.pth", {"user_id": ["196"], "item_id": [242]})
    >>> predict("saved/DCNV2.pth", "rows.parquet", output="scores.parquet")

    The rows need the ids of user and item, and the features of the interaction itself that the
    model reads. Features of users and items are the checkpoint's, looked up by id, unless the rows
    have a column of that name, which then counts in every row. Tokens may be text or numbers; a
    sequence is a list or a text with separators. What training has not seen is scored as unknown.

    Args:
        checkpoint: the `.pth` file, or a `Scorer`, which saves reading it again.
        rows: the path of a .csv, .parquet or .inter file, or a data frame, a `pyarrow.Table` or a
            dictionary of columns.
        output: a .csv or .parquet file to write, piece by piece, instead of returning the rows.
        batch_size: rows of a forward pass; None takes the checkpoint's `eval_batch_size`.
        device: cpu, cuda or cuda:<number>; None takes CUDA where there is a device.
        show_progress: draw a bar where the standard error stream is a terminal.
        chunk_rows: rows read, encoded and written at a time.
        model_class: the class of a model of your own.

    Returns:
        The columns of the rows, then `click_probability` and, with a rating head,
        `probability_<level>` for each level and `expected_rating` (float32): a pandas DataFrame,
        or a `pyarrow.Table` where the rows are one. None where there is an output.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        DataError: a column is missing, a cell is malformed, or a file cannot be read or written.
    """
    path = None if output is None else Path(output)
    if path is not None:
        refuse_format(path)
        refuse_replacing(path, [checkpoint], input=rows)
    scorer = (
        checkpoint
        if isinstance(checkpoint, Scorer)
        else Scorer.load(checkpoint, model_class, batch_size, **device_overrides(device))
    )
    if path is None and type(rows).__module__.partition(".")[0] == "pandas":
        return _score_frame(scorer, rows, chunk_rows, show_progress)
    source = open_rows(rows, scorer.options, chunk_rows)
    scored = _scored(scorer, source, show_progress)
    if path is None:
        table = pa.concat_tables(scored)
        return table if isinstance(rows, pa.Table) else table.to_pandas()
    separator = scorer.options.seq_separator
    with write_table(path, _schema(scorer, source), separator) as file, closing(scored):
        for table in scored:
            file.write(table)
    logger.info("Scores: %s", path)
    return None


def _score_frame(scorer: Scorer, frame: Any, chunk_rows: int, show_progress: bool) -> Any:
    """A pandas DataFrame with the scores as further columns; its other columns are not touched."""
    names = [str(name) for name in frame.columns]
    refuse_repeated(names, "rows")
    scorer.check_columns(names, "rows")
    read = frame[[name for name in frame.columns if name in scorer.inputs]]
    source = open_rows(read, scorer.options, chunk_rows)
    scored = pa.concat_tables(_scored(scorer, source, show_progress))
    return frame.assign(**{name: scored[name].to_numpy() for name in scorer.score_schema.names})


def _schema(scorer: Scorer, source: RowSource) -> Any:
    schema = source.schema
    for column in scorer.score_schema:
        schema = schema.append(column)
    return schema


def _scored(scorer: Scorer, source: RowSource, show_progress: bool) -> Generator[Any, None, None]:
    """The chunks of a source with their scores, logging what was met on the way."""
    names = source.schema.names
    scorer.check_columns(names, source.name)
    scorer.describe_columns(names)
    start = time.perf_counter()
    scorer.unknown = Unknown()
    with progress_bar("scoring", "rows", source.size, show_progress) as advance:
        for chunk in source.chunks():
            table = chunk.table
            scores = scorer.score(chunk, source.name)
            for name in scores.column_names:
                table = table.append_column(name, scores[name])
            yield table
            advance(chunk.size, len(table))
    rows, seconds = scorer.unknown.rows, time.perf_counter() - start
    if str(scorer.unknown):
        logger.warning("%s", scorer.unknown)
    logger.info("%s rows in %.1f s (%s rows/s)", f"{rows:,}", seconds, f"{rows / seconds:,.0f}")

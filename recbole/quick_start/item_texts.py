"""What people call an item: its title and genres, read from the data set's .item file.

They are read from the file as they stand there, so that columns a model does not load, as titles
usually are, can be shown all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole.config import Config
from recbole.data.columns import Column, FloatColumn, SequenceColumn, Table, TokenColumn
from recbole.data.files import located, read_table_file
from recbole.errors import DataError, did_you_mean

#: The columns that are taken for title and genres where none is named, the first one found.
TITLE_COLUMNS = ("movie_title", "title", "name")
GENRE_COLUMNS = ("genre", "genres", "class", "categories")


@dataclass(frozen=True)
class ItemTexts:
    """Columns of an .item file as text.

    >>> texts = ItemTexts.read(config)
    >>> titles = texts.sentences(texts.choose("movie_title", TITLE_COLUMNS, option="titles"))
    >>> titles["1"]
    'Toy Story'
    """

    path: Path
    item_field: str
    table: Table | None

    @classmethod
    def read(cls, config: Config) -> ItemTexts:
        """All columns of the .item file of a run's data set; none where there is no such file.

        Raises:
            DataError: the file is malformed, or has no column of item ids.
        """
        options = config.data
        path = located(Path(options.data_path) / config.dataset / f"{config.dataset}.item")
        everything = options.model_copy(update={"load_col": None, "unload_col": None})
        table = read_table_file(path, everything, "item") if path.is_file() else None
        if table is not None and not isinstance(
            table.columns.get(options.ITEM_ID_FIELD), TokenColumn
        ):
            raise DataError(
                f"{path}: expected a token column '{options.ITEM_ID_FIELD}' (option"
                f" ITEM_ID_FIELD), got {', '.join(table.columns)}"
            )
        return cls(path, options.ITEM_ID_FIELD, table)

    def choose(self, wanted: str | None, usual: Sequence[str], option: str) -> str | None:
        """The column to show: the one wanted, else the first of the usual ones that is there.

        Raises:
            DataError: the column that is wanted is not in the file; the nearest is named.
        """
        there = self.table.columns if self.table is not None else {}
        if wanted is None:
            return next((name for name in usual if name in there), None)
        if self.table is None:
            raise DataError(f"Option '{option}': expected the column '{wanted}', but {self.path} is"
                            " not there")  # fmt: skip
        if wanted not in there:
            raise DataError(
                f"Option '{option}': {self.path} has no column '{wanted}'; it has"
                f" {', '.join(there)}.{did_you_mean(wanted, there)}"
            )
        return wanted

    def sentences(self, column: str | None) -> dict[str, str]:
        """A column by item token, the elements of a sequence joined by spaces."""
        return {item: " ".join(words) for item, words in self.lists(column).items()}

    def lists(self, column: str | None) -> Mapping[str, tuple[str, ...]]:
        """A column by item token, each as its elements; missing values are left out."""
        if column is None or self.table is None:
            return {}
        items = _elements(self.table[self.item_field])
        values = _elements(self.table[column])
        return {
            item[0]: tuple(value)
            for item, value in zip(items, values, strict=True)
            if item and value
        }


def _elements(column: Column) -> list[list[str]]:
    """The elements of every row as text: none for a missing one."""
    if isinstance(column, SequenceColumn):
        parts = _elements(column.elements)
        bounds = zip(column.offsets[:-1].tolist(), column.offsets[1:].tolist(), strict=True)
        return [[text for part in parts[start:end] for text in part] for start, end in bounds]
    if isinstance(column, FloatColumn):
        return [[] if np.isnan(value) else [f"{value:.15g}"] for value in column.values.tolist()]
    names = column.vocabulary.to_pylist()
    return [[names[code]] if code >= 0 else [] for code in column.codes.tolist()]

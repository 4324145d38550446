"""The best items for users, by a saved model.

U users, k places of a list.
"""

from __future__ import annotations

import difflib
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from recbole.config.sources import as_list
from recbole.data import Dataset
from recbole.data.frames import IN_MEMORY
from recbole.data.sampling import SeenItems
from recbole.errors import ConfigError, DataError
from recbole.evaluator.full_ranking import FullRanker, TopK, refuse_interaction_fields
from recbole.model.cpu import tuned_cpu
from recbole.quick_start.device import device_overrides
from recbole.quick_start.item_texts import ItemTexts
from recbole.quick_start.outputs import refuse_replacing
from recbole.quick_start.same_data import data_of
from recbole.quick_start.scoring import CLICK
from recbole.quick_start.table_files import refuse_format, write_table
from recbole.trainer import checkpoint as checkpoints
from recbole.trainer.checkpoint import Checkpoint
from recbole.trainer.progress import progress_bar

logger = logging.getLogger(__name__)

SUFFIXES = (".csv", ".parquet", ".json")
RANK = "rank"
_SHOWN = 5


@tuned_cpu()
def recommend(
    checkpoint: str | Path,
    users: Any,
    topk: int = 10,
    *,
    titles: str | None = None,
    include_seen: bool = False,
    output: str | Path | None = None,
    data_path: str | Path | None = None,
    dataset: Dataset | None = None,
    device: str | None = None,
    show_progress: bool = False,
    model_class: type | None = None,
    eval_memory_mb: float | None = None,
) -> Any:
    """The items with the highest click probability that each user has not seen.

    >>> recommend("saved/DCNV2.pth", ["196", "186"], topk=5, titles="movie_title")

    Seen is every item that the user has in the data set, in any part of the split. It is read from
    the data set's folder, whose files must be those of the training.

    Args:
        checkpoint: the `.pth` file.
        users: their tokens, or one, as in the data files; None means all.
        topk: the length of a list; it is shorter where a user has fewer items left.
        titles: a column of the data set's .item file to add.
        include_seen: rank all items, seen or not; the data set's folder is not needed then.
        output: a .csv, .parquet or .json file to write as well.
        data_path: the folder that holds the data set's folder; None means that of the training.
        dataset: the Dataset of the training, where that came from data frames.
        device: cpu, cuda or cuda:<number>; None takes CUDA where there is a device.
        show_progress: draw a bar where the standard error stream is a terminal.
        model_class: the class of a model of your own.
        eval_memory_mb: MiB of working memory; None: what the checkpoint's run had.

    Returns:
        A pandas DataFrame: user, `rank` (from 1), item, `click_probability` and the title column,
        the users in the order given, each one's best item first.

    Raises:
        CheckpointError: the checkpoint cannot be used, or the data has changed since training.
        ConfigError: the model reads features of interactions, or `topk` is below 1.
        DataError: a user is unknown, the data set's folder or a column is not there.
    """
    if topk < 1:
        raise ConfigError(f"Option 'topk': expected at least 1, got {topk}")
    path = None if output is None else Path(output)
    if path is not None:
        refuse_format(path, SUFFIXES)
        refuse_replacing(path, [checkpoint])
    overrides = device_overrides(device)
    if data_path is not None:
        overrides["data_path"] = str(data_path)
    if eval_memory_mb is not None:
        overrides["eval_memory_mb"] = eval_memory_mb
    saved = checkpoints.load(checkpoint, model_class, **overrides)
    refuse_interaction_fields(saved.schema)
    ids = user_ids(saved, users)
    texts = _titles(saved, titles)
    seen = None if include_seen else _seen_items(saved, dataset)
    table = _table(saved, ids, _rank(saved, ids, topk, seen, show_progress), titles, texts)
    if path is not None:
        with write_table(path, table.schema) as file:
            file.write(table)
        logger.info("Recommendations: %s", path)
    return table.to_pandas()


def user_ids(saved: Checkpoint, users: Any) -> Tensor:
    """The ids of users by their tokens, each once; None means all: int64 [U].

    Raises:
        DataError: a user is unknown; users with similar tokens are named.
    """
    field = saved.schema.user_field
    known = saved.encoder.tokens(field)
    if users is None:
        return torch.arange(1, len(known))
    wanted = list(dict.fromkeys(str(user) for user in as_list(users)))
    if not wanted:
        raise DataError("expected at least one user, got none")
    ids = saved.encoder.ids(field, wanted)
    unknown = [user for user, number in zip(wanted, ids.tolist(), strict=True) if not number]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known[1:], n=3) or known[1 : 1 + _SHOWN]
        more = "" if len(unknown) == 1 else f" (and {len(unknown) - 1:,} more)"
        raise DataError(
            f"User '{unknown[0]}'{more} is unknown to the checkpoint {saved.path}; its"
            f" {len(known) - 1:,} users have tokens such as {', '.join(map(repr, near))}"
        )
    return ids


def _titles(saved: Checkpoint, column: str | None) -> dict[str, str]:
    """The title of each item by its token; none where no column is asked for."""
    if column is None:
        return {}
    texts = ItemTexts.read(saved.config)
    return texts.sentences(texts.choose(column, (), option="titles"))


def _seen_items(saved: Checkpoint, dataset: Dataset | None) -> SeenItems:
    """What each user has in the data set the checkpoint was trained on."""
    config, schema = saved.config, saved.schema
    folder = Path(config.data.data_path) / config.dataset
    # A data set that is not there would be downloaded, which nobody asked for here.
    is_in_memory = dataset is not None or IN_MEMORY["inter"] in saved.fingerprint
    if not is_in_memory and not any(folder.glob(f"{config.dataset}*.inter*")):
        raise DataError(
            f"What users have seen is read from {folder}/, and {config.dataset}.inter is not there."
            " Say where it is with --data_path=<folder that holds the data set's folder>, or rank"
            " all items, seen or not, with --include_seen=True"
        )
    data = data_of(saved, dataset)
    rows = data.inter_feat
    return SeenItems(rows[schema.user_field], rows[schema.item_field], data.user_num, data.item_num)


def _rank(
    saved: Checkpoint, users: Tensor, topk: int, seen: SeenItems | None, show_progress: bool
) -> TopK:
    """The best items of each user: [U] -> [U, k], on the CPU."""
    ranker = FullRanker(
        saved.build_model(),
        saved.schema,
        saved.user_features,
        saved.item_features,
        saved.config.device,
        saved.config.evaluation.eval_memory_mb,
    )
    tops = []
    with progress_bar("ranking", "users", len(users), show_progress) as advance:
        for chunk, scores in ranker.chunks(users, seen):
            top = ranker.best_of(scores, topk)
            tops.append(TopK(top.items.cpu(), top.scores.cpu()))
            advance(len(chunk), len(chunk))
    return TopK(torch.cat([top.items for top in tops]), torch.cat([top.scores for top in tops]))


def _table(
    saved: Checkpoint, users: Tensor, top: TopK, column: str | None, titles: dict[str, str]
) -> Any:
    """One row for each place that is filled."""
    user_field, item_field = saved.schema.user_field, saved.schema.item_field
    filled = top.items > 0  # [U, k]
    row, place = filled.nonzero(as_tuple=True)
    items = pa.array(top.items[filled].numpy())
    item_tokens = pa.array(saved.encoder.tokens(item_field), pa.string())
    columns = {
        user_field: pa.array(saved.encoder.tokens(user_field), pa.string()).take(
            pa.array(users[row].numpy())
        ),
        RANK: pa.array((place + 1).numpy()),
        item_field: item_tokens.take(items),
        CLICK: pa.array(top.scores[filled].numpy()),
    }
    if column is not None and column not in columns:
        texts = [titles.get(token, "") for token in item_tokens.to_pylist()]
        columns[column] = pa.array(texts, pa.string()).take(items)
    return pa.table(columns)

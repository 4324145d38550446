"""The held-out parts of the runs that checkpoints come from."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence

from recbole.config import Config
from recbole.data import Dataset, Loader, create_dataset, data_preparation
from recbole.quick_start.same_data import refuse_changed_data
from recbole.trainer.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

#: Options of the data that change neither rows nor ids.
_WITHOUT_EFFECT = ("data_path", "train_batch_size", "eval_batch_size", "shuffle", "eval_args")


def rebuild_parts(
    saved: Checkpoint, read: Callable[[Config], Dataset] = create_dataset
) -> dict[str, Loader]:
    """The validation and test parts of a checkpoint's run.

    Args:
        saved: the checkpoint.
        read: gives the data set of a Config; another one than `create_dataset` may have it at hand.

    Raises:
        CheckpointError: the data has changed since.
    """
    config = saved.config
    logger.info(
        "%s: data and split rebuilt from its own config (%s, seed %s, eval_args %s)",
        saved.path,
        config.dataset,
        config.environment.seed,
        {k: v for k, v in config.data.eval_args.model_dump().items() if k != "mode"},
    )
    dataset = read(config)
    refuse_changed_data(saved, dataset)
    _, valid, test = data_preparation(config, dataset)
    return {"valid": valid, "test": test}


def of_one_data_set(loaded: Sequence[Checkpoint]) -> list[list[int]]:
    """The checkpoints, by position, in groups whose data, split and labels are the same.

    Under `rating_bins` the number of classes decides on levels and, by them, on labels.
    """
    groups: dict[str, list[int]] = {}
    for index, saved in enumerate(loaded):
        config = saved.config
        options = config.data.model_dump()
        options["split"] = {k: v for k, v in options["eval_args"].items() if k != "mode"}
        for name in _WITHOUT_EFFECT:
            del options[name]
        levels = None if config.data.rating_bins is None else config["multi_cls"]
        same = (config.dataset, config.environment.seed, levels, options, saved.fingerprint)
        groups.setdefault(json.dumps(same, sort_keys=True, default=str), []).append(index)
    return list(groups.values())

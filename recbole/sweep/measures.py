"""What is measured of a trained model, beside its metrics: plain dictionaries, by name.

A measure is a function of a `Trained` model that returns plain data (numbers, strings, lists,
dictionaries), which the results table keeps under the measure's name. It may raise RecBoleError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from recbole.config import Config
from recbole.data import Dataset
from recbole.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Trained:
    """A run that has ended.

    Attributes:
        checkpoint: its file.
        record: what the json beside it says.
        read: the data set of a Config, from memory where it has just been read.
    """

    checkpoint: Path
    record: Mapping[str, Any]
    read: Callable[[Config], Dataset]


Measure = Callable[[Trained], dict[str, Any]]

#: Each measure's function, which is imported when it is asked for.
MEASURES = {
    "ranking": "recbole.sweep.measures:ranking",
    "norms": "recbole.sweep.measures:norms",
    "robustness": "recbole.sweep.measures:robustness",
    "lipschitz": "recbole.sweep.measures:lipschitz",
}

#: What is measured where nothing is said.
DEFAULT_MEASURES = ("ranking",)


def find_measure(name: str) -> Measure:
    """The function of a measure.

    Raises:
        ConfigError: there is no such measure.
    """
    if name not in MEASURES:
        raise ConfigError(
            f"Unknown measure {name!r}; expected {', '.join(MEASURES)} or none."
            f"{did_you_mean(name, MEASURES)}"
        )
    module, _, function = MEASURES[name].partition(":")
    found: Measure = getattr(import_module(module), function)
    return found


def ranking(trained: Trained) -> dict[str, Any]:
    """NDCG and Recall at 10 and 20 among 100 uniform negatives for each positive."""
    from recbole.quick_start.rank_eval import rank_eval

    results = rank_eval([trained.checkpoint], read=trained.read, device=_device(trained))
    last = results[-1]  # test, where there is something to rank in it
    return {
        **{result.part: result.values for result in results},
        "mode": last.mode,
        "candidate_seed": last.candidate_seed,
        "seconds": last.seconds,
    }


def norms(trained: Trained) -> dict[str, Any]:
    """L2 norms of the embeddings and their gradients, of a run with `track_norms` (Fig. 2)."""
    return dict(import_module("recbole.trainer.norms").summarise_norms(trained.record))


def robustness(trained: Trained) -> dict[str, Any]:
    """AUC and LogLoss under noise on the input embeddings (Fig. 3)."""
    return _of_one("robustness", trained)


def lipschitz(trained: Trained) -> dict[str, Any]:
    """How steep the click probability is, and the softmax's Jacobian (Theorem 1)."""
    return _of_one("lipschitz", trained)


def _of_one(name: str, trained: Trained) -> dict[str, Any]:
    function = getattr(import_module("recbole.quick_start.measurements"), name)
    (found,) = function([trained.checkpoint], read=trained.read, device=_device(trained))
    return dict(found)


def _device(trained: Trained) -> str | None:
    """The CPU where the run was told to keep to it; else what there is."""
    return None if trained.record["config"]["use_gpu"] else "cpu"

"""What can be measured of saved models beside their metrics: robustness to noise, and steepness.

Both rebuild a held-out part of each checkpoint's own run, leave a json beside each checkpoint, and
return what is in it. Everything runs in single precision, whatever the training ran in, so that
figures can be compared.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recbole.config import Config
from recbole.config.sources import as_list
from recbole.data import Dataset, Loader, create_dataset
from recbole.data.staging import refuse_unwritable, replacing
from recbole.errors import ConfigError, DataError, did_you_mean
from recbole.evaluator.lipschitz import Steepness, steepness
from recbole.evaluator.robustness import noise_curve
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.cpu import tuned_cpu
from recbole.quick_start.device import load_together
from recbole.quick_start.held_out import of_one_data_set, rebuild_parts
from recbole.quick_start.outputs import refuse_replacing
from recbole.trainer.checkpoint import Checkpoint
from recbole.trainer.record import describe_device, finite, versions

Plain = dict[str, Any]

_PARTS = ("valid", "test")
_DENSE_NOISE = (0.01, 0.03, 0.05, 0.07, 0.09)
_SPARSE_NOISE = (0.006, 0.008, 0.01, 0.012, 0.014)
#: The standard deviations of the paper's Fig. 3; others than these data sets get those of ML-1M.
PAPER_NOISE = {"ml-1m": _DENSE_NOISE, "yelp2018": _SPARSE_NOISE, "amazon-books": _SPARSE_NOISE}


@tuned_cpu()
def robustness(
    checkpoints: str | Path | Sequence[str | Path],
    noise: float | Sequence[float] | None = None,
    repeats: int = 5,
    seed: int = 2020,
    part: str = "test",
    device: str | None = None,
    output: str | Path | None = None,
    model_class: type | None = None,
    read: Callable[[Config], Dataset] = create_dataset,
) -> list[Plain]:
    """AUC and LogLoss of saved models under noise on their input embeddings (Fig. 3 of the paper).

    >>> robustness(["saved/binary.pth", "saved/graded.pth"], noise=[0.01, 0.1])

    Args:
        checkpoints: their files, or one; `<checkpoint stem>.robustness.json` is left beside each.
        noise: standard deviations; None: those of the paper for the data set. 0, which is no
            noise, always comes first.
        repeats: draws of noise, over which the mean is taken.
        seed: of the draws, which all checkpoints share.
        part: valid or test.
        device: cpu, cuda or cuda:<number>; None: CUDA where there is a device.
        output: a json file for the results of all.
        model_class: the class of models of your own.
        read: gives the data set of a Config; another one than `create_dataset` may have it at hand.

    Returns:
        For each checkpoint, in the order given, plain data: what it is (`_describe`), and under
        "curve" a point for each standard deviation, as `noise_curve` describes.

    Raises:
        CheckpointError: a checkpoint is unusable, or the data has changed since its training.
        ConfigError: an argument is at fault, or a model does not use its field embedding.
        DataError: the part has no rows.
    """
    sigmas = None if noise is None else _checked_noise(noise)
    if repeats < 1:
        raise ConfigError(f"Option 'repeats': expected a whole number from 1, got {repeats}")

    def measure(saved: Checkpoint, model: ContextRecommender, loader: Loader) -> Plain:
        used = sigmas or [0.0, *PAPER_NOISE.get(saved.config.dataset, _DENSE_NOISE)]
        curve = noise_curve(model, loader, used, repeats, seed)
        return {"rows": loader.num_rows, "noise_seed": seed, "curve": curve}

    return _measure_all(checkpoints, "robustness", measure, part, device, output, model_class, read)


@tuned_cpu()
def lipschitz(
    checkpoints: str | Path | Sequence[str | Path],
    rows: int | None = None,
    batch_size: int = 4096,
    part: str = "test",
    device: str | None = None,
    output: str | Path | None = None,
    model_class: type | None = None,
    read: Callable[[Config], Dataset] = create_dataset,
) -> list[Plain]:
    """How steep saved models are at held-out rows: the quantities of the paper's Theorem 1.

    >>> lipschitz(["saved/binary.pth", "saved/graded.pth"], rows=10_000)

    Args:
        checkpoints: their files, or one; `<checkpoint stem>.lipschitz.json` is left beside each.
        rows: measure at this many rows, drawn with the seed of the run; None: at all.
        batch_size: rows at a time.
        part, device, output, model_class, read: as for `robustness`.

    Returns:
        For each checkpoint, in the order given, plain data: what it is (`_describe`), and for each
        of "click", "logits", "classes" and "softmax" (`recbole.evaluator.lipschitz`) its "mean",
        "median", "p99" and "max" over the rows; None where the head has no softmax. Under
        "theorem" the N of the softmax, the bound 1/√N, the norm √(N − 1)/N at equal
        probabilities, and the share of rows above the bound. "confidence" is the mean of
        |2 p̂ − 1|.

    Raises:
        CheckpointError, ConfigError: see `robustness`; or a model computes its own loss.
    """
    for option, count in (("rows", rows), ("batch_size", batch_size)):
        if count is not None and count < 1:
            raise ConfigError(f"Option '{option}': expected a whole number from 1, got {count}")

    def measure(saved: Checkpoint, model: ContextRecommender, loader: Loader) -> Plain:
        if type(model).logits is ContextRecommender.logits:
            raise ConfigError(
                f"{saved.path}: {saved.config.model} computes its own loss, and the norms are those"
                " of logits(batch): implement it instead of calculate_loss and predict"
            )
        index = _some_rows(loader.num_rows, rows, saved.config.environment.seed)
        batches = index.to(loader.device).split(batch_size)
        norms = Steepness.concatenate([steepness(model, loader.gather(b)) for b in batches])
        return {"rows": len(index), **_summary(norms)}

    return _measure_all(checkpoints, "lipschitz", measure, part, device, output, model_class, read)


def _measure_all(
    checkpoints: str | Path | Sequence[str | Path],
    name: str,
    measure: Callable[[Checkpoint, ContextRecommender, Loader], Plain],
    part: str,
    device: str | None,
    output: str | Path | None,
    model_class: type | None,
    read: Callable[[Config], Dataset],
) -> list[Plain]:
    """Run a measurement on each checkpoint and write what it gives."""
    checkpoints = as_list(checkpoints)
    if not checkpoints:
        raise ConfigError("Option 'checkpoint': expected at least one file, got none")
    if part not in _PARTS:
        raise ConfigError(
            f"Option 'part': expected {' or '.join(_PARTS)}, got {part!r}"
            f".{did_you_mean(part, _PARTS)}"
        )
    beside = [Path(path).with_suffix(f".{name}.json") for path in checkpoints]
    for path in beside:
        refuse_unwritable(path)
    if output is not None:
        refuse_replacing(Path(output), checkpoints)
    loaded = load_together(checkpoints, device, model_class, precision="fp32", enable_amp=False)
    results: list[Plain] = [{} for _ in loaded]
    for indices in of_one_data_set(loaded):
        loader = rebuild_parts(loaded[indices[0]], read)[part]
        if not loader.num_rows:
            path = loaded[indices[0]].path
            raise DataError(f"{path}: expected rows in the {part} part of its run, got none")
        for index in indices:
            saved, start = loaded[index], time.perf_counter()
            loader.batch_size = saved.config.data.eval_batch_size
            found = measure(saved, saved.build_model(), loader)
            seconds = round(time.perf_counter() - start, 3)
            results[index] = {**_describe(saved), "part": part, "seconds": seconds, **found}
    run_on = describe_device(loaded[0].config.device)
    for path, result in zip(beside, results, strict=True):
        _write(path, [result], run_on)
    if output is not None:
        _write(Path(output), results, run_on)
    return results


def _describe(saved: Checkpoint) -> Plain:
    """What a checkpoint is."""
    config = saved.config
    return {
        "checkpoint": str(saved.path),
        "model": config.model,
        "dataset": config.dataset,
        "run_seed": config.environment.seed,
        **config.supervision.model_dump(),
    }


def _checked_noise(given: float | Sequence[float]) -> list[float]:
    """The standard deviations in the order given, after 0."""
    noise = as_list(given)
    wrong = [
        sigma
        for sigma in noise
        if not (isinstance(sigma, Real) and math.isfinite(sigma) and float(sigma) >= 0)
    ]
    if wrong or not noise:
        got = repr(wrong[0]) if wrong else "none"
        raise ConfigError(f"Option 'noise': expected standard deviations from 0, got {got}")
    return list(dict.fromkeys([0.0, *map(float, noise)]))


def _some_rows(count: int, wanted: int | None, seed: int) -> Tensor:
    """All rows of a part, or some of them in their order: int64 [N]."""
    if wanted is None or wanted >= count:
        return torch.arange(count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[:wanted].sort().values


def _summary(norms: Steepness) -> Plain:
    """Plain figures over the rows."""
    found: Plain = {
        name: _spread(getattr(norms, name)) for name in ("click", "logits", "classes", "softmax")
    }
    found["confidence"] = float((2 * norms.click_probability.double() - 1).abs().mean())
    found["theorem"] = None
    if norms.softmax is not None and norms.num_classes is not None:
        n, bound = norms.num_classes, norms.num_classes**-0.5
        found["theorem"] = {
            "num_classes": n,
            "bound": bound,
            "equal_probabilities": math.sqrt(n - 1) / n,
            "share_above_bound": float((norms.softmax > bound).double().mean()),
        }
    return found


def _spread(values: Tensor | None) -> Mapping[str, float] | None:
    """Mean, median, 99th percentile and maximum of [N]."""
    if values is None:
        return None
    ordered = values.double().sort().values

    def quantile(share: float) -> float:
        return float(ordered[math.ceil(share * len(ordered)) - 1])

    return {
        "mean": float(ordered.mean()),
        "median": quantile(0.5),
        "p99": quantile(0.99),
        "max": float(ordered[-1]),
    }


def _write(path: Path, results: Sequence[Plain], device: str) -> None:
    plain = {"results": finite(list(results)), "device": device, "versions": versions()}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")

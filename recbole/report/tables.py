"""The paper's tables, and those that the paper does not have, of the results that there are."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from recbole.report.entries import (
    NOT_RUN,
    Entry,
    ReportTable,
    change,
    probability,
    significant,
    spread,
    three_digits,
)
from recbole.report.paper import PaperFigures
from recbole.report.reproduction import LOGIT, ORIGINAL, RATIO, SMOOTH, ablation_name
from recbole.report.results import Reader, Results, measure, ranking_metric, test_metric
from recbole.report.statistics import Comparison, Sample
from recbole.sweep.table import Row


def all_tables(results: Results, paper: PaperFigures) -> list[ReportTable]:
    """Every table, in the paper's order, then those that the paper does not have."""
    return [
        prediction(results, paper),
        ranking(results, paper),
        cost(results, paper),
        steepness(results),
        aggregation(results),
        ablations(results),
    ]


def prediction(results: Results, paper: PaperFigures) -> ReportTable:
    """Table 1: AUC and LogLoss, original and with the rating head."""
    metrics = {"AUC %": ("auc", 2), "LogLoss × 100": ("logloss", 2)}
    return _original_and_smooth(
        results,
        paper,
        "table-1",
        "Table 1: prediction",
        {title: (key, test_metric(key), digits) for title, (key, digits) in metrics.items()},
    )


def ranking(results: Results, paper: PaperFigures) -> ReportTable:
    """Table 2: NDCG and Recall among 100 sampled negatives for each positive."""
    keys = {"NDCG@10 %": "ndcg@10", "NDCG@20 %": "ndcg@20", "Recall@10 %": "recall@10"}
    keys |= {"Recall@20 %": "recall@20"}
    return _original_and_smooth(
        results,
        paper,
        "table-2",
        "Table 2: ranking",
        {title: (key, ranking_metric(key), 2) for title, key in keys.items()},
        "Test part; each user's clicks are ranked among 100 uniform negatives for each of them.",
    )


def _original_and_smooth(
    results: Results,
    paper: PaperFigures,
    name: str,
    title: str,
    metrics: dict[str, tuple[str, Reader, int]],
    note: str = "",
) -> ReportTable:
    rows = []
    for heading, (key, read, digits) in metrics.items():
        for model in results.reproduction.models:
            compared, *shown = _compared(results, model, (ORIGINAL, SMOOTH), read)
            published = paper.metrics.get(model, {}).get(key)
            theirs = (
                [Entry("–")] * 3
                if published is None
                else [
                    *(Entry(f"{value:.2f}", value) for value in published),
                    change(100 * (published[1] / published[0] - 1)),
                ]
            )
            before, after = _runs(results, model, ORIGINAL), _runs(results, model, SMOOTH)
            rows.append(
                [
                    Entry(heading),
                    Entry(model),
                    spread(shown[0], digits, before),
                    spread(shown[1], digits, after),
                    change(compared.change_percent, (*before, *after)),
                    probability(compared.p_value, (*before, *after)),
                    Entry(str(len(compared.seeds)), len(compared.seeds)),
                    *theirs,
                ]
            )
    columns = ["metric", "model", ORIGINAL, SMOOTH, "Δ%", "p", "seeds"]
    columns += ["paper: original", "paper: smooth", "paper: Δ%"]
    explained = (
        "Mean ± standard deviation over seeds that both have, or those of the one that has been"
        f" run; smooth: λ = {RATIO:g}. p: Student's paired test, two-sided. "
    )
    return ReportTable(name, title, columns, rows, explained + note)


def cost(results: Results, paper: PaperFigures) -> ReportTable:
    """Table 3: seconds for an epoch, a training and an evaluation, means over the models."""
    phases: dict[str, tuple[str, Callable[[Row], float | None]]] = {
        "training epoch": ("epoch", lambda row: row.seconds_per_epoch),
        "full training": ("training", lambda row: row.seconds_training),
        "evaluation": ("evaluation", lambda row: row.seconds_per_evaluation),
    }
    rows = []
    for title, (key, read) in phases.items():
        found = {
            variant: _mean_over_models(results, variant, read) for variant in (ORIGINAL, SMOOTH)
        }
        published = paper.seconds.get(key)
        before, after = found[ORIGINAL], found[SMOOTH]
        relative = None if not before.value or after.value is None else after.value / before.value
        rows.append(
            [
                Entry(title),
                before,
                after,
                change(
                    None if relative is None else 100 * (relative - 1), before.runs + after.runs
                ),
                *(
                    [Entry("–")] * 2
                    if published is None
                    else [Entry(f"{value:.2f}", value) for value in published]
                ),
            ]
        )
    columns = ["seconds", ORIGINAL, SMOOTH, "Δ%", "paper: original", "paper: smooth"]
    devices = sorted({row.device for row in results.every_row()})
    note = (
        f"Means over models and seeds that have both. Here: {', '.join(devices) or NOT_RUN},"
        " perhaps with several runs at a time; the paper: one RTX 3090. Evaluation: the validation"
        " part."
    )
    return ReportTable("table-3", "Table 3: time", columns, rows, note)


def _mean_over_models(results: Results, variant: str, read: Callable[[Row], float | None]) -> Entry:
    values, runs = [], []
    for model in results.reproduction.models:
        original, smooth = (results.of(model, v) for v in (ORIGINAL, SMOOTH))
        rows = [results.of(model, variant)[seed] for seed in original if seed in smooth]
        known = [value for row in rows if (value := read(row)) is not None]
        if known:
            values.append(fmean(known))
            runs += [row.key for row in rows]
    if not values:
        return Entry(NOT_RUN)
    return Entry(three_digits(fmean(values)), fmean(values), tuple(runs))


def steepness(results: Results) -> ReportTable:
    """Theorem 1: how much predictions move with their inputs, and the softmax's own bound."""
    quantities: dict[str, Reader] = {
        "‖∂p̂/∂x‖, mean": lambda row: _nested(row, "click", "mean"),
        "‖∂p̂/∂x‖, maximum": lambda row: _nested(row, "click", "max"),
        "softmax ‖J‖F, mean": lambda row: _nested(row, "softmax", "mean"),
        "softmax ‖J‖F, maximum": lambda row: _nested(row, "softmax", "max"),
        "bound 1/√N": lambda row: _nested(row, "theorem", "bound"),
        "share of rows above it": lambda row: _nested(row, "theorem", "share_above_bound"),
    }
    rows = []
    for model in results.reproduction.detailed:
        for title, read in quantities.items():
            compared, before, after = _compared(results, model, (ORIGINAL, SMOOTH), read)
            runs = [_runs(results, model, variant) for variant in (ORIGINAL, SMOOTH)]
            rows.append(
                [
                    Entry(model),
                    Entry(title),
                    significant(before, runs[0]),
                    significant(after, runs[1]),
                    change(compared.change_percent, runs[0] + runs[1]),
                    probability(compared.p_value, runs[0] + runs[1]),
                ]
            )
    columns = ["model", "quantity", ORIGINAL, SMOOTH, "Δ%", "p"]
    note = (
        "Over the rows of the test part: the norm of the click probability's gradient with respect"
        " to the input embeddings, exact, and the Frobenius norm of the softmax's Jacobian. Mean ±"
        " standard deviation over seeds."
    )
    return ReportTable("theorem-1", "Theorem 1: steepness", columns, rows, note)


def aggregation(results: Results) -> ReportTable:
    """Both ways from class scores to a click, trained and tested: Eq. 11 and the released code."""
    rows = []
    for model in results.reproduction.models:
        for title, key in (("AUC %", "auc"), ("LogLoss × 100", "logloss")):
            read = test_metric(key)
            compared, prob, logit = _compared(results, model, (SMOOTH, LOGIT), read)
            runs = [_runs(results, model, variant) for variant in (SMOOTH, LOGIT)]
            rows.append(
                [
                    Entry(model),
                    Entry(title),
                    spread(prob, 2, runs[0]),
                    spread(logit, 2, runs[1]),
                    change(compared.change_percent, runs[0] + runs[1]),
                    probability(compared.p_value, runs[0] + runs[1]),
                ]
            )
    columns = ["model", "metric", "prob: Eq. 11", "logit: released code", "Δ%", "p"]
    note = "multi_agg: prob adds class probabilities up, logit their logits; in training and test."
    return ReportTable("aggregation", "Both aggregations", columns, rows, note)


def ablations(results: Results) -> ReportTable:
    """Is it the ratings, or just the softmax? Each variant against the binary model."""
    rows = []
    for model in results.reproduction.models:
        names = results.reproduction.ablations(model)
        if not names:
            continue
        variants = {ORIGINAL: ORIGINAL, SMOOTH: SMOOTH}
        variants |= {name: ablation_name(name) for name in names}
        for title, variant in variants.items():
            runs = _runs(results, model, variant)
            both = tuple(dict.fromkeys((*_runs(results, model, ORIGINAL), *runs)))
            (auc, _, its_auc), (loss, _, its_loss) = (
                _compared(results, model, (ORIGINAL, variant), test_metric(key))
                for key in ("auc", "logloss")
            )
            rows.append(
                [
                    Entry(model),
                    Entry(title),
                    spread(its_auc, 2, runs),
                    change(auc.change_percent if title != ORIGINAL else None, both),
                    probability(auc.p_value, both),
                    spread(its_loss, 2, runs),
                    change(loss.change_percent if title != ORIGINAL else None, both),
                    Entry(str(len(its_auc.values)), len(its_auc.values)),
                ]
            )
    columns = ["model", "variant", "AUC %", "Δ%", "p", "LogLoss × 100", "Δ%", "seeds"]
    note = "Δ% and p against the binary model under the same seeds."
    return ReportTable("ablations", "Ablations", columns, rows, note)


def _compared(
    results: Results, model: str, variants: tuple[str, str], read: Reader
) -> tuple[Comparison, Sample, Sample]:
    """Two variants over the seeds that both have, and what to show of each.

    That is the same seeds, but all of a variant's own where the other has not been run.
    """
    first, second = (results.sample(model, variant, read) for variant in variants)
    compared = Comparison.of(first, second)
    shown = (compared.before, compared.after) if compared.seeds else (first, second)
    return compared, *shown


def _runs(results: Results, model: str, variant: str) -> tuple[str, ...]:
    return tuple(results.keys(model, variant))


def _nested(row: Row, *path: str) -> float | None:
    found: object = measure(row, "lipschitz")
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) else None

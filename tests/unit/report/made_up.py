"""A table of results that nobody ran: rows with known numbers for every run of a reproduction."""

from pathlib import Path

from recbole.report.reproduction import ORIGINAL, Reproduction
from recbole.sweep.cell import cell_key, data_fingerprint
from recbole.sweep.table import FAILED, ResultsTable, Row
from tests.conftest import TOY_OPTIONS

SEEDS = (1, 2, 3)
#: By seed: what the original model's AUC and LogLoss are, and what the rating head adds.
AUC = {1: 0.70, 2: 0.72, 3: 0.71}
GAIN = {1: 0.010, 2: 0.012, 3: 0.017}


def write_settings(folder: Path, models=("WideDeep", "NFM")) -> None:
    """`configs/toy/<model>.yaml`, which a reproduction on the toy data set starts from."""
    (folder / "configs" / "toy").mkdir(parents=True)
    for model in models:
        (folder / "configs" / "toy" / f"{model}.yaml").write_text("mlp_hidden_size: [8]\n")


def reproduction(**chosen) -> Reproduction:
    """Two models on the toy data set."""
    plain = {"models": ("WideDeep", "NFM"), "detail": ("WideDeep",), "seeds": SEEDS}
    plain |= {"ratios": (0.1, 0.7), "options": {**TOY_OPTIONS, "epochs": 1}}
    return Reproduction("toy", **{**plain, **chosen})


def fill(table: ResultsTable, wanted: Reproduction, leave_out=lambda cell: False) -> None:
    """Put a row for each cell, but for those left out; NFM's seed 3 has failed."""
    for cell in wanted.cells():
        if leave_out(cell):
            continue
        config = cell.config()
        key = cell_key(config, data_fingerprint(config))
        plain = Row(key, cell.model, "toy", cell.seed, cell.variant, cell.command(), host="h")
        if cell.model == "NFM" and cell.seed == 3:
            table.put(Row(**{**vars(plain), "status": FAILED, "error": "<b>no luck</b>"}))
            continue
        graded = cell.variant != ORIGINAL
        auc = AUC[cell.seed] + (GAIN[cell.seed] if graded else 0)
        table.put(
            Row(
                **{
                    **vars(plain),
                    "test": {"auc": auc, "logloss": 0.6 - auc / 10},
                    "seconds": 12.0,
                    "seconds_per_epoch": 1.5 if graded else 1.0,
                    "seconds_training": 30.0,
                    "seconds_per_evaluation": 0.25,
                    "device": "cpu <one thread>",
                    "epochs": 20,
                    "versions": {"torch": "2.13.0", "python": "3.11"},
                    "measures": measures(cell.seed, graded),
                }
            )
        )


def measures(seed: int, graded: bool) -> dict:
    """What is measured of a model, as the measures give it."""
    less = 0.5 if graded else 1.0
    at = {"ndcg@10": 0.1, "ndcg@20": 0.12, "recall@10": 0.13, "recall@20": 0.2}
    softmax = {"mean": 0.3, "max": 0.44} if graded else None
    theorem = {"num_classes": 5, "bound": 5**-0.5, "share_above_bound": 0.0} if graded else None
    return {
        "ranking": {"test": {name: v / less for name, v in at.items()}, "valid": {}},
        "norms": {
            "gradient_user": 0.1 * seed,
            "gradient_item": 0.2 * seed,
            "weight_user": 3.0 * less,
            "weight_item": 4.0 * less,
        },
        "robustness": {
            "curve": [
                {"sigma": sigma, "auc": 0.7 - sigma * less, "logloss": 0.5 + sigma * less}
                for sigma in (0.0, 0.01, 0.05)
            ]
        },
        "lipschitz": {
            "click": {"mean": less * seed, "max": 2 * less * seed},
            "softmax": softmax,
            "theorem": theorem,
        },
    }

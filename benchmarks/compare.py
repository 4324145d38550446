"""This project beside its peers, in the same call and in turns: ratios of speed.

    python benchmarks/compare.py --peer-python=/path/to/recbole-1.2.1/bin/python

Every side runs in a process of its own, under the peer's own Python and packages.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from measure.sides import PEERS, ROOT, Driver, Side, alternate, ours
from measure.spread import Spread, geometric_mean, markdown, ratio

MODELS = ("WideDeep", "NFM", "xDeepFM", "AutoInt", "FiGNN", "DCNV2", "EulerNet")
SETTINGS = ROOT / "benchmarks" / "settings"


def recbole(python: str) -> Driver:
    # Its checkpoints are pickles, which torch would refuse to read by default.
    return Driver("RecBole 1.2.1", python, PEERS / "recbole_driver.py",
                  {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"})  # fmt: skip


def request(model: str, arguments: argparse.Namespace, **options: Any) -> dict[str, Any]:
    files = [ROOT / "configs" / "dataset" / f"{arguments.dataset}.yaml",
             SETTINGS / "shared.yaml", SETTINGS / f"{model}.yaml"]  # fmt: skip
    return {
        "model": model,
        "dataset": arguments.dataset,
        "files": [str(file) for file in files],
        "options": {"data_path": f"{Path(arguments.data_path).resolve()}/", **options},
    }


def rates(answers: list[dict[str, Any]]) -> list[float]:
    return [answer["rows"] / answer["seconds"] for answer in answers]


def compare_speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Training and evaluation rows/s of every model."""
    result: dict[str, Any] = {}
    drivers = [recbole(arguments.peer_python), ours()]
    for model in arguments.models:
        with ExitStack() as stack:
            sides = [stack.enter_context(Side(d, arguments.threads)) for d in drivers]
            for side in sides:
                print(
                    model,
                    side.name,
                    side.ask("open", **request(model, arguments)),
                    file=sys.stderr,
                    flush=True,
                )
                side.ask("train", steps=4)
                side.ask("evaluate")
            found = {
                "train": alternate(
                    sides, "train", arguments.repeats, arguments.patience, steps=arguments.steps
                ),
                "evaluate": alternate(sides, "evaluate", arguments.repeats, arguments.patience),
            }
        result[model] = found
        for what, answers in found.items():
            print(
                model,
                what,
                {
                    n: [f"{a['rows'] / a['seconds']:,.0f}/{a['others']:.2f}" for a in v]
                    for n, v in answers.items()
                },
                file=sys.stderr,
                flush=True,
            )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--patience", type=float, default=60)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = compare_speed(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))
    for what in ("train", "evaluate"):
        rows, medians = [], []
        for model, found in result.items():
            (_, theirs), (_, mine) = ((n, rates(a)) for n, a in found[what].items())
            times = ratio(mine, theirs)
            medians.append(times.median)
            disturbed = max(a["others"] for answers in found[what].values() for a in answers)
            rows.append(
                [
                    model,
                    Spread.of(theirs).text(),
                    Spread.of(mine).text(),
                    times.text(".2f"),
                    f"{disturbed:.2f}",
                ]
            )
        print(
            markdown(
                ["model", "RecBole 1.2.1 rows/s", "this project rows/s", "ratio", "others"], rows
            )
        )
        print(f"\n{what} geometric mean {geometric_mean(medians):.2f}\n")


if __name__ == "__main__":
    main()

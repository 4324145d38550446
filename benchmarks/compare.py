"""This project beside its peers, in the same call and in turns: ratios of speed.

    python benchmarks/compare.py                                    training and evaluation
    python benchmarks/compare.py --parts whole start --models WideDeep DCNV2
    python benchmarks/compare.py --peers recbole fuxictr deepctr --models DCNV2
    python benchmarks/compare.py --parts heads --steps 20 --repeats 15

Parts: `speed` (training and evaluation rows/s), `ranking` (each positive of the test part among 100
sampled negatives), `heads` (multi_cls=5 beside binary, this project alone: in one process, a batch
of each by turns), `whole` (run_recbole.py from start to end), `start` (--help, and importing the
package). Sizes are the paper's (`configs/paper/`) where it has the data set, else those of
`benchmarks/settings/`; `--settings` names another folder. A peer runs under a Python of its own,
which is built from the versions in `benchmarks/peers/` unless `--peer-python` names one. Each side
is a process, which first trains for about an epoch, since the time of a step depends on what the
weights are; then they work in turns, forwards and backwards, and a ratio is that of two turns of
one round: median (lowest–highest). "others" is the most cores that other programs kept busy in a
turn: where that is above what the measurement leaves idle by 0.15, the figure is spoilt. Further
`--key=value` are options of this project's runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import tables, whole
from measure.environments import KNOWN, python_of
from measure.settings import HEADS, common_arguments, parse, request, tell
from measure.sides import ROOT, Answer, Driver, DriverError, Side, alternate, ask_in_turns, ours

PARTS = ("speed", "ranking", "heads", "whole", "start")
Found = dict[str, dict[str, list[Answer]]]  # model -> side -> answers


def main() -> None:
    parser = _parser()
    arguments, options = parse(parser)
    beside_recbole = {"ranking", "whole", "start"} & set(arguments.parts)
    if beside_recbole and "recbole" not in arguments.peers:
        parser.error(f"--parts {' '.join(sorted(beside_recbole))} compare with recbole: name it")
    peers = {} if arguments.parts == ["heads"] else peer_drivers(arguments)
    own = [ours(**options)]
    for precision in arguments.precision:
        own.append(ours(f"this project, {precision}", **{**options, "precision": precision}))
    figures: dict[str, Any] = {"arguments": vars(arguments) | options}

    if {"speed", "ranking"} & set(arguments.parts):
        work: dict[str, dict[str, Any]] = {}
        if "speed" in arguments.parts:
            work |= {"train": {"steps": arguments.steps}, "evaluate": {}}
        if "ranking" in arguments.parts:
            work["rank"] = {"negatives": 100, "topk": [10, 20]}
        found: dict[str, Found] = {do: {} for do in work}
        for model in arguments.models:
            drivers = [d for peer, d in peers.items() if model in KNOWN[peer].models]
            for do, answers in compare(model, [*own, *drivers], work, arguments).items():
                found[do][model] = answers
        for do in work:
            names = [driver.name for driver in own], [driver.name for driver in peers.values()]
            if do == "rank":  # a repeated negative is one row here and several at RecBole
                table = tables.times(found[do], own[0].name, KNOWN["recbole"].name, "model")
            else:
                table = tables.against_peers(found[do], *names)
            _print(TITLES[do], table)
        figures |= found
    if "heads" in arguments.parts:
        for name, more in head_options(arguments.precision).items():
            wanted = {**options, **more}
            figures[name] = {m: head_turns(m, wanted, arguments) for m in arguments.models}
            _print(f"Cost in training: {name}", tables.head_costs(figures[name], *HEADS))
    if "whole" in arguments.parts:
        recbole = peers["recbole"]
        figures["whole"] = {m: whole_turns(m, own[0], recbole, arguments) for m in arguments.models}
        title = f"run_recbole.py, {arguments.epochs} epochs"
        _print(title, tables.times(figures["whole"], own[0].name, recbole.name, "model"))
    if "start" in arguments.parts:
        recbole = peers["recbole"]
        figures["start"] = {
            what: alternate(turns, arguments.repeats, arguments.patience, arguments.threads)
            for what, turns in whole.starts(own[0], recbole, arguments.threads).items()
        }
        _print("Starting", tables.times(figures["start"], own[0].name, recbole.name, "what"))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1, default=str))


TITLES = {
    "train": "Training",
    "evaluate": "Evaluation of the test part",
    "rank": "Ranking, candidates drawn",
}


def peer_drivers(arguments: argparse.Namespace) -> dict[str, Driver]:
    """The peers asked for, each under its own Python."""
    given = {"recbole": arguments.peer_python}
    return {
        name: KNOWN[name].under(given.get(name) or python_of(KNOWN[name], arguments.environments))
        for name in arguments.peers
    }


def compare(
    model: str,
    drivers: list[Driver],
    work: Mapping[str, Mapping[str, Any]],
    arguments: argparse.Namespace,
) -> Found:
    """Open a model on all sides, warm them up, and ask for each piece of work in turns.

    The first side is this project's.
    """
    repeats, patience, threads = arguments.repeats, arguments.patience, arguments.threads
    wanted = request(model, arguments.dataset, arguments)
    with ExitStack() as stack:
        export = Path(stack.enter_context(TemporaryDirectory())) / "rows.npz"
        sides = [stack.enter_context(Side(driver, threads)) for driver in drivers]
        for side in sides:
            extra: dict[str, Any] = {}
            if side.driver.reads_export:
                extra["export"] = {"path": str(export), **sides[0].ask("export", path=str(export))}
            tell(f"{model}, {side.name}: {side.open({**wanted, **extra})}")
            for do, given in work.items():
                if do != "rank":
                    side.ask(do, **({"steps": arguments.warm_up} if do == "train" else given))
        found = {}
        for do, given in work.items():
            able = [side for side in sides if do != "rank" or not side.driver.reads_export]
            found[do] = ask_in_turns(able, do, repeats, patience, threads, **given)
            tell(f"{model}, {do}: {tables.brief(found[do])}")
    return found


def head_options(precisions: Iterable[str]) -> dict[str, dict[str, str]]:
    """What `heads` runs under: the precisions asked for, or else the options' own."""
    under = {f"heads, {precision}": {"precision": precision} for precision in precisions}
    return under or {"heads": {}}


def head_turns(
    model: str, options: Mapping[str, Any], arguments: argparse.Namespace
) -> dict[str, list[Answer]]:
    """Training under both heads, a batch of each by turns in one process."""
    repeats, patience, threads = arguments.repeats, arguments.patience, arguments.threads
    wanted = request(model, arguments.dataset, arguments)
    with Side(ours("both heads", "heads_driver.py", **options), threads) as side:
        side.open({**wanted, "heads": HEADS})
        side.ask("train", steps=arguments.warm_up)
        (turns,) = ask_in_turns(
            [side], "train", repeats, patience, threads, steps=arguments.steps
        ).values()
    found = {head: [{**turn[head], "others": turn["others"]} for turn in turns] for head in HEADS}
    tell(f"{model}, heads: {tables.brief(found)}")
    return found


def whole_turns(
    model: str, own: Driver, peer: Driver, arguments: argparse.Namespace
) -> dict[str, list[Answer]]:
    """Whole runs in turns."""
    wanted = request(model, arguments.dataset, arguments)
    turns = {
        driver.name: lambda driver=driver: whole.run(
            driver, wanted, arguments.epochs, arguments.threads
        )
        for driver in (own, peer)
    }
    found = alternate(turns, arguments.repeats, arguments.patience, arguments.threads)
    tell(f"{model}, whole: {tables.brief(found)}")
    return found


def _print(title: str, table: str) -> None:
    print(f"### {title}\n\n{table}\n", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common_arguments(parser)
    parser.set_defaults(settings=None)  # the paper's, where it has the data set
    parser.add_argument("--parts", nargs="+", default=["speed"], choices=PARTS, metavar="PART")
    parser.add_argument("--peers", nargs="+", default=["recbole"], choices=KNOWN, metavar="PEER")
    parser.add_argument("--peer-python", help="a Python that has RecBole 1.2.1")
    parser.add_argument("--environments", type=Path, default=ROOT / ".peers",
                        help="folder of the peers' environments")  # fmt: skip
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--steps", type=int, default=50, help="batches in a turn of training")
    parser.add_argument("--warm_up", type=int, default=200, metavar="STEPS",
                        help="batches of training before the first turn")  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3, help="rounds of turns")
    parser.add_argument("--epochs", type=int, default=5, help="of a whole run")
    parser.add_argument(
        "--precision",
        nargs="+",
        default=[],
        help="this project under these too; heads: under these only",
    )
    return parser


if __name__ == "__main__":
    try:
        main()
    except DriverError as error:
        sys.exit(str(error))

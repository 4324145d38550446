"""The command line: `python run_recbole.py` and `recbole`, with its subcommands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from recbole.commands.command_parser import CommandParser, paths_in
from recbole.commands.exit_status import exit_status
from recbole.config.sources import parse_command_line
from recbole.errors import ConfigError, did_you_mean

#: A first argument that is one of these hands the others to the function `main` of its module.
_SUBCOMMANDS = {
    "predict": "recbole.commands.predict_command",
    "recommend": "recbole.commands.recommend_command",
    "compare": "recbole.commands.compare_command",
    "rank_eval": "recbole.commands.rank_eval_command",
    "data": "recbole.commands.data_command",
    "robustness": "recbole.commands.robustness_command",
    "lipschitz": "recbole.commands.lipschitz_command",
    "sweep": "recbole.commands.sweep_command",
    "reproduce": "recbole.commands.reproduce_command",
}

_DESCRIPTION = """\
Train a click-through-rate model on rated feedback and test it.

Every option of the data, the model, training and evaluation may be given as --key=value, where
the value is YAML. They win over configuration files, which win over the data set's settings."""

_EXAMPLES = """\
examples:
  run_recbole.py --model=DCNV2 --dataset=ml-100k
      binary clicks (rating >= 4) on MovieLens-100K, which is fetched if need be
  run_recbole.py --model=DCNV2 --dataset=ml-1m --multi_cls=5 --multi_ratio=0.7
      a 5-way rating head, trained on 0.7 CE(rating) + 0.3 BCE(click)
  run_recbole.py -m WideDeep -d ml-100k --learning_rate=5e-3 "--mlp_hidden_size=[128,128,128]"
      options of training and of the model
  run_recbole.py -m DCNV2 -d ml-1m --config_files "configs/paper/ml-1m-DCNV2.yaml my.yaml"
      options from files, the later one winning
  run_recbole.py -m DCNV2 -d ml-1m --seeds=2020,2021,2022,2023,2024
      one run under each seed, and the mean ± standard deviation of their tests
  run_recbole.py -m DCNV2 -d ml-1m --show_config
      what the options are, where each comes from and what it means
  run_recbole.py --resume=saved/DCNV2-Nov-21-2026_10-00-00-000000.pth
      go on with an interrupted run

commands for data (run_recbole.py data --help says more):
  run_recbole.py data get ml-25m
      a public data set, from its host into dataset/ml-25m
  run_recbole.py data convert yelp2018 --from=yelp_dataset.tar
      the same from files that you have

commands for many runs (run_recbole.py <command> --help says more):
  run_recbole.py sweep --model=DCNV2,WideDeep --dataset=ml-100k --seed=2020,2021 --jobs=2
      a grid of runs into one table of results; goes on where it was stopped
  run_recbole.py reproduce --dataset=ml-100k --quick --jobs=2
      the paper's tables and figures as a page

commands that use a trained model (run_recbole.py <command> --help says more):
  run_recbole.py predict --checkpoint=saved/<Model>-<time>.pth --input=rows.csv --output=scores.csv
      click probabilities, and those of the ratings, for the rows of a file
  run_recbole.py recommend --checkpoint=saved/<Model>-<time>.pth --users=196,186 --topk=10
      the best items that a user has not seen
  run_recbole.py compare --checkpoint=saved/A.pth --checkpoint=saved/B.pth --user=196
      what two models recommend to a user, side by side, also as a page (compare.html)
  run_recbole.py rank_eval --checkpoint saved/A.pth saved/B.pth
      NDCG and Recall on the same candidates; the same as recbole_rank_eval.py
  run_recbole.py robustness --checkpoint saved/A.pth saved/B.pth
      AUC and LogLoss under noise on the input embeddings
  run_recbole.py lipschitz --checkpoint saved/A.pth saved/B.pth
      how steep the click probability is: norms of its gradients at the test rows

commands for data sets:
  run_recbole.py data import ratings.csv --user=uid --item=sku --rating=stars
      your own tables (CSV, TSV, JSON lines, Parquet) as a data set
  run_recbole.py data describe ml-100k
      what is in a data set, what would hurt, and the options that fit it

Results: saved/<Model>-<time>.pth (checkpoint) and .json (options, every epoch, test result)."""


def _parser() -> CommandParser:
    parser = CommandParser(
        None,
        _DESCRIPTION,
        _EXAMPLES,
        usage="%(prog)s --model=NAME --dataset=NAME [--key=value ...]",
    )
    parser.add_argument("--model", "-m", metavar="NAME", help="the model, such as DCNV2")
    parser.add_argument("--dataset", "-d", metavar="NAME", help="the data set, a folder's name")
    parser.add_argument(
        "--config_files", metavar="FILE", nargs="+", default=[], help="YAML files of options"
    )
    parser.add_argument(
        "--show_config", action="store_true", help="print the effective options and stop"
    )
    parser.add_argument("--resume", metavar="PTH", help="go on with an interrupted run")
    parser.add_argument("--nproc", type=int, default=1, help="processes on this machine")
    parser.add_argument("--ip", default="localhost", help="address of the first machine")
    parser.add_argument("--port", default="5678", help="port on the first machine")
    parser.add_argument("--world_size", type=int, default=-1, help="processes on all machines")
    parser.add_argument(
        "--group_offset", type=int, default=0, help="rank of this machine's first process"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 1 diverged, 2 bad input, 130/143 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in _SUBCOMMANDS:
        return exit_status(import_module(_SUBCOMMANDS[given[0]]).main, given[1:])
    return exit_status(_main, given)


def _main(arguments: Sequence[str]) -> None:
    if arguments and not arguments[0].startswith("-"):
        raise ConfigError(
            f"Command line: expected --key=value or one of {', '.join(_SUBCOMMANDS)}, got"
            f" {arguments[0]!r}.{did_you_mean(arguments[0], _SUBCOMMANDS)}"
        )
    flags, rest = _parser().parse_known_args(arguments)
    options = parse_command_line(rest)
    files = paths_in(flags.config_files)

    # torch takes seconds to import, which neither --help nor a mistyped command should cost.
    from recbole.commands.show_config import show_config
    from recbole.config import Config
    from recbole.quick_start import quick_start

    if flags.show_config:
        show_config(Config(flags.model, flags.dataset, files, command_line=options))
        return
    if flags.resume is not None:
        _check_resume(flags)
        quick_start.refuse_other_results(options)
        _print_result(quick_start.resume(flags.resume, **options))
        return
    result = quick_start.run(
        flags.model,
        flags.dataset,
        files,
        nproc=flags.nproc,
        world_size=flags.world_size,
        ip=flags.ip,
        port=flags.port,
        group_offset=flags.group_offset,
        command_line=options,
    )
    _print_result(result)


def _check_resume(flags: argparse.Namespace) -> None:
    """Refuse what a resumed run would not read.

    Raises:
        ConfigError: names it.
    """
    for name, default in vars(_parser().parse_args([])).items():
        if name not in ("resume", "show_config") and getattr(flags, name) != default:
            raise ConfigError(
                f"Option '{name}': a resumed run has all its options from its checkpoint,"
                f" {flags.resume}; leave it out"
            )


def _print_result(result: dict[str, Any]) -> None:
    if result["test_result"] is None:
        print("no test result: there are no test rows")
        return
    if "runs" in result:
        _print_runs(result)
        return
    for name, value in result["test_result"].items():
        print(f"test {name}: {value}")


def _print_runs(result: dict[str, Any]) -> None:
    """A table: a row for each seed, then mean and standard deviation (n - 1)."""
    names = list(result["test_result"])
    rows = [["test", *names]]
    for seed, run in zip(result["seeds"], result["runs"], strict=True):
        rows.append([str(seed), *(str(run["test_result"][name]) for name in names)])
    for title, key in (("mean", "test_result"), ("std", "test_std")):
        rows.append([title, *(f"{result[key][name]:.4f}" for name in names)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    print()
    for name in names:
        print(f"test {name}: {result['test_result'][name]:.4f} ± {result['test_std'][name]:.4f}")


if __name__ == "__main__":
    sys.exit(main())

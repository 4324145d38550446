"""`recbole sweep`: a grid of runs, in several processes, into one table of results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recbole.commands.command_parser import CommandParser, paths_in, positive
from recbole.commands.forwarded_options import check_form, check_names
from recbole.errors import ConfigError

if TYPE_CHECKING:
    from recbole.sweep.grid import Grid

_DESCRIPTION = """\
Run every combination of models, data sets, seeds and options, and keep the results in one folder.

A run that has finished there, with the same options on the same data, is not run again; one that
was interrupted or killed goes on from its checkpoint. Several sweeps may work on one folder at
once, also from several machines that share it: no run is begun twice. A run that fails is told of
in its row and stops nothing.

The grid is a YAML file, options as --key=value, or both (the command line wins). Several values
with commas make an axis: --multi_ratio=0.1,0.3. A list as a value stands in brackets:
--mlp_hidden_size=[64,64],[128,128] is an axis of two.

A grid file has the keys grid ({option: list of values}), variants ({name: options}, each combined
with the grid), options (of every run), config_files (paths, where {model} and {dataset} stand for
the names), measures, results and baseline."""

_EXAMPLES = """\
examples:
  recbole sweep --model=DCNV2,WideDeep --dataset=ml-1m --seed=2020,2021 --multi_cls=5 \\
      --multi_ratio=0.1,0.3 --results=saved/ratios --jobs=2
  recbole sweep configs/paper/sweep.yaml --dataset=ml-1m --model=DCNV2
      the paper's runs of one model on one data set
  recbole sweep configs/paper/sweep.yaml --dataset=ml-1m --variant original smooth-0.7 --dry_run
      what would be run, as commands
  recbole sweep --model=DCNV2 --dataset=ml-1m --seed=2020,2021,2022 --learning_rate=1e-3,5e-3 \\
      --baseline=learning_rate=0.001
      ends with what the other rate changes, seed by seed
  recbole sweep configs/paper/sweep.yaml --retry
      the same, and what failed before once more
  recbole sweep --search=hyper.test --model=DCNV2 --dataset=ml-1m --trials=50 --jobs=2
      the best options of a range each (lines such as: learning_rate loguniform -8,0)"""

_RESULTS = "saved/sweep"
_TRIALS = 30

#: Flags that only the one or the other reads, and why the other does not.
_OF_A_SWEEP = {
    "baseline": "a search has no variants to compare",
    "retry": "a trial that failed stays one of a search's; --trials asks for more",
    "measures": "the trials of a search are judged by valid_metric alone",
}
_OF_A_SEARCH = {
    "trials": "a sweep without --search makes none",
    "storage": "a sweep without --search has no study",
    "study": "a sweep without --search has no study",
}


def _parser() -> CommandParser:
    parser = CommandParser("recbole sweep", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("grid", nargs="?", metavar="YAML", help="a file with the grid")
    parser.add_argument(
        "--results", metavar="FOLDER", help=f"where results are kept (default: {_RESULTS})"
    )
    parser.add_argument(
        "--jobs", type=positive, default=1, metavar="N",
        help="runs at a time; each has an equal share of the cores (1)",
    )  # fmt: skip
    parser.add_argument(
        "--config_files", metavar="FILE", nargs="+",
        help="YAML files of options, in the place of the grid's",
    )  # fmt: skip
    parser.add_argument(
        "--variant", metavar="NAME", nargs="+", help="only these variants of the grid"
    )
    parser.add_argument(
        "--measures", metavar="NAME", nargs="*",
        help="what is measured of a trained model (default: the grid's, or ranking)",
    )  # fmt: skip
    parser.add_argument(
        "--baseline", metavar="NAME",
        help="the variant that the others are compared with, seed by seed, at the end",
    )  # fmt: skip
    parser.add_argument("--retry", action="store_true", help="run what failed before once more")
    parser.add_argument(
        "--search", metavar="FILE",
        help="search the ranges in this parameter file, RecBole's hyper.test, instead of a grid",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=positive, metavar="N", help=f"of the search's study ({_TRIALS})"
    )
    parser.add_argument(
        "--storage", metavar="URL",
        help="the study's database; machines that name one join it (sqlite in the results' folder)",
    )  # fmt: skip
    parser.add_argument("--study", metavar="NAME", help="the study's name (<model>-<dataset>)")
    parser.add_argument(
        "--dry_run", action="store_true", help="print the command of every run, and stop"
    )
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: an argument or the grid is at fault, or runs failed.
    """
    flags, options = _parser().parse_known_args(arguments)
    names = set(vars(flags)) - {"grid"}  # which has no name on the command line
    check_form(options, names)
    _check_kind(flags)

    # torch takes seconds to import, which neither --help nor a mistyped command should cost.
    from recbole.commands.sweep_terminal import finish, watched
    from recbole.model.registry import MODEL_NAMES
    from recbole.sweep.grid import Grid
    from recbole.sweep.plan import make_plan
    from recbole.sweep.table import ResultsTable

    grid = Grid() if flags.grid is None else Grid.read(flags.grid)
    grid = grid.with_command_line(options)
    if all(model in MODEL_NAMES for model in grid.axes.get("model", [])):  # another may read any
        check_names(options, {*names, "model", "dataset", "seed"})
    if flags.variant is not None:
        grid = grid.only([name for given in flags.variant for name in given.split(",")])
    if flags.baseline is not None:
        grid = grid.with_baseline(flags.baseline)
    if flags.config_files is not None:
        grid = grid.with_config_files(paths_in(flags.config_files))
    if flags.measures is not None:
        grid = grid.with_measures(flags.measures)
    folder = Path(flags.results or grid.results or _RESULTS)
    if flags.search is not None:
        from recbole.commands.search_terminal import describe_search, run_search, search_of

        trials = flags.trials or _TRIALS
        wanted = search_of(flags.search, grid, folder, trials, flags.storage, flags.study)
        if flags.dry_run:
            describe_search(wanted)
        else:
            run_search(wanted, flags.jobs, folder)
        return
    if flags.dry_run:
        _print_commands(grid)
        return
    table = ResultsTable(folder)
    plan = make_plan(grid.cells(), table, flags.retry)
    finish(watched(plan, table, flags.jobs), plan, table, grid.baseline)


def _check_kind(flags: argparse.Namespace) -> None:
    """Refuse what a sweep or a search, whichever is asked for, would not read.

    Raises:
        ConfigError: names it.
    """
    of_the_other = _OF_A_SEARCH if flags.search is None else _OF_A_SWEEP
    for name, reason in of_the_other.items():
        if getattr(flags, name) not in (None, False):
            raise ConfigError(f"Option '{name}': {reason}; leave it out")


def _print_commands(grid: Grid) -> None:
    """Each run's command, after all have been validated; cells that come to the same are one."""
    from recbole.sweep.cell import cell_key
    from recbole.sweep.plan import validated

    commands: dict[tuple[str, str], str] = {}
    for cell, config in validated(grid.cells()):
        same = cell_key(config, {}), config.data.data_path  # as far as no data is looked at
        commands.setdefault(same, cell.command())
    for command in commands.values():
        print(command)

"""`recbole sweep`: a grid of runs, in several processes, into one table of results."""

from __future__ import annotations

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
        "--trials", type=positive, default=30, metavar="N", help="of the search's study (30)"
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
    if flags.search is not None and flags.baseline is not None:
        raise ConfigError("Option 'baseline': a search has no variants to compare; leave it out")

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
    if flags.dry_run:
        _print_commands(grid)
        return
    folder = Path(flags.results or grid.results or _RESULTS)
    if flags.search is not None:
        from recbole.commands.search_terminal import run_search

        run_search(flags.search, grid, folder, flags.trials, flags.jobs, flags.storage, flags.study)
        return
    table = ResultsTable(folder)
    plan = make_plan(grid.cells(), table, flags.retry)
    finish(watched(plan, table, flags.jobs), plan, table, grid.baseline)


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

"""`recbole reproduce`: the paper's tables and figures, from the runs that are still missing on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recbole.commands.command_parser import CommandParser, positive
from recbole.commands.forwarded_options import check_form, check_names
from recbole.config.sources import parse_command_line
from recbole.errors import ConfigError

_DESCRIPTION = """\
Run what is missing of the paper's experiments on a data set, and report: Tables 1 to 3, Figures 2
to 4, the quantities of Theorem 1, both aggregations and the ablations, each beside the paper's
figures where it has any.

The report is one HTML page that needs no other file (report.html), and the same tables as Markdown
and CSV. Each number names the runs behind it; what was not run is said to be so. Runs go through
`recbole sweep`: what has finished is not run again, an interrupted command is simply repeated, and
several machines may work on one folder of results.

Further options, such as --epochs=20, go to every run, but for those that the tables compare."""

_EXAMPLES = """\
examples:
  recbole reproduce --dataset=ml-100k --quick
      minutes: two models, two seeds, few epochs, every table and figure
  recbole reproduce --dataset=ml-1m --jobs=4
      seven models, five seeds: days on a CPU, hours on accelerators
  recbole reproduce --dataset=ml-1m --models=DCNV2,WideDeep --seeds=2020,2021,2022 \\
      --ratios=0.1,0.3,0.5,0.7,0.9 --detail=DCNV2,WideDeep
  recbole reproduce --dataset=ml-1m --report_only
      the report of what has been run so far"""


def _parser() -> CommandParser:
    parser = CommandParser("recbole reproduce", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--dataset", "-d", default="ml-1m", help="the data set (ml-1m)")
    parser.add_argument("--models", metavar="NAMES", help="with commas (the paper's seven)")
    parser.add_argument("--seeds", metavar="NUMBERS", help="with commas (2020 to 2024)")
    parser.add_argument(
        "--ratios", metavar="NUMBERS", help="λ of Figure 4, with commas (0.1,0.3,0.5,0.7,0.9)"
    )
    parser.add_argument(
        "--detail", metavar="NAMES",
        help="models of the figures and of Theorem 1 (DCNV2,WideDeep)",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true", help="two models, two seeds and twelve epochs, if not said"
    )
    parser.add_argument(
        "--results", metavar="FOLDER",
        help="where results and report are kept (saved/reproduce-<dataset>)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=positive, metavar="N",
        help="runs at a time (1; with --quick on a CPU as many as there are cores, up to 4)",
    )  # fmt: skip
    parser.add_argument("--retry", action="store_true", help="run what failed before once more")
    parser.add_argument(
        "--report_only", action="store_true", help="run nothing, report what there is"
    )
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: an argument is at fault, or runs failed; the report is written all the same.
    """
    flags, rest = _parser().parse_known_args(arguments)
    check_form(rest, vars(flags))
    options = parse_command_line(rest)

    # torch takes seconds to import, which neither --help nor a mistyped command should cost.
    from recbole.commands.sweep_terminal import finish, watched
    from recbole.report.report import write_report
    from recbole.report.reproduction import Reproduction
    from recbole.sweep.option_text import split_values
    from recbole.sweep.plan import make_plan
    from recbole.sweep.table import ResultsTable

    check_names(rest, vars(flags))
    chosen: dict[str, Any] = {"options": options}
    for name, kind in (("models", str), ("detail", str), ("seeds", int), ("ratios", float)):
        given = getattr(flags, name)
        if given is not None:
            origin = f"Option '{name}'"
            chosen[name] = tuple(_checked(v, kind, origin) for v in split_values(given, origin))
    make = Reproduction.short if flags.quick else Reproduction
    reproduction = make(flags.dataset, **chosen)
    table = ResultsTable(flags.results or f"saved/reproduce-{flags.dataset}")
    if flags.report_only:
        print(f"Report: {write_report(reproduction, table, table.folder)}")
        return
    plan = make_plan(reproduction.cells(), table, flags.retry)
    monitor = watched(plan, table, flags.jobs or (_small_jobs() if flags.quick else 1))
    print(f"Report: {write_report(reproduction, table, table.folder)}")
    finish(monitor, plan, table)


def _small_jobs() -> int:
    """How many small runs go well side by side: a thread for each where there is no GPU."""
    import torch

    from recbole.sweep.sweep import cores

    return 1 if torch.cuda.is_available() else min(cores(), 4)


def _checked(value: Any, kind: type, origin: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = {str: "names", int: "whole numbers", float: "numbers"}[kind]
        raise ConfigError(f"{origin}: expected {expected}, with commas, got {value!r}")
    return value

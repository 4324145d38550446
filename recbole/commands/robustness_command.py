"""`recbole robustness`: AUC and LogLoss under noise on the input embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recbole.commands.command_parser import CommandParser, log_to_console, positive
from recbole.commands.measurement_table import add_measurement_options, print_table

_DESCRIPTION = """\
Disturb saved models and see what AUC and LogLoss become of it.

Gaussian noise is added to the input embeddings (every field's vector, as the model's body reads
it) of a held-out part, which is rebuilt from each checkpoint's own config and seed. The default
standard deviations are those of the paper (Fig. 3): 0.006 to 0.014 on yelp2018 and amazon-books,
0.01 to 0.09 elsewhere. The noise depends on --seed alone, so that all models meet the same one.
The results of each go to <checkpoint stem>.robustness.json."""

_EXAMPLES = """\
examples:
  recbole robustness --checkpoint saved/binary.pth saved/graded.pth
      both, at the paper's standard deviations
  recbole robustness --checkpoint=saved/graded.pth --noise 0.01 0.1 1 --repeats=10
      others, and the mean over ten draws of each"""


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: an argument, a checkpoint or the data is at fault.
    """
    parser = CommandParser("recbole robustness", _DESCRIPTION, _EXAMPLES)
    add_measurement_options(parser)
    parser.add_argument(
        "--noise", nargs="+", type=float, metavar="SD",
        help="standard deviations of the noise (default: the paper's)",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=positive, default=5, metavar="COUNT",
        help="draws of noise, over which the mean is taken (5)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=positive, default=2020, metavar="NUMBER", help="of the draws (2020)"
    )
    given = parser.parse_args(arguments)

    # torch takes seconds to import, which neither --help nor a mistyped option should cost.
    from recbole.quick_start.measurements import robustness

    log_to_console()
    results = robustness(
        given.checkpoint,
        noise=given.noise,
        repeats=given.repeats,
        seed=given.seed,
        part=given.part,
        device=given.device,
        output=given.output,
    )
    rows = [(result, _cells(point)) for result in results for point in result["curve"]]
    print_table(("noise", "AUC", "±", "LogLoss", "±"), rows)


def _cells(point: dict[str, Any]) -> list[str]:
    cells = [f"{point['sigma']:g}"]
    for name in ("auc", "logloss"):
        spread = point[f"{name}_std"]
        cells += [f"{point[name]:.4f}", "" if spread is None else f"{spread:.4f}"]
    return cells

"""`recbole lipschitz`: how steep saved models are at held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recbole.commands.command_parser import CommandParser, log_to_console, positive
from recbole.commands.measurement_table import add_measurement_options, print_table

_DESCRIPTION = """\
Measure how steep saved models are: the quantities of the paper's Theorem 1.

At every row of a held-out part, which is rebuilt from each checkpoint's own config and seed, the
exact Jacobians with respect to the input embeddings are computed, and their norms summed up:
  |dp/dx|      gradient of the click probability
  |df/dx|      Jacobian of the logits
  |J|          softmax's own Jacobian, for which the paper gives the bound 1/sqrt(N); a binary model
               counts as N = 2
The results of each, and more of them, go to <checkpoint stem>.lipschitz.json."""

_EXAMPLES = """\
examples:
  recbole lipschitz --checkpoint saved/binary.pth saved/graded.pth
      both, at all rows of the test part
  recbole lipschitz --checkpoint=saved/graded.pth --rows=10000 --part=valid"""


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: an argument, a checkpoint or the data is at fault.
    """
    parser = CommandParser("recbole lipschitz", _DESCRIPTION, _EXAMPLES)
    add_measurement_options(parser)
    parser.add_argument(
        "--rows", type=positive, metavar="N", help="measure at N rows of the part (default: all)"
    )
    parser.add_argument(
        "--batch_size", type=positive, default=4096, metavar="ROWS", help="rows at a time (4096)"
    )
    given = parser.parse_args(arguments)

    # torch takes seconds to import, which neither --help nor a mistyped option should cost.
    from recbole.quick_start.measurements import lipschitz

    log_to_console()
    results = lipschitz(
        given.checkpoint,
        rows=given.rows,
        batch_size=given.batch_size,
        part=given.part,
        device=given.device,
        output=given.output,
    )
    columns = (
        "rows",
        "|dp/dx| mean",
        "max",
        "|df/dx| mean",
        "max",
        "|J| mean",
        "1/sqrt(N)",
        "above",
    )
    print_table(columns, [(result, _cells(result)) for result in results])


def _cells(result: dict[str, Any]) -> list[str]:
    cells = [f"{result['rows']:,}"]
    for name in ("click", "logits"):
        cells += [f"{result[name]['mean']:.4f}", f"{result[name]['max']:.4f}"]
    theorem = result["theorem"]
    if theorem is None:
        return [*cells, "", "", ""]
    mean, bound, above = result["softmax"]["mean"], theorem["bound"], theorem["share_above_bound"]
    return [*cells, f"{mean:.4f}", f"{bound:.4f}", f"{above:.1%}"]

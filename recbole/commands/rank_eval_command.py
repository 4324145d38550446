"""`python recbole_rank_eval.py`: a table of how saved models rank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole.commands.command_parser import CommandParser, log_to_console, paths_in, positive
from recbole.config.yaml_values import parse_value

if TYPE_CHECKING:
    from recbole.quick_start.rank_eval import RankResult

_DESCRIPTION = """\
Rank with saved models. The data and its split are rebuilt from each checkpoint's own config and
seed; the validation and test parts are cut to what users liked, and each user's positives are
ranked among negatives drawn for them (--mode=uni100), or among all unseen items (--mode=full).

Checkpoints of one split are ranked on the same candidates; where there are several splits, the
table says which lines may be compared. The results of each go to <checkpoint stem>.rank.json."""

_EXAMPLES = """\
examples:
  recbole_rank_eval.py --checkpoint=saved/DCNV2.pth
      NDCG and Recall at 10 and 20, 100 uniform negatives for each positive
  recbole_rank_eval.py --checkpoint saved/A.pth saved/B.pth --metrics NDCG MRR --topk 5 10
      one table for several
  recbole_rank_eval.py --checkpoint=saved/A.pth --mode=full --device=cpu --output=full.json
  recbole_rank_eval.py --checkpoint=saved/A.pth --candidates=ml-1m.candidates
      keep the candidates; the next call with this file uses them again"""


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: an argument, a checkpoint or the data is at fault.
    """
    given = _parser().parse_args(arguments)

    # torch takes seconds to import, which neither --help nor a mistyped option should cost.
    from recbole.quick_start.outputs import refuse_replacing
    from recbole.quick_start.rank_eval import rank_eval, write_results

    log_to_console()
    paths = paths_in([path for values in given.checkpoint for path in values] + given.more)
    if given.output is not None:
        refuse_replacing(Path(given.output), paths)
    results = rank_eval(
        paths,
        metrics=[str(name) for name in _listed(given.metrics)],
        topk=_listed(given.topk),
        mode=given.mode,
        eval_batch_size=given.eval_batch_size,
        seed=given.seed,
        device=given.device,
        candidates_file=given.candidates,
        eval_memory_mb=given.eval_memory_mb,
    )
    _print_table(results)
    if given.output is not None:
        write_results(given.output, results)


def _parser() -> CommandParser:
    parser = CommandParser("recbole_rank_eval.py", _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "--checkpoint", action="append", nargs="+", required=True, metavar="PTH",
        help="a trained model; several, or the option several times",
    )  # fmt: skip
    parser.add_argument("more", nargs="*", metavar="PTH", help="more of them")
    parser.add_argument(
        "--metrics", nargs="+", default=["NDCG", "Recall"], metavar="NAME",
        help="metrics, one or several (default: NDCG Recall)",
    )  # fmt: skip
    parser.add_argument(
        "--topk", nargs="+", default=["10", "20"], metavar="K", help="cut-offs (default: 10 20)"
    )
    parser.add_argument(
        "--mode", default="uni100", metavar="MODE",
        help="uniN or popN: N negatives for each positive, uniform or by popularity; full: all"
        " unseen items (default: uni100)",
    )  # fmt: skip
    parser.add_argument(
        "--eval_batch_size", type=positive, metavar="ROWS",
        help="rows of a forward pass (default: the checkpoint's)",
    )  # fmt: skip
    parser.add_argument(
        "--eval_memory_mb", type=float, metavar="MIB",
        help="working memory of --mode=full (default: the checkpoint's)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=_seed, metavar="NUMBER",
        help="of the candidates' draws (default: the checkpoint's); the split keeps its own",
    )  # fmt: skip
    parser.add_argument("--output", metavar="JSON", help="a file for the results of all")
    parser.add_argument(
        "--candidates", metavar="FILE",
        help="keep the candidates in this file, or use those it holds",
    )  # fmt: skip
    parser.add_device_options()
    return parser


def _seed(text: str) -> int:
    value = parse_value(text, "Option 'seed'")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


_seed.__name__ = "whole number from 0"  # argparse names it where it fails


def _listed(arguments: Sequence[str]) -> list[Any]:
    """Values given one by one, with commas, or as a YAML list."""
    values: list[Any] = []
    for argument in arguments:
        value = parse_value(argument, "argument")
        if isinstance(value, list):
            values += value
        elif isinstance(value, str):
            parts = [part for part in value.replace(",", " ").split() if part]
            values += [parse_value(part, "argument") for part in parts]
        else:
            values.append(value)
    return values


def _print_table(results: Sequence[RankResult]) -> None:
    """One line for each checkpoint and part."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    names = list(results[0].values)
    table = Table("checkpoint", "model", "head", "part", "candidates")
    for name in names:
        table.add_column(name, justify="right")
    letters = _letters(results)
    for result in results:
        classes = result.config["multi_cls"]
        row = (
            result.checkpoint.name,
            result.config.model,
            "binary" if classes is None else f"multi_cls={classes}",
            result.part,
            f"{result.mode} {letters[_split_of(result)]}",
        )
        values = (f"{result.values[name]:.{_decimals(result)}f}" for name in names)
        table.add_row(*(Text(cell) for cell in (*row, *values)))
    console.print(table)
    if len(set(letters.values())) > 1:
        console.print(
            "Lines with different letters are of different candidates (another split, seed or data"
            " set), and not to be compared."
        )


def _split_of(result: RankResult) -> tuple[Any, ...]:
    return (result.part, *result.ranked_on)


def _letters(results: Sequence[RankResult]) -> dict[tuple[Any, ...], str]:
    """A letter for the candidates of each result; within a part, equal ones share it."""
    letters: dict[tuple[Any, ...], str] = {}
    counts: dict[str, int] = {}
    for result in results:
        if _split_of(result) not in letters:
            number = counts.get(result.part, 0)
            counts[result.part] = number + 1
            letters[_split_of(result)] = chr(ord("A") + number) if number < 26 else f"#{number + 1}"
    return letters


def _decimals(result: RankResult) -> int:
    return int(result.config["metric_decimal_place"])

"""`recbole predict`: scores for the rows of a file."""

from __future__ import annotations

from collections.abc import Sequence

from recbole.commands.command_parser import (
    CommandParser,
    log_to_console,
    positive,
    yes_or_no,
)

_DESCRIPTION = """\
Score the rows of a file with a trained model. The data it was trained on is not needed.

The input needs the ids of user and item, and the features of the interaction itself that the model
reads. Features of users and items come from the checkpoint, by id; a column of that name in the
input wins over them, in every row. In .csv and .parquet columns have plain names (user_id); the
checkpoint knows their types. Tokens may be text or numbers (196, 196.0 and "196" are the same), a
sequence is a list or a text with separators. Users, items and tokens that training has not seen are
scored as unknown, and counted. A rating or label in the input changes nothing.

The output has all columns of the input, unchanged (cells of text files stay the text they are),
then click_probability and, of a model with a rating head, probability_<level> for each rating level
and expected_rating. It appears when it is complete; a file of that name is replaced."""

_EXAMPLES = """\
examples:
  recbole predict --checkpoint=saved/DCNV2.pth --input=rows.csv --output=scores.csv
  recbole predict --checkpoint=saved/DCNV2.pth --input=log.parquet --output=scores.parquet \\
      --batch_size=16384 --device=cuda
  recbole predict --checkpoint=saved/DCNV2.pth --input=dataset/shop/shop.inter --output=shop.csv"""


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: see `recbole.quick_start.predict.predict`.
    """
    parser = CommandParser("recbole predict", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--checkpoint", required=True, metavar="PTH", help="the trained model")
    parser.add_argument(
        "--input", required=True, metavar="FILE", help="rows: .csv, .parquet or .inter"
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE", help="their scores: .csv or .parquet"
    )
    parser.add_argument(
        "--batch_size",
        type=positive,
        metavar="ROWS",
        help="rows of a forward pass (default: the checkpoint's eval_batch_size)",
    )
    parser.add_argument(
        "--show_progress", type=yes_or_no, default=True, metavar="BOOL", help="draw a bar"
    )
    parser.add_device_options()
    given = parser.parse_args(arguments)

    # torch takes seconds to import, which neither --help nor a mistyped option should cost.
    from recbole.quick_start.predict import predict

    log_to_console()
    predict(
        given.checkpoint,
        given.input,
        given.output,
        batch_size=given.batch_size,
        device=given.device,
        show_progress=given.show_progress,
    )

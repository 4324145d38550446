"""Rank with saved models: `python recbole_rank_eval.py --checkpoint=saved/<Model>-<time>.pth`."""

import sys

from recbole.commands.command_line import main

if __name__ == "__main__":
    sys.exit(main(["rank_eval", *sys.argv[1:]]))

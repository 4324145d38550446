"""Rank with saved models: `python recbole_rank_eval.py --checkpoint=saved/<Model>-<time>.pth`."""

import sys

from recbole.commands.rank_eval_command import main

if __name__ == "__main__":
    sys.exit(main())

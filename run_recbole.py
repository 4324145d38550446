"""Train a model and test it: `python run_recbole.py --model=DCNV2 --dataset=ml-100k`."""

import sys

from recbole.commands.command_line import main

if __name__ == "__main__":
    sys.exit(main())

"""What RecBole's own run_recbole.py does, which its package does not ship."""

from __future__ import annotations

import argparse
import json

from recbole.quick_start import run_recbole

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--dataset")
    parser.add_argument("--config_files", nargs="+")
    arguments, _ = parser.parse_known_args()  # RecBole reads the others itself
    result = run_recbole(arguments.model, arguments.dataset, arguments.config_files)
    print(json.dumps(result["test_result"]))

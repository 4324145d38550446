"""The benchmarks are scripts, not a package of the project: their folder goes on the path."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"

sys.path.append(str(BENCHMARKS))

"""One model under several heads in one process, which train in turns, a batch each.

Two processes differ by several percent for reasons of their own (where their memory lies, what else
the machine does in their turn); steps that follow one another in one process do not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measure.our_driver import OurDriver
from recbole.model.cpu import tuned_cpu

sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))
from serve import serve


class HeadsDriver:
    """One model on one data set, once for each head."""

    def open(
        self,
        model: str,
        dataset: str,
        files: list[str],
        options: dict[str, Any],
        heads: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Read the data and build the model for each head: its name, and options besides."""
        self.drivers = {head: OurDriver() for head in heads}
        return {
            head: driver.open(model, dataset, files, {**options, **heads[head]})
            for head, driver in self.drivers.items()
        }

    @tuned_cpu()
    def train(self, steps: int) -> dict[str, Any]:
        """A batch under each head by turns, so many of each but no more than an epoch has.

        Returns rows and seconds under the head's name.
        """
        steps = min(steps, *(len(driver.train_data) for driver in self.drivers.values()))
        found = {head: {"rows": 0, "seconds": 0.0} for head in self.drivers}
        passes = {head: driver.batches_trained(steps) for head, driver in self.drivers.items()}
        for step in range(steps):
            order = list(passes) if step % 2 == 0 else list(passes)[::-1]
            for head in order:
                start = time.perf_counter()
                found[head]["rows"] += next(passes[head])
                found[head]["seconds"] += time.perf_counter() - start
        return found


if __name__ == "__main__":
    serve(HeadsDriver())

"""The statistics of the tables: means, their spread, relative change, and a paired test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from recbole.errors import ConfigError


@dataclass(frozen=True)
class Sample:
    """The values of one quantity over seeds.

    Attributes:
        values: by seed.
    """

    values: Mapping[int, float]

    @classmethod
    def known(cls, values: Mapping[int, float | None]) -> Sample:
        """Of values some of which are missing."""
        return cls({seed: value for seed, value in values.items() if value is not None})

    @property
    def mean(self) -> float | None:
        """The mean; None without values."""
        return fmean(self.values.values()) if self.values else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation (n − 1); None below two values."""
        return stdev(self.values.values()) if len(self.values) > 1 else None

    def only(self, seeds: Sequence[int]) -> Sample:
        """The values of some seeds."""
        return Sample({seed: self.values[seed] for seed in seeds})


@dataclass(frozen=True)
class Comparison:
    """Two samples under the same seeds, which draw the same split for both.

    Attributes:
        before, after: values of the seeds that both have.
    """

    before: Sample
    after: Sample

    @classmethod
    def of(cls, before: Sample, after: Sample) -> Comparison:
        """Two samples, cut to the seeds that they share."""
        shared = [seed for seed in before.values if seed in after.values]
        return cls(before.only(shared), after.only(shared))

    @property
    def seeds(self) -> list[int]:
        """The seeds that both samples have."""
        return list(self.before.values)

    @property
    def change(self) -> Sample:
        """How much larger the value after is under each seed."""
        return Sample({s: self.after.values[s] - self.before.values[s] for s in self.seeds})

    @property
    def change_percent(self) -> float | None:
        """The paper's Δ%: the change of the mean, relative to the mean before."""
        before, after = self.before.mean, self.after.mean
        return (
            None if before is None or after is None or before == 0 else 100 * (after / before - 1)
        )

    @property
    def p_value(self) -> float | None:
        """Of Student's paired test, two-sided; None below two seeds or without any spread."""
        spread = self.change.deviation
        if spread is None or math.isclose(spread, 0, abs_tol=1e-15):
            return None
        stats = _scipy_stats()
        before = [self.before.values[seed] for seed in self.seeds]
        after = [self.after.values[seed] for seed in self.seeds]
        return float(stats.ttest_rel(after, before).pvalue)


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError:
        raise ConfigError(
            "The report's tests need SciPy, which is not installed: pip install"
            ' "recbole-graded[report]"'
        ) from None
    return stats

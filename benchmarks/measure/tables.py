"""From the answers of sides to Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from measure.spread import Spread, geometric_mean, markdown, median_interval, ratio, ratios

Answers = Sequence[Mapping[str, Any]]  # of one side, a turn each


def rates(answers: Answers) -> list[float]:
    """Rows a second, turn by turn."""
    return [answer["rows"] / answer["seconds"] for answer in answers]


def seconds(answers: Answers) -> list[float]:
    """Seconds, turn by turn."""
    return [answer["seconds"] for answer in answers]


def others(sides: Mapping[str, Answers]) -> float:
    """The most cores that others kept busy in any turn."""
    return max(answer["others"] for answers in sides.values() for answer in answers)


def brief(sides: Mapping[str, Answers]) -> str:
    """A line of progress."""
    figures = (
        f"{name} {Spread.of(seconds(answers)).text('.2f')} s" for name, answers in sides.items()
    )
    return f"{'; '.join(figures)}; others {others(sides):.2f}"


def against_peers(
    found: Mapping[str, Mapping[str, Answers]], ours: Sequence[str], peers: Sequence[str]
) -> str:
    """Rows/s of every model under every side, ours as a multiple of the peer's, and its mean.

    Args:
        found: model -> side -> answers.
        ours: the names of this project's sides.
        peers: the names of the others; one that has not run a model is left out there.
    """
    header = ["model", "peer", "its rows/s", "here", "rows/s", "times as fast", "others"]
    rows: list[list[str]] = []
    means: dict[tuple[str, str], list[float]] = {}
    for model, sides in found.items():
        for peer, own in product([name for name in peers if name in sides], ours):
            theirs, mine = rates(sides[peer]), rates(sides[own])
            times = ratio(mine, theirs)
            means.setdefault((peer, own), []).append(times.median)
            rows.append([
                model, peer, Spread.of(theirs).text(), own, Spread.of(mine).text(),
                times.text(".2f"), f"{others(sides):.2f}",
            ])  # fmt: skip
    for (peer, own), medians in means.items():
        if len(medians) > 1:
            mean, lowest = geometric_mean(medians), min(medians)
            rows.append(["**geometric mean**", peer, "", own, "",
                         f"**{mean:.2f}** (least {lowest:.2f})", ""])  # fmt: skip
    return markdown(header, rows)


def head_costs(found: Mapping[str, Mapping[str, Answers]], binary: str, multi: str) -> str:
    """What the rating head adds to the time of training, of pairs of turns."""
    header = [
        "model", f"{binary} rows/s", f"{multi} rows/s", "cost in time", "95 % interval", "others",
    ]  # fmt: skip
    rows = []
    for model, sides in found.items():
        costs = ratios(seconds(sides[multi]), seconds(sides[binary]))
        speeds = [Spread.of(rates(sides[head])).text() for head in (binary, multi)]
        cost, sure = Spread.of(costs), median_interval(costs)
        rows.append([
            model, *speeds, f"{added(cost.median)} % ({added(cost.low)} to {added(cost.high)})",
            f"{added(sure[0])} to {added(sure[1])}" if sure else "too few turns",
            f"{others(sides):.2f}",
        ])  # fmt: skip
    return markdown(header, rows)


def added(cost: float) -> str:
    """A ratio as what is added to one, in percent: 1.05 is +5.0."""
    return f"{100 * (cost - 1):+.1f}"


def times(found: Mapping[str, Mapping[str, Answers]], own: str, peer: str, first: str) -> str:
    """Seconds of both sides, and how many times as long the peer takes."""
    header = [first, f"{peer}, s", f"{own}, s", "times as fast", "others"]
    rows = []
    for name, sides in found.items():
        theirs, mine = seconds(sides[peer]), seconds(sides[own])
        rows.append([
            name, Spread.of(theirs).text(".2f"), Spread.of(mine).text(".2f"),
            ratio(theirs, mine).text(".2f"), f"{others(sides):.2f}",
        ])  # fmt: skip
    return markdown(header, rows)

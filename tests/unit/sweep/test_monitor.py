"""What a sweep tells of itself."""

import pytest

from recbole.sweep.cell import Cell
from recbole.sweep.monitor import duration, time_left
from recbole.sweep.table import FAILED, Row


def row(model, seconds, status="finished", dataset="d"):
    return Row("k", model, dataset, 1, "", "", status=status, seconds=seconds)


def cells(*models):
    return [Cell(model, "d", number) for number, model in enumerate(models)]


def test_time_left_goes_by_runs_alike():
    ended = [row("A", 10), row("A", 20), row("B", 100), row("A", 9999, dataset="other")]
    assert time_left(cells("A", "A"), ended, jobs=1) == pytest.approx(30)
    assert time_left(cells("A", "B"), ended, jobs=1) == pytest.approx(115)


def test_an_unknown_model_lasts_as_long_as_all():
    assert time_left(cells("C"), [row("A", 10), row("B", 30)], jobs=1) == pytest.approx(20)


def test_several_at_a_time():
    ended = [row("A", 10)]
    assert time_left(cells("A", "A", "A", "A"), ended, jobs=2) == pytest.approx(20)
    assert time_left(cells("A"), ended, jobs=4) == pytest.approx(10)  # no shorter than the longest


def test_nothing_is_known_before_a_run_has_ended():
    assert time_left(cells("A"), [row("A", 3, FAILED)], jobs=1) is None
    assert time_left([], [row("A", 3)], jobs=1) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.4, "4 s"), (89, "89 s"), (90, "2 min"), (5100, "85 min"), (12000, "3 h 20 min")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words

import os

import pytest
from measure import contention
from measure.contention import Watch, busy_ticks, is_disturbed, ticks_of

STAT = "cpu  100 20 30 4000 50 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n"


def test_busy_is_all_but_idle_and_waiting():
    assert busy_ticks(STAT, niced=True) == 100 + 20 + 30 + 6 + 7 + 8


def test_without_niced_work_the_kernel_is_left_out_too():
    assert busy_ticks(STAT, niced=False) == 100 + 6 + 7 + 8


def test_the_ticks_of_a_process_whose_name_has_spaces_and_brackets():
    fields = " ".join(str(number) for number in range(4, 30))
    assert ticks_of(f"17 (a (strange) name) S {fields}") == 14 + 15 + 16 + 17


def test_others_are_what_the_measured_did_not_use(monkeypatch, tmp_path):
    stat, tick = tmp_path / "stat", os.sysconf("SC_CLK_TCK")
    clock, own = [0.0], [0.0]
    monkeypatch.setattr(contention, "_STAT", stat)
    monkeypatch.setattr(contention.time, "perf_counter", lambda: clock[0])
    stat.write_text("cpu 0 0 0 0 0 0 0 0\n")
    watch = Watch(lambda: own[0])
    stat.write_text(f"cpu {8 * tick} {2 * tick} 0 0 0 0 0 0\n")
    clock[0], own[0] = 4.0, 6.0
    assert watch.others() == pytest.approx((8 + 2 - 6) / 4)


def test_a_machine_that_does_not_tell_is_not_called_disturbed(monkeypatch, tmp_path):
    monkeypatch.setattr(contention, "_STAT", tmp_path / "missing")
    others = Watch().others()
    assert others != others
    assert not is_disturbed(others, threads=1)


def test_others_may_have_the_cores_that_a_measurement_leaves(monkeypatch):
    monkeypatch.setattr(contention.os, "cpu_count", lambda: 4)
    assert not is_disturbed(3.1, threads=1)
    assert is_disturbed(3.2, threads=1)
    assert not is_disturbed(0.1, threads=None)
    assert is_disturbed(0.2, threads=None)

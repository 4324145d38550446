import json
import sys

import pytest
from measure import sides
from measure.sides import PEERS, Driver, DriverError, Side, alternate, with_threads

FAKE = f"""
import os, sys
sys.path.insert(0, {str(PEERS)!r})
from serve import TimedPass, serve

class Fake:
    def open(self, options): print("chatter"); return {{"options": options}}
    def variable(self, name): return {{"value": os.environ.get(name)}}
    def folder(self): return {{"folder": os.getcwd()}}
    def fail(self): raise ValueError("no such thing")

serve(Fake())
"""


@pytest.fixture
def driver(tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(FAKE)
    return Driver("fake", sys.executable, script, {"COLOUR": "blue"}, {"size": 2})


def test_a_side_answers_and_its_own_options_win(driver):
    with Side(driver) as side:
        answer = side.open({"options": {"size": 1, "depth": 3}})
    assert answer["options"] == {"size": 2, "depth": 3}
    assert answer["peak_mib"] > 1
    assert "others" in answer


def test_a_side_has_its_variables_its_threads_and_a_folder_that_goes_away(driver):
    with Side(driver, threads=3) as side:
        assert side.ask("variable", name="COLOUR")["value"] == "blue"
        assert side.ask("variable", name="OMP_NUM_THREADS")["value"] == "3"
        folder = side.ask("folder")["folder"]
        assert sides.Path(folder).is_dir()
    assert not sides.Path(folder).exists()


def test_a_side_that_fails_says_why(driver):
    with (
        Side(driver) as side,
        pytest.raises(DriverError, match=r"fake.*'fail'(.|\n)*no such thing"),
    ):
        side.ask("fail")


def test_threads_are_left_alone_where_none_are_asked_for(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "OMP_NUM_THREADS" not in with_threads({}, None)


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(sides, "wait_until_quiet", lambda patience, threads: None)


def test_turns_go_forwards_and_backwards(quiet):
    order = []

    def turn(name):
        return lambda: order.append(name) or {"others": 0.0}

    found = alternate({"a": turn("a"), "b": turn("b")}, repeats=3, patience=0, threads=None)
    assert "".join(order) == "abbaab"
    assert {name: len(answers) for name, answers in found.items()} == {"a": 3, "b": 3}


def test_a_disturbed_round_is_asked_again_on_all_sides(quiet):
    others = iter([0.0, 5.0, 0.0, 0.0])
    number = iter(range(10))

    def turn():
        return {"others": next(others), "number": next(number)}

    found = alternate({"a": turn, "b": turn}, repeats=1, patience=0, threads=None)
    assert [answer["number"] for answer in (*found["a"], *found["b"])] == [2, 3]


def test_a_machine_that_never_rests_is_put_up_with(quiet):
    turns = []
    found = alternate(
        {"a": lambda: turns.append(1) or {"others": 5.0}}, repeats=2, patience=0, threads=None
    )
    assert len(found["a"]) == 2
    assert len(turns) == 4


def test_a_pass_over_a_loader_is_timed_until_it_is_used_up(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    import serve

    clock = [0.0]
    monkeypatch.setattr(serve.time, "perf_counter", lambda: clock[0])
    loader = serve.TimedPass([1, 2])
    for _ in loader:
        clock[0] += 1.5
    assert loader.seconds == 3.0
    assert len(loader) == 2
    assert loader.index(2) == 1  # what else the loader can do, it still can


def test_requests_are_one_line_each(driver):
    with Side(driver) as side:
        assert side.ask("variable", name="a\nb")["value"] is None
        assert json.dumps("a\nb") == '"a\\nb"'


def test_no_side_inherits_a_path_to_this_package(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "here")
    assert "PYTHONPATH" not in with_threads({}, None)
    assert with_threads({"PYTHONPATH": "own"}, None)["PYTHONPATH"] == "own"

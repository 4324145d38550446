"""Sweeps in one process and in several: what is run, what is not, what is told."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recbole.commands.command_line import main
from recbole.config import Config
from recbole.errors import DataError, RecBoleError
from recbole.quick_start.rank_eval import RankResult
from recbole.sweep import run, worker
from recbole.sweep.cell import Cell
from recbole.sweep.grid import Grid
from recbole.sweep.measures import MEASURES, Trained, ranking, robustness
from recbole.sweep.plan import make_plan
from recbole.sweep.sweep import SweepInterrupted, _Crew, sweep
from recbole.sweep.table import FAILED, ResultsTable, Row
from recbole.trainer import Trainer
from recbole.trainer.interruption import Interruption, TrainingInterrupted

sweep_module = import_module("recbole.sweep.sweep")


@pytest.fixture
def results(tmp_path):
    return ResultsTable(tmp_path / "results")


def cells(toy, seeds=(1, 2), models=("WideDeep",), **options):
    options = {**toy, "mlp_hidden_size": [8], "epochs": 2, **options}
    return [Cell(model, "toy", seed, "v", options) for seed in seeds for model in models]


def plan_of(some, table, **chosen):
    return make_plan(some, table, **chosen)


def trainings(table):
    """How often each cell was begun, by its log."""
    return {
        path.parent.name: path.read_text().count("python run_recbole.py")
        for path in table.folder.glob("runs/*/run.log")
    }


def test_a_sweep_leaves_rows(toy, results):
    plan = plan_of(cells(toy), results)
    worker.work(plan, results)
    rows = results.rows()
    assert {row.key for row in rows} == set(plan.cells)
    for row in rows:
        assert row.status == "finished" and row.error is None
        record = json.loads((results.folder / row.record).read_text())
        assert row.test == record["test_result"] and "auc" in row.test
        assert row.valid == record["best_valid_result"]
        assert row.best_epoch == record["best_epoch"] and row.epochs == 2
        seconds = [epoch["train_seconds"] for epoch in record["epochs"]]
        assert row.seconds_per_epoch == pytest.approx(sum(seconds) / 2)
        valid = [epoch["valid_seconds"] for epoch in record["epochs"]]
        assert row.seconds_training == pytest.approx(sum(seconds) + sum(valid))
        assert row.pid == os.getpid() and row.host and row.versions["torch"]
        assert (results.folder / row.checkpoint).is_file()
        assert f"--seed={row.seed}" in row.command
    assert rows[0].test != rows[1].test
    assert results.claims.holders() == {}


def test_what_has_finished_is_not_run_again(toy, results):
    worker.work(plan_of(cells(toy), results), results)
    before = {row.key: row for row in results.rows()}
    worker.work(plan_of(cells(toy, seeds=(1, 2, 3)), results), results)
    after = {row.key: row for row in results.rows()}
    assert len(after) == 3
    assert all(after[key] == row for key, row in before.items())
    assert set(trainings(results).values()) == {1}


def test_the_command_of_a_row_gives_its_result(toy, results, capsys):
    import shlex

    worker.work(plan_of(cells(toy, seeds=[1]), results), results)
    (row,) = results.rows()
    capsys.readouterr()
    assert main(shlex.split(row.command)[2:]) == 0
    printed = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert {f"test {name}": value for name, value in row.test.items()} == {
        name: pytest.approx(float(value)) for name, value in printed.items()
    }


def test_files_are_read_once_for_runs_that_prepare_them_alike(toy, results, monkeypatch):
    read = []
    plain = run.create_dataset
    monkeypatch.setattr(run, "create_dataset", lambda c: read.append(c.data) or plain(c))
    worker.work(plan_of(cells(toy, models=("WideDeep", "NFM")), results), results)
    assert len(read) == 1
    other = cells(toy, val_interval={"rating": "[2,inf)"})
    worker.work(plan_of(other, results), results)
    assert len(read) == 2


def test_runs_of_a_sweep_equal_runs_alone(toy, results):
    """Sharing the data set must not leak from one run into the next."""
    from recbole.quick_start import run_recbole

    worker.work(plan_of(cells(toy, seeds=(1, 2)), results), results)
    for row in results.rows():
        options = {**toy, "mlp_hidden_size": [8], "epochs": 2, "seed": row.seed}
        assert run_recbole("WideDeep", "toy", config_dict=options)["test_result"] == row.test


def test_a_failure_stops_nothing_and_is_retried_on_request(toy, results, monkeypatch):
    plain = Trainer.fit
    broken = {1}

    def fit(self, *args, **kwargs):
        if self.config.environment.seed in broken:
            raise RuntimeError("no luck")
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "fit", fit)
    some = cells(toy)
    worker.work(plan_of(some, results), results)
    failed, finished = sorted(results.rows(), key=lambda row: row.seed)
    assert (failed.status, failed.error, failed.attempt) == ("failed", "RuntimeError: no luck", 1)
    assert finished.status == "finished"
    assert "Traceback" in (results.run_folder(failed.key) / "run.log").read_text()

    broken.clear()
    worker.work(plan_of(some, results), results)
    assert results.row(failed.key) == failed  # not without being asked
    worker.work(plan_of(some, results, retry=True), results)
    mended = results.row(failed.key)
    assert (mended.status, mended.error, mended.attempt) == ("finished", None, 2)
    assert results.row(finished.key) == finished


def test_a_retried_failure_is_tried_once(toy, results, monkeypatch):
    def fit(self, *args, **kwargs):
        raise RuntimeError("never")

    monkeypatch.setattr(Trainer, "fit", fit)
    some = cells(toy, seeds=[1])
    for attempt in (1, 2):
        worker.work(plan_of(some, results, retry=True), results)
        (row,) = results.rows()
        assert row.attempt == attempt


def test_what_is_due(toy, results):
    plan = plan_of([cells(toy)[0].with_measures(["ranking"])], results)
    (key,) = plan.cells
    finished = Row(key, "WideDeep", "toy", 1, "v", "c", measures={"ranking": {"test": {}}})
    failed = replace(finished, status="failed", attempt=2, measures={})
    unmeasured = replace(finished, measures={"ranking": {"error": "no luck"}})
    assert plan.is_due(key, None) and not plan.is_due(key, finished)
    assert plan.is_due(key, replace(finished, measures={}))
    assert not plan.is_due(key, failed) and not plan.is_due(key, unmeasured)
    again = replace(plan, retry=True, attempts={key: 2})
    assert again.is_due(key, failed) and again.is_due(key, unmeasured)
    assert not again.is_due(key, replace(failed, attempt=3))  # one of this very sweep


def test_what_ends_between_look_and_claim_is_not_run(toy, results, monkeypatch):
    plan = plan_of(cells(toy, seeds=[1]), results)
    plain = results.claims.take

    def take(key):
        results.put(Row(key, "WideDeep", "toy", 1, "by another", "c"))
        return plain(key)

    monkeypatch.setattr(results.claims, "take", take)
    worker.work(plan, results)
    assert [row.variant for row in results.rows()] == ["by another"]


def test_a_measure_can_be_asked_for_later(toy, results):
    some = cells(toy, seeds=[1])
    worker.work(plan_of(some, results), results)
    (bare,) = results.rows()
    assert bare.measures == {}
    worker.work(plan_of([cell.with_measures(["ranking"]) for cell in some], results), results)
    (row,) = results.rows()
    assert set(row.measures["ranking"]["test"]) == {
        "ndcg@10",
        "ndcg@20",
        "recall@10",
        "recall@20",
    }
    assert row.test == bare.test and row.started == bare.started
    log = (results.run_folder(row.key) / "run.log").read_text()
    assert log.count("epoch 0 training") == 1


def broken(trained):
    raise ValueError(trained.checkpoint.suffix)


def test_a_measure_that_fails_leaves_the_run_finished(toy, results, monkeypatch):
    monkeypatch.setitem(MEASURES, "odd", f"{__name__}:broken")
    some = [cell.with_measures(["odd"]) for cell in cells(toy, seeds=[1])]
    worker.work(plan_of(some, results), results)
    (row,) = results.rows()
    assert row.status == "finished"
    assert row.measures["odd"] == {"error": "ValueError: .pth"}


def test_a_measure_that_fails_again_is_told_and_ends(toy, results, monkeypatch, capsys):
    monkeypatch.setitem(MEASURES, "odd", f"{__name__}:broken")
    (results.folder.parent / "grid.yaml").write_text(
        json.dumps({"options": {**toy, "mlp_hidden_size": [8], "epochs": 1}, "measures": ["odd"]})
    )
    some = Grid.read("grid.yaml").with_command_line(["--model=WideDeep", "--dataset=toy"]).cells()
    for attempt in (1, 2, 3):
        plan = plan_of(some, results, retry=True)
        worker.work(plan, results)
        (row,) = results.rows()
        assert row.attempt == attempt and row.measures["odd"] == {"error": "ValueError: .pth"}
        assert not plan.is_due(row.key, row)
    command = ["sweep", "grid.yaml", "--model=WideDeep", "--dataset=toy", "--results=results"]
    assert main([*command, "--retry"]) == 1
    assert "odd" in capsys.readouterr().err
    assert main([*command, "--measures", "ranking"]) == 0  # nobody asks for the odd one any more


def test_a_measure_needs_the_checkpoint(toy, results):
    """`results.parquet` is handed on without."""
    some = cells(toy, seeds=[1])
    worker.work(plan_of(some, results), results)
    (row,) = results.rows()
    (results.folder / row.checkpoint).unlink()
    worker.work(plan_of([cell.with_measures(["ranking"]) for cell in some], results), results)
    error = results.row(row.key).measures["ranking"]["error"]
    assert error.startswith(f"Checkpoint {results.folder / row.checkpoint} and its record are not")
    advice = re.search(r"Remove (\S+) to have the run trained again", error)
    Path(advice[1]).unlink()
    worker.work(plan_of([cell.with_measures(["ranking"]) for cell in some], results), results)
    assert "error" not in results.row(row.key).measures["ranking"]


@pytest.mark.parametrize(("use_gpu", "device"), [(False, "cpu"), (True, None)])
def test_a_run_is_measured_where_it_may_compute(monkeypatch, use_gpu, device):
    asked = []
    result = RankResult(Path("a.pth"), Config("NFM", "toy"), "test", "uni100", 1, "", {}, {})
    monkeypatch.setattr(
        "recbole.quick_start.rank_eval.rank_eval",
        lambda paths, read, device: asked.append(device) or [result],
    )
    monkeypatch.setattr(
        "recbole.quick_start.measurements.robustness",
        lambda paths, read, device: asked.append(device) or [{}],
    )
    trained = Trained(Path("a.pth"), {"config": {"use_gpu": use_gpu}}, lambda config: None)
    ranking(trained)
    robustness(trained)
    assert asked == [device, device]


def test_seconds_add_up(toy, results):
    some = cells(toy, seeds=[1])
    worker.work(plan_of(some, results), results)
    (row,) = results.rows()
    results.put(replace(row, seconds=1000.0))
    worker.work(plan_of([cell.with_measures(["ranking"]) for cell in some], results), results)
    assert 1000 < results.row(row.key).seconds < 1100


@pytest.mark.parametrize("step", [3, 9])
def test_an_interrupted_run_goes_on(toy, tmp_path, monkeypatch, step):
    """Steps: within the first epoch, and in the second."""
    whole, cut = ResultsTable(tmp_path / "whole"), ResultsTable(tmp_path / "cut")
    some = cells(toy, seeds=[1])
    worker.work(plan_of(some, whole), whole)
    with monkeypatch.context() as patch:
        plain, count = Trainer._step, iter(range(10**9))

        def _step(self, batch):
            if next(count) == step:
                os.kill(os.getpid(), signal.SIGTERM)
            return plain(self, batch)

        patch.setattr(Trainer, "_step", _step)
        with pytest.raises(TrainingInterrupted):
            worker.work(plan_of(some, cut), cut)
    assert cut.rows() == [] and cut.claims.holders() == {}
    worker.work(plan_of(some, cut), cut)
    (row,), (expected,) = cut.rows(), whole.rows()
    assert row.resumed and not expected.resumed
    record = json.loads((cut.folder / row.record).read_text())
    assert row.seconds >= record["seconds"] > row.seconds_training
    assert (row.test, row.valid, row.epochs) == (expected.test, expected.valid, expected.epochs)


def test_what_another_process_has_taken_over_is_dropped(toy, results):
    (cell,) = cells(toy, seeds=[1])
    plan = plan_of([cell], results)
    (key,) = plan.cells
    claim = results.claims.take(key)
    claim.release()
    other = results.claims.take(key)
    with pytest.raises(run.Lost):
        run.run_cell(cell, key, claim, results, run.LastDataset().read)
    assert results.rows() == []
    other.release()


@pytest.mark.parametrize("moment", ["_validate", "_finish", "evaluate"])
def test_what_has_lost_its_claim_writes_no_more(toy, results, monkeypatch, moment):
    """As where another machine has taken over a process that was asleep."""
    (cell,) = cells(toy, seeds=[1], epochs=2, eval_step=2)
    (key,) = plan_of([cell], results).cells
    claim, plain, seen = results.claims.take(key), getattr(Trainer, moment), {}

    def files():
        folder = results.run_folder(key)
        return {path: path.read_bytes() for path in folder.iterdir() if path.suffix != ".log"}

    def lose_it(self, *given, **named):
        if self.epoch == 2 and not seen:
            seen.update(files())
            other = claim.path.with_name(f"{key}.{claim.generation + 1}")
            other.write_text(claim.path.read_text())
        return plain(self, *given, **named)

    monkeypatch.setattr(Trainer, moment, lose_it)
    with pytest.raises(run.Lost):
        run.run_cell(cell, key, claim, results, run.LastDataset().read)
    assert seen and files() == seen
    assert results.rows() == []


def test_a_checkpoint_without_the_state_to_go_on_from_is_no_obstacle(toy, results, monkeypatch):
    """What a killed run leaves under save_step: the best weights, and not how training stood."""
    some = cells(toy, seeds=[1], epochs=3, save_step=0)
    plan = plan_of(some, results)
    (key,) = plan.cells
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_finish", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        killed = multiprocessing.get_context("fork").Process(
            target=worker.work, args=(plan, results)
        )
        killed.start()
        killed.join()
    assert killed.exitcode == -signal.SIGKILL
    (left,) = results.run_folder(key).glob("*.pth")
    worker.work(plan, results)
    row = results.row(key)
    assert row.status == "finished" and not row.resumed and row.epochs == 3
    assert (results.folder / row.checkpoint).name != left.name or not left.exists()


def test_data_that_changes_under_a_sweep_is_noticed(toy, results, tmp_path):
    plan = plan_of(cells(toy), results)
    first = dict(list(plan.cells.items())[:1])
    worker.work(replace(plan, cells=first), results)
    users = tmp_path / "dataset" / "toy" / "toy.user"
    users.write_text(users.read_text().replace("150", "151"))
    worker.work(plan, results)
    finished, failed = sorted(results.rows(), key=lambda row: row.seed)
    assert (finished.status, failed.status) == ("finished", "failed")
    assert "the data has changed since the sweep began" in failed.error


def test_a_damaged_checkpoint_is_no_obstacle(toy, results):
    some = cells(toy, seeds=[1])
    plan = plan_of(some, results)
    (key,) = plan.cells
    folder = results.run_folder(key)
    folder.mkdir(parents=True)
    (folder / "WideDeep-1.pth").write_bytes(b"half a file")
    (folder / "WideDeep-1.json").write_text("{}")
    (folder / ".WideDeep-1.pth.99").write_bytes(b"left by a killed process")
    worker.work(plan, results)
    (row,) = results.rows()
    assert row.status == "finished" and not row.resumed
    assert len(list(folder.glob("*.pth"))) == 1
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("text", ["{", '{"key": "ab12"}', "[1]"])
def test_a_damaged_row_is_named(results, text):
    (results.rows_folder / "ab12.json").write_text(text)
    with pytest.raises(DataError, match=r"ab12\.json: .*remove the file"):
        results.row("ab12")


def test_the_exported_table(toy, results):
    row = Row("aa", "DCNV2", "toy", 1, "v", "c", test={"auc": 0.5}, valid={"auc": 1})
    results.put(row)
    results.put(replace(row, key="bb", status="failed", error="x", test={}, valid={"auc": 0.5}))
    results.claims.take("cc")
    results.claims.take("aa")  # its holder has written the row, and is about to let go
    table = pq.read_table(results.export()).to_pylist()
    by_key = {line["key"]: line for line in table}
    assert len(table) == 3
    assert by_key["aa"]["test_auc"] == 0.5 and by_key["aa"]["valid_auc"] == 1
    assert by_key["bb"]["test_auc"] is None and by_key["bb"]["error"] == "x"
    assert by_key["cc"]["status"] == "running" and by_key["cc"]["pid"] == os.getpid()


# --- processes ---------------------------------------------------------------------------------


def test_the_command_runs_in_processes_and_sums_up(toy, results, capsys):
    (results.folder.parent / "grid.yaml").write_text(
        json.dumps({"options": {**toy, "mlp_hidden_size": [8], "epochs": 1}, "measures": []})
    )
    command = ["sweep", "grid.yaml", "--model=WideDeep", "--dataset=toy", "--seed=1,2"]
    command += ["--results=results", "--jobs=2"]
    assert main(command) == 0
    said = capsys.readouterr()
    assert "[2/2]" in said.err and "2 of 2 runs have ended, 2 of them now" in said.out
    assert len(results.rows()) == 2 and (results.folder / "results.parquet").is_file()
    assert {row.pid for row in results.rows()} != {os.getpid()}
    assert main([*command, "--learning_rate=-1"]) == 2
    assert "toy WideDeep seed 1" in capsys.readouterr().err


def test_variants_are_compared_with_a_baseline_seed_by_seed(toy, results, capsys):
    """Rows that nobody ran: seed 3 is without a baseline, so that it does not count."""
    aucs = {("low", 1): 0.70, ("low", 2): 0.72, ("high", 1): 0.71, ("high", 2): 0.75}
    aucs[("high", 3)] = 0.90
    grid = {
        "grid": {"model": "WideDeep", "dataset": "toy", "seed": [1, 2, 3]},
        "variants": {"low": {"learning_rate": 0.1}, "high": {"learning_rate": 0.2}},
        "options": {**toy, "epochs": 1},
        "measures": [],
        "baseline": "low",
    }
    (results.folder.parent / "grid.yaml").write_text(json.dumps(grid))
    for key, cell in make_plan(Grid.read("grid.yaml").cells(), results).cells.items():
        row = Row(key, "WideDeep", "toy", cell.seed, cell.variant, "c", epochs=1)
        auc = aucs.get((cell.variant, cell.seed))
        results.put(
            replace(row, status=FAILED, error="no luck")
            if auc is None
            else replace(row, test={"auc": auc})
        )
    command = ["sweep", "grid.yaml", "--results=results"]
    assert main(command) == 1  # of seed 3
    said = capsys.readouterr().out
    assert re.search(r"high +│ 3 +│ 0\.7867 ± 0\.1002 │", said)
    _, _, changes = said.partition("against low, seed by seed")
    assert re.search(r"toy +│ WideDeep │ high +│ 2 +│ \+0\.0200 ± 0\.0141 │", changes)
    assert "low" not in changes

    assert main([*command, "--baseline=high"]) == 1
    _, _, changes = capsys.readouterr().out.partition("against high, seed by seed")
    assert re.search(r"low +│ 2 +│ -0\.0200 ± 0\.0141 │", changes)

    assert main([*command, "--variant", "high"]) == 0  # which leaves nothing to compare with
    assert "against" not in capsys.readouterr().out


def test_a_run_that_fails_is_told_and_the_status_is_1(toy, results, capsys):
    """A learning rate that diverges at once; the other run is done."""
    (results.folder.parent / "grid.yaml").write_text(
        json.dumps({"options": {**toy, "mlp_hidden_size": [8], "epochs": 1}, "measures": []})
    )
    command = ["sweep", "grid.yaml", "--model=WideDeep", "--dataset=toy", "--results=results"]
    assert main([*command, "--learning_rate=1e-3,1e38", "--learner=sgd"]) == 1
    said = capsys.readouterr().err
    assert "learning_rate=1e+38 seed 2020 failed: The training loss became NaN" in said
    assert sorted(row.status for row in results.rows()) == ["failed", "finished"]


@pytest.mark.parametrize(("asked", "share"), [({"OMP_NUM_THREADS": "1"}, 8), ({}, 1)])
def test_a_share_of_the_cores_is_no_more_than_was_asked_for(asked, share):
    script = f"from recbole.sweep.worker import use_threads; use_threads({share})"
    plain = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", f"{script}; import torch; print(torch.get_num_threads())"],
        env={**plain, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"


def test_a_process_that_is_killed_fails_its_cell_alone(toy, results, monkeypatch):
    """As the system does where memory runs out."""
    some = cells(toy, epochs=2000, seeds=[1]) + cells(toy, epochs=1, seeds=[2])
    plan = plan_of(some, results)
    keys = list(plan.cells)
    killed = []

    def kill(monitor):
        holder = results.claims.holders().get(keys[0])
        if holder is not None and not killed:
            killed.append(holder.pid)
            os.kill(holder.pid, signal.SIGKILL)

    monitor = sweep(plan, results, jobs=1, say=lambda line: None, on_poll=kill)
    assert killed
    (failed,) = monitor.failed
    assert failed.key == keys[0] and "SIGKILL (often: out of memory)" in failed.error
    assert results.row(keys[1]).status == "finished"


def test_a_process_that_is_asked_to_end_is_replaced_and_its_cell_gone_on_with(toy, results):
    """As an administrator does; the one beside it goes on undisturbed."""
    some = cells(toy, epochs=300, eval_step=0)
    plan = plan_of(some, results)
    key = next(iter(plan.cells))
    asked = []

    def ask(monitor):
        holder = results.claims.holders().get(key)
        begun = list(results.run_folder(key).glob("*.pth"))
        if holder is not None and begun and not asked:
            asked.append(holder.pid)
            os.kill(holder.pid, signal.SIGTERM)

    monitor = sweep(plan, results, jobs=2, say=lambda line: None, on_poll=ask)
    assert asked and not monitor.failed
    row = results.row(key)
    assert row.resumed and row.epochs == 300 and row.pid != asked[0]
    assert trainings(results)[next(k for k in plan.cells if k != key)] == 1


def test_a_process_that_dies_of_a_measure_is_told_once(toy, results, monkeypatch):
    plan = plan_of([cell.with_measures(["norms"]) for cell in cells(toy, seeds=[1])], results)
    (key,) = plan.cells
    tried = replace(plan, retry=True, attempts={key: 1})
    results.put(Row(key, "WideDeep", "toy", 1, "v", "c", measures={"norms": {"error": "no luck"}}))
    dead = multiprocessing.get_context("fork").Process(target=results.claims.take, args=(key,))
    dead.start()
    dead.join()
    assert tried.is_due(key, results.row(key))
    monkeypatch.setattr(_Crew, "_start", lambda self: None)
    crew = _Crew(tried, results, size=1)
    assert crew._report(dead, "the process was ended by SIGKILL")
    row = results.row(key)
    assert row.measures["norms"] == {"error": "the process was ended by SIGKILL"}
    assert row.status == "finished" and not tried.is_due(key, row)


def test_processes_that_come_to_nothing_end_the_sweep(toy, results, monkeypatch):
    """A module that cannot be imported, for instance."""
    monkeypatch.setattr(worker, "main", os._exit)  # with the plan for a status: a TypeError
    with pytest.raises(RecBoleError, match=r"3 processes of the sweep came to no cell.*status 1"):
        sweep(plan_of(cells(toy), results), results, jobs=1, say=lambda line: None)


def test_levels_of_one_seed_are_not_those_of_another(toy):
    """Edges are learned on the training part, which the seed draws."""
    options = {**toy, "rating_bins": {"method": "edges", "edges": [2.0, 4.0]}, "multi_cls": 3}
    options["threshold"] = {"rating": "level 3"}
    configs = [Config("WideDeep", "toy", config_dict={**options, "seed": s}) for s in (1, 1, 2)]
    last = run.LastDataset()
    one, again, other = (last.read(config) for config in configs)
    assert one is again
    assert one is not other
    assert other.settings["seed"] == 2


def test_a_signal_to_all_processes_is_an_interruption(toy, results, monkeypatch):
    """They may have ended by it before it is looked at here."""

    def dead(crew):
        raise RecBoleError("a process of the sweep came to no cell")

    @contextmanager
    def interrupted():
        interruption = Interruption()
        interruption.signal = signal.SIGTERM
        yield interruption

    monkeypatch.setattr(_Crew, "watch", dead)
    monkeypatch.setattr(sweep_module, "interruptible", interrupted)
    with pytest.raises(SweepInterrupted) as found:
        sweep(plan_of(cells(toy), results), results, jobs=1, say=lambda line: None)
    assert found.value.exit_code == 128 + signal.SIGTERM

"""The search: RecBole's parameter files, trials of a study, the best settings as a file."""

import math
import re
import signal
from dataclasses import replace

import optuna
import pytest

from recbole.commands.command_line import main
from recbole.config import Config
from recbole.config.yaml_values import read_file
from recbole.errors import ConfigError, TrainingDivergedError
from recbole.quick_start import run_recbole
from recbole.sweep import search as search_module
from recbole.sweep.cell import Cell
from recbole.sweep.search import Search, best_settings, default_storage, search, work
from recbole.sweep.search_space import Parameter, read_space
from recbole.trainer.interruption import TrainingInterrupted

HYPER_TEST = """\
# as RecBole's users write it
learning_rate loguniform -8,0
dropout_prob uniform 0.0, 0.5

embedding_size quniform 8,64,8
reg_weight quniform 0,1,0.25
mlp_hidden_size choice ['[64,64]','[128, 128]']
learner choice ["adam", "adamw"]
weight_decay choice [0, 1e-4]
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "hyper.test"
        path.write_text(text)
        return path

    return write


def test_recboles_syntax(file):
    space = {p.name: p for p in read_space(file(HYPER_TEST))}
    assert list(space) == [
        "learning_rate",
        "dropout_prob",
        "embedding_size",
        "reg_weight",
        "mlp_hidden_size",
        "learner",
        "weight_decay",
    ]
    assert space["learning_rate"] == Parameter("learning_rate", "loguniform", (-8, 0))
    assert space["dropout_prob"].values == (0.0, 0.5)
    assert space["mlp_hidden_size"].values == ([64, 64], [128, 128])
    assert space["weight_decay"].values == (0, 1e-4)


def test_what_is_proposed_lies_in_its_range(file):
    space = read_space(file(HYPER_TEST))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = {p.name: [] for p in space}
    for _ in range(300):
        trial = study.ask()
        for parameter in space:
            drawn[parameter.name].append(parameter.suggest(trial))
    rates = drawn["learning_rate"]
    assert math.exp(-8) <= min(rates) < math.exp(-7.5) and math.exp(-0.5) < max(rates) <= 1
    assert 0.4 < sum(rate < math.exp(-4) for rate in rates) / 300 < 0.6  # even in the logarithm
    assert set(drawn["embedding_size"]) == set(range(8, 65, 8))
    assert {type(value) for value in drawn["embedding_size"]} == {int}
    assert set(drawn["reg_weight"]) == {0, 0.25, 0.5, 0.75, 1}
    assert min(drawn["dropout_prob"]) >= 0 and max(drawn["dropout_prob"]) <= 0.5
    assert [64, 64] in drawn["mlp_hidden_size"] and [128, 128] in drawn["mlp_hidden_size"]
    assert set(drawn["learner"]) == {"adam", "adamw"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a choice", "hyper.test, line 1: expected '<option> <kind> <range>'"),
        ("\na chose [1]", "line 2: expected choice, .* got 'chose'. Did you mean 'choice'"),
        ("a choice 3", "line 1: expected a list of choices, got '3'"),
        ("a choice [1,1]", "line 1: expected different choices"),
        ("a uniform 1", "line 1: expected 2 numbers with commas, got '1'"),
        ("a uniform x,y", "line 1: expected 2 numbers"),
        ("a uniform 2,1", "line 1: expected the lower bound first"),
        ("a loguniform 1,1000", "line 1: loguniform takes natural logarithms, .* e\\^-8 to 1"),
        ("a loguniform -1000,1", "line 1: loguniform .*expected bounds from -700 to 700"),
        ("a quniform 1,2,0", "line 1: expected a step above 0"),
        ("a uniform 1,2\na uniform 1,2", "line 2: 'a' stands twice"),
        ("# nothing\n", "expected at least one line"),
    ],
)
def test_malformed_lines(file, text, message):
    with pytest.raises(ConfigError, match=message):
        read_space(file(text))


# --- studies -----------------------------------------------------------------------------------


@pytest.fixture
def wanted(toy, tmp_path, file):
    options = {**toy, "mlp_hidden_size": [8], "epochs": 2, "stopping_step": 5}
    (tmp_path / "found").mkdir()
    return Search(
        cell=Cell("WideDeep", "toy", 1, options=options),
        space=read_space(file("learning_rate loguniform -7,-2\ndropout_prob choice [0.0,0.5]")),
        storage=default_storage(tmp_path / "found"),
        study="s",
        trials=4,
    )


def test_the_best_settings_give_the_best_score(wanted, tmp_path):
    said = []
    study = search(wanted, jobs=1, threads=1, say=said.append)
    assert len(study.trials) == 4 and len(said) == 4
    values = [trial.value for trial in study.trials if trial.state.name == "COMPLETE"]
    assert study.best_value == max(values) and len(set(values)) > 1
    path = best_settings(wanted, study, tmp_path / "best.yaml")
    settings = read_file(path)
    assert settings["learning_rate"] == study.best_params["learning_rate"]
    assert settings["dropout_prob"] == float(study.best_params["dropout_prob"])
    assert not set(settings) & {"use_gpu", "show_progress", "checkpoint_dir"}
    assert Config("WideDeep", "toy", [path]).notes == []
    config_dict = {"use_gpu": False, "log_tensorboard": False}
    again = run_recbole("WideDeep", "toy", [path], config_dict)
    assert again["best_valid_score"] == study.best_value


def test_a_study_is_gone_on_with_and_never_overfilled(wanted):
    search(wanted, jobs=1, threads=1)
    assert len(search(wanted, jobs=1, threads=1).trials) == 4
    more = Search(**{**vars(wanted), "trials": 6})
    assert len(search(more, jobs=1, threads=1).trials) == 6


def test_a_new_study_follows_the_seed_and_one_that_goes_on_proposes_anew(wanted):
    def rates(study):
        return [trial.params["learning_rate"] for trial in study.trials]

    first = rates(search(wanted, jobs=1, threads=1))
    assert rates(search(replace(wanted, study="again"), jobs=1, threads=1)) == first
    assert not wanted.make()
    for trials in (6, 8):
        search(replace(wanted, trials=trials), jobs=1, threads=1)
    assert len(set(rates(wanted.open()))) == 8


def test_nothing_is_left_but_the_study(wanted, tmp_path):
    search(wanted, jobs=1, threads=1)
    assert not (tmp_path / "saved").exists()
    assert [path.name for path in (tmp_path / "found").iterdir()] == ["search.db"]


def test_hopeless_trials_are_pruned_by_the_median(wanted, monkeypatch):
    """Scores come from a script: four good trials, then one that lags from the start."""
    scores = iter([0.9, 0.9, 0.9, 0.9, 0.1])

    def scripted(config, dataset, callback_fn):
        score = next(scores)
        for epoch in range(10):
            callback_fn(epoch, score)
        return score, {}

    monkeypatch.setattr(search_module, "train_prepared", scripted)
    said = []
    study = search(Search(**{**vars(wanted), "trials": 5}), 1, 1, said.append)
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 4 + ["PRUNED"]
    assert max(study.trials[-1].intermediate_values) == 3  # after the warm-up, not before
    assert "pruned after epoch 3" in said[-1]


@pytest.mark.parametrize(("metric", "best"), [("AUC", 0.9), ("LogLoss", 0.2)])
def test_the_direction_is_the_metrics(wanted, monkeypatch, metric, best):
    scores = iter([0.5, 0.9, 0.2, 0.6])
    monkeypatch.setattr(search_module, "train_prepared", lambda *a: (next(scores), {}))
    options = {**wanted.cell.options, "valid_metric": metric}
    changed = Search(**{**vars(wanted), "cell": Cell("WideDeep", "toy", 1, options=options)})
    assert search(changed, 1, 1).best_value == best


def test_trials_that_fail_stop_nothing(wanted, monkeypatch, tmp_path):
    plain = search_module.train_prepared
    count = iter(range(100))

    def sometimes(config, *rest):
        if next(count) == 1:
            raise TrainingDivergedError("too fast")
        return plain(config, *rest)

    monkeypatch.setattr(search_module, "train_prepared", sometimes)
    study = search(wanted, jobs=1, threads=1)
    assert [t.state.name for t in study.trials].count("FAIL") == 1
    assert study.trials[1].user_attrs["error"] == "too fast"
    assert len(study.trials) == 4


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), MemoryError("out of memory")])
def test_whatever_a_trial_fails_of_stops_nothing(wanted, monkeypatch, error):
    plain = search_module.train_prepared
    count = iter(range(100))

    def sometimes(*given):
        if next(count) == 1:
            raise error
        return plain(*given)

    monkeypatch.setattr(search_module, "train_prepared", sometimes)
    said = []
    study = search(wanted, 1, 1, said.append)
    assert study.trials[1].user_attrs["error"] == f"{type(error).__name__}: out of memory"
    assert len(study.trials) == 4 and "out of memory" in said[1]


def test_an_interrupted_trial_ends_the_search(wanted, monkeypatch):
    def interrupted(*_):
        raise TrainingInterrupted(signal.SIGINT)

    monkeypatch.setattr(search_module, "train_prepared", interrupted)
    with pytest.raises(TrainingInterrupted):
        search(wanted, jobs=1, threads=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dropout_prob choice [0.0,0.4]", r"dropout_prob choice \[0.0,0.5\], not .*\[0.0,0.4\]\)"),
        (
            "dropout_prob uniform 0,0.5",
            r"dropout_prob choice \[0.0,0.5\], not dropout_prob uniform",
        ),
        ("", "dropout_prob choice .*, not without these"),
        ("dropout_prob choice [0.0,0.5]\nweight_decay choice [0.0]", "not weight_decay choice"),
    ],
)
def test_a_study_keeps_its_ranges(wanted, file, tmp_path, text, message):
    done = search(wanted, jobs=1, threads=1)
    space = read_space(file(f"learning_rate loguniform -7,-2\n{text}"))
    changed = Search(**{**vars(wanted), "space": space, "trials": 6})
    with pytest.raises(ConfigError, match=rf"Study 's' in sqlite.*other ranges.*{message}"):
        search(changed, jobs=1, threads=1)
    search(Search(**{**vars(changed), "study": "other", "trials": 1}), jobs=1, threads=1)
    same = [*reversed(wanted.space)]  # the order of the lines says nothing
    study = search(Search(**{**vars(wanted), "space": same}), jobs=1, threads=1)
    assert len(study.trials) == len(done.trials)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("embedding_size choice [8,0]", r"embedding_size choice \[8,0\]:\n.*at least 1, got 0"),
        ("embedding_size quniform 8,-8,8", "lower bound first"),
        ("dropout_prob uniform 0,3", "dropout_prob uniform 0,3:\n.*below 1, got 3.0"),
        ("dropout_prob loguniform -3,2", "dropout_prob loguniform -3,2:\n.*below 1, got 7.38"),
        ("model choice ['DCNV2','NFM']", "'model' .*hyper.*: a search is for the settings of one"),
        ("seed choice [1,2]", "'seed' .*under one seed; give --seed="),
        ("dropout_prob quniform 0,1,0.25", "dropout_prob quniform .*:\n.*below 1, got 1.0"),
    ],
)
def test_every_choice_and_both_bounds_are_validated(wanted, file, line, message):
    with pytest.raises(ConfigError, match=message):
        plain = Cell("WideDeep", "toy", 1)
        Search(**{**vars(wanted), "cell": plain, "space": read_space(file(line))}).check()


def test_choices_may_depend_on_each_other(wanted, file):
    text = "attention_size choice [8,6]\nnum_heads choice [4,3]"  # 4 heads share 8, 3 share 6
    options = {"embedding_size": 8}
    cell = Cell("AutoInt", "toy", 1, options=options)
    Search(**{**vars(wanted), "cell": cell, "space": read_space(file(text))}).check()


def test_the_last_worker_has_a_seed_of_its_own(wanted):
    last = Search(**{**vars(wanted), "cell": replace(wanted.cell, seed=2**32 - 1)})
    last.make()
    last.open(last.seed(worker=1))
    assert [last.seed(worker) for worker in (0, 1, 2)] == [2**32 - 1, 0, 1]


def test_no_trial_at_all(wanted, monkeypatch, tmp_path):
    def fails(*_):
        raise TrainingDivergedError("too fast")

    monkeypatch.setattr(search_module, "train_prepared", fails)
    study = search(wanted, jobs=1, threads=1)
    with pytest.raises(search_module.RecBoleError, match=r"No trial .*; the first: too fast"):
        best_settings(wanted, study, tmp_path / "best.yaml")


def test_two_workers_share_a_study(wanted):
    assert wanted.make()
    work(Search(**{**vars(wanted), "trials": 2}), wanted.seed(0), 1)
    work(wanted, wanted.seed(1), 1)
    first = wanted.open()
    assert len(first.trials) == 4
    rates = [trial.params["learning_rate"] for trial in first.trials]
    assert len(set(rates)) == 4  # a worker does not propose what another has


def test_the_command(toy, tmp_path, file, capsys):
    hyper = file("learning_rate loguniform -7,-2")
    (tmp_path / "toy.yaml").write_text("\n".join(f"{k}: {v}" for k, v in options_of(toy)))
    command = ["sweep", f"--search={hyper}", "--model=WideDeep", "--dataset=toy", "--trials=2"]
    command += ["--config_files", "toy.yaml", "--results=found"]
    assert main([*command, "--dry_run"]) == 0
    assert "learning_rate loguniform -7,-2" in capsys.readouterr().out
    assert not (tmp_path / "found").exists()
    assert main(["sweep", "--search=no.test", *command[2:], "--dry_run"]) == 2
    assert "Parameter file no.test does not exist" in capsys.readouterr().err
    assert main([*command, "--jobs=2"]) == 0
    said = capsys.readouterr().out
    path = re.search(r"Settings: (\S+)", said).group(1)
    assert read_file(tmp_path / path)["epochs"] == 1
    assert main([*command, "--seed=1,2"]) == 2
    assert "expected one model, data set and seed" in capsys.readouterr().err
    assert main([*command, "--learning_rate=1"]) == 2
    assert "is searched for, and set to 1" in capsys.readouterr().err
    hyper.write_text("learning_rat uniform 0,1")
    assert main(command) == 2
    said = capsys.readouterr().err
    assert f"'learning_rat' ({hyper}, line 1)" in said and "Did you mean 'learning_rate'" in said
    hyper.write_text("learning_rate uniform 0.1,1")
    assert main([*command, "--storage=nonsense"]) == 2
    assert "Option 'storage': cannot use 'nonsense'" in capsys.readouterr().err


def options_of(toy):
    plain = {**toy, "epochs": 1, "threshold": "{rating: 4}", "load_col": "null"}
    return plain.items()

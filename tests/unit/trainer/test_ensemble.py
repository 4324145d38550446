"""Several seeds at once: every run as it would be alone."""

import json
import re
import signal
from pathlib import Path

import pytest
import torch

from recbole.commands.command_line import main
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.errors import ConfigError, TrainingDivergedError
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.context_aware_recommender.widedeep import WideDeep
from recbole.model.precision import Precision
from recbole.model.registry import MODEL_NAMES
from recbole.quick_start import resume, run_recbole
from recbole.trainer import Trainer, interruption
from recbole.trainer.interruption import TrainingInterrupted
from recbole.trainer.options import ClipGradNorm
from recbole.trainer.random_streams import RandomStream
from recbole.trainer.stacking import StackedModels, clip_each
from tests.conftest import rounds_to_tf32

SEEDS = [7, 11, 2020]


@pytest.fixture
def double():
    """Double precision, where rounding can't hide a mistake."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def several(options, together, model="WideDeep", seeds=SEEDS, **more):
    more = {"metric_decimal_place": 9, **more, "seeds": seeds, "seeds_together": together}
    return run_recbole(model, "toy", config_dict={**options, **more})


def alone(options, seed, model="WideDeep", **more):
    more = {"metric_decimal_place": 9, **more, "seed": seed}
    return run_recbole(model, "toy", config_dict={**options, **more})


def logged():
    """What the runs have said; their logger does not hand its lines on to pytest."""
    return "".join(path.read_text() for path in Path("log").rglob("*.log"))


def records(folder="saved"):
    """The records in a folder by seed."""
    found = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    return {record["config"]["seed"]: record for record in found}


#: The two models whose default size takes seconds.
SMALL = {
    "DCNV2": {"mlp_hidden_size": [8, 8], "embedding_size": 2},
    "xDeepFM": {"mlp_hidden_size": [8, 8], "cin_layer_size": [6, 4]},
}


@pytest.mark.parametrize("head", [{}, {"multi_cls": 5}], ids=["binary", "multi"])
@pytest.mark.parametrize("model", MODEL_NAMES)
def test_together_is_alone_for_every_model(toy, double, model, head):
    more = {**SMALL.get(model, {}), **head, "epochs": 2}
    result = several(toy, True, model, seeds=SEEDS[:2], **more)
    assert "seed 7 has ended" in logged()  # together
    for seed, run in zip(SEEDS[:2], result["runs"], strict=True):
        one = alone(toy, seed, model, **more)
        assert run["test_result"] == pytest.approx(one["test_result"], abs=2e-9)
        assert run["best_valid_score"] == pytest.approx(one["best_valid_score"], abs=2e-9)


@pytest.mark.parametrize(
    "more",
    [
        {"learner": "sgd", "clip_grad_norm": {"max_norm": 0.05}},
        {"learner": "adagrad", "weight_decay": 0.01},
        {"learner": "rmsprop"},
        {"learner": "adamw", "weight_decay": 0.1, "train_batch_size": 50},
        {"eval_step": 2, "stopping_step": 0, "learning_rate": 0.05, "epochs": 12},
        {"eval_step": 0, "shuffle": False},
        {"eval_args": {"group_by": "user", "order": "TO"}},
        {"eval_args": {"mode": "uni5"}, "valid_metric": "NDCG@10", "metrics": ["NDCG", "AUC"]},
    ],
    ids=lambda more: "-".join(more),
)
def test_together_is_alone_under_other_options(toy, double, more):
    several(toy, True, **more)
    assert "seed 7 has ended" in logged()  # together
    together = records()
    for seed in SEEDS:
        alone(toy, seed, checkpoint_dir="alone", **more)
        one, other = records("alone")[seed], together[seed]
        assert len(one["epochs"]) == len(other["epochs"])
        for mine, theirs in zip(other["epochs"], one["epochs"], strict=True):
            assert mine["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-6)
            assert mine["valid_result"] == pytest.approx(theirs["valid_result"], abs=2e-9)
        assert other["test_result"] == pytest.approx(one["test_result"], abs=2e-9)
        assert other["best_epoch"] == one["best_epoch"]
        assert other["status"] == one["status"] == "finished"


def test_in_turn_is_alone_to_the_bit_and_reads_the_files_once(toy, monkeypatch):
    read = []
    plain = create_dataset
    for reader in ("single_run", "several_seeds"):
        monkeypatch.setattr(
            f"recbole.quick_start.{reader}.create_dataset",
            lambda config: read.append(config) or plain(config),
        )
    result = several(toy, "auto")
    assert len(read) == 1
    weights = {
        payload["config"]["seed"]: payload["state_dict"]
        for payload in (torch.load(path, weights_only=True) for path in Path("saved").glob("*.pth"))
    }
    for seed, run in zip(SEEDS, result["runs"], strict=True):
        assert run == alone(toy, seed, checkpoint_dir=f"alone{seed}")
        (path,) = Path(f"alone{seed}").glob("*.pth")
        one = torch.load(path, weights_only=True)
        assert one["config"]["seeds"] is None
        assert one["state_dict"].keys() == weights[seed].keys()
        for name, tensor in one["state_dict"].items():
            assert torch.equal(tensor, weights[seed][name])


def test_runs_end_by_themselves_and_the_others_go_on(toy, double):
    options = {"learning_rate": 0.1, "stopping_step": 0, "epochs": 30}
    several(toy, True, **options)
    lengths = {seed: len(record["epochs"]) for seed, record in records().items()}
    assert len(set(lengths.values())) > 1, "the seeds must end in different epochs for this test"
    for seed in SEEDS:
        alone(toy, seed, checkpoint_dir="alone", **options)
        assert len(records("alone")[seed]["epochs"]) == lengths[seed]


def test_the_summary(toy):
    result = several(toy, False, seeds=[3, 4], metric_decimal_place=6)
    first, second = (run["test_result"]["auc"] for run in result["runs"])
    assert result["test_result"]["auc"] == pytest.approx((first + second) / 2)
    assert result["test_std"]["auc"] == pytest.approx(abs(first - second) / 2**0.5)
    assert result["seeds"] == [3, 4]
    scores = [run["best_valid_score"] for run in result["runs"]]
    assert result["best_valid_score"] == pytest.approx(sum(scores) / 2)


def test_each_checkpoint_holds_one_run_only(toy):
    """Not the storage of all runs, which a slice of a stacked tensor would drag along."""
    several(toy, True, epochs=1)
    alone(toy, 7, epochs=1, checkpoint_dir="alone")
    (one,) = Path("alone").glob("*.pth")
    for path in Path("saved").glob("*.pth"):
        assert path.stat().st_size == pytest.approx(one.stat().st_size, rel=0.05)


def interrupt_after(monkeypatch, steps):
    """Let the flag of an interruption go up once it has been looked at `steps` times."""
    looks = []

    class Impatient(interruption.Interruption):
        @property
        def signal(self):
            looks.append(1)
            return signal.SIGINT if len(looks) > steps else None

    monkeypatch.setattr(interruption, "Interruption", Impatient)


@pytest.mark.parametrize("steps", [2, 5, 6])
def test_an_interrupted_ensemble_is_resumed_run_by_run(toy, double, monkeypatch, steps):
    expected = {seed: alone(toy, seed, checkpoint_dir="alone") for seed in SEEDS}
    with monkeypatch.context() as patch:
        interrupt_after(patch, steps)
        with pytest.raises(TrainingInterrupted) as caught:
            several(toy, True)
    paths = [caught.value.checkpoint, *caught.value.others]
    assert str(caught.value).count("--resume=saved") == len(SEEDS)
    assert {record["status"] for record in records().values()} == {"interrupted"}
    for seed, path in zip(SEEDS, paths, strict=True):
        again = resume(path)
        assert again["test_result"] == pytest.approx(expected[seed]["test_result"], abs=2e-9)


def test_an_interruption_names_runs_that_have_ended_too(toy, double, monkeypatch):
    """They are not tested yet: resuming one does that."""
    options = {**toy, "learning_rate": 0.1, "stopping_step": 0, "epochs": 30}
    ended, finish = [], Trainer._finish

    class AfterTheFirst(interruption.Interruption):
        @property
        def signal(self):
            return signal.SIGINT if ended else None

    with monkeypatch.context() as patch:
        patch.setattr(interruption, "Interruption", AfterTheFirst)
        patch.setattr(Trainer, "_finish", lambda run, *a: ended.append(run) or finish(run, *a))
        with pytest.raises(TrainingInterrupted) as caught:
            several(options, True)
    assert 0 < len(ended) < len(SEEDS), "some must have ended for this test, and some not"
    assert str(caught.value).count("--resume=saved") == len(SEEDS)
    for seed, path in zip(SEEDS, [caught.value.checkpoint, *caught.value.others], strict=True):
        again = resume(path)
        expected = alone(options, seed, checkpoint_dir="alone")
        assert again["test_result"] == pytest.approx(expected["test_result"], abs=2e-9)
        assert records()[seed]["status"] == "finished"


def test_no_epochs_are_none_together_too(toy, double):
    result = several(toy, True, epochs=0)
    assert "seed 7 has ended" in logged()  # together
    for seed, run in zip(SEEDS, result["runs"], strict=True):
        assert records()[seed]["epochs"] == []
        one = alone(toy, seed, epochs=0, checkpoint_dir="alone")
        assert run["test_result"] == pytest.approx(one["test_result"], abs=2e-9)


def test_an_interruption_names_the_seeds_that_have_not_begun(toy, monkeypatch):
    interrupt_after(monkeypatch, 2)
    with pytest.raises(
        TrainingInterrupted, match=r"--resume=\S+\.pth Not started: --seeds=11,2020"
    ):
        several(toy, False)


def test_a_row_left_by_itself_joins_the_batch_before(toy, double):
    """Alone it could not be normalised."""
    config = Config("DCNV2", "toy", config_dict={**toy, "seed": 7})
    train, *_ = data_preparation(config, create_dataset(config))
    size = next(size for size in range(20, 300) if train.num_rows % size == 1)
    options = {"train_batch_size": size, "epochs": 1, **SMALL["DCNV2"]}
    result = several(toy, True, "DCNV2", seeds=[7, 11], **options)
    assert "seed 7 has ended" in logged()  # together
    one = alone(toy, 11, "DCNV2", **options)
    assert result["runs"][1]["test_result"] == pytest.approx(one["test_result"], abs=2e-9)


class InTf32(WideDeep):
    """As on CUDA, where auto takes tf32: a setting that a CPU knows, too."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.precision = Precision("tf32", "cuda", "")


def test_tf32_is_for_the_backward_pass_too(toy, monkeypatch):
    seen, plain = [], StackedModels.loss_parts

    def watched(models, batches):
        parts = plain(models, batches)
        seen.append(rounds_to_tf32())
        parts["loss"].register_hook(lambda _: seen.append(rounds_to_tf32()))
        return parts

    monkeypatch.setattr(StackedModels, "loss_parts", watched)
    several(toy, True, InTf32, epochs=1, mlp_hidden_size=[8], dropout_prob=0.0)
    assert "seed 7 has ended" in logged()  # together
    assert len(seen) > 4 and all(seen)
    assert not rounds_to_tf32()


def test_divergence_names_the_seed(toy):
    with pytest.raises(TrainingDivergedError, match=r"Seed 7: .*epoch 0, step \d+"):
        several(toy, True, learner="sgd", learning_rate=1e30)
    assert records()[7]["status"] == "diverged"


class Counting(WideDeep):
    """Asks for a number of the batch, which vmap can't give."""

    def logits(self, batch):
        return super().logits(batch) * (1 if batch[self.LABEL].sum().item() >= 0 else 2)


class Leaking(WideDeep):
    """Lets the batch size into the loss by a way that differs under vmap."""

    calls = 0

    def logits(self, batch):
        Leaking.calls += 1
        return super().logits(batch) + Leaking.calls


@pytest.mark.parametrize(
    ("model", "more", "reason"),
    [
        ("WideDeep", {"learner": "sparse_adam"}, "sparse gradients"),
        ("WideDeep", {"cuda_graph": True}, "cuda_graph is for a model by itself"),
        (Counting, {}, "can't be computed under vmap"),
        (Leaking, {}, "another loss together"),
    ],
)
def test_what_cannot_be_stacked_is_said_and_trained_in_turn(toy, model, more, reason):
    assert model == "WideDeep" or issubclass(model, ContextRecommender)
    more = {"epochs": 1, "mlp_hidden_size": [8], "dropout_prob": 0.1, **more}
    result = several(toy, True, model, **more)
    assert re.search(f"The seeds are trained in turn: .*{reason}", logged())
    assert len(result["runs"]) == len(SEEDS)


def test_trying_a_batch_changes_nothing(toy):
    """An obstacle found after the trial must not have moved statistics or random numbers."""
    (result, other) = (
        several(toy, together, "NFM", seeds=[7, 11], learner="adam", dropout_prob=0.3)
        for together in (True, False)
    )
    for mine, theirs in zip(result["runs"], other["runs"], strict=True):
        assert mine["test_result"] == pytest.approx(theirs["test_result"], abs=5e-3)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("2020;2021", "expected whole numbers, such as 2020,2021,2022"),
        ([1, 1], "none of them twice"),
        ([], "at least one seed"),
        ([1, -1], r"seeds\[1\].*at least 0"),
        ([1.5], "whole number"),
    ],
)
def test_bad_seeds(toy, seeds, message):
    with pytest.raises(ConfigError, match=message):
        Config("NFM", "toy", config_dict={**toy, "seeds": seeds})


@pytest.mark.parametrize("seeds", ["1, 2", [1, 2]])
def test_seeds_from_the_command_line_and_from_files(toy, seeds):
    config = Config("NFM", "toy", config_dict={**toy, "seeds": seeds})
    assert config["seeds"] == [1, 2]
    one = config.for_seed(2)
    assert (one["seed"], one["seeds"], one.sources["seed"]) == (2, None, "seeds")
    assert one["epochs"] == toy["epochs"]


def test_one_number_is_one_seed(toy):
    assert Config("NFM", "toy", config_dict={**toy, "seeds": 5})["seeds"] == [5]


def test_clipping_is_per_run():
    torch.manual_seed(0)
    stacked = [torch.randn(2, 3, 4), torch.randn(2)]
    stacked[0][1] *= 0.01
    stacked[1][1] *= 0.01
    clip = ClipGradNorm(max_norm=0.5)
    expected = []
    for run in range(2):
        singles = [torch.nn.Parameter(torch.zeros_like(g[run])) for g in stacked]
        for single, gradient in zip(singles, stacked, strict=True):
            single.grad = gradient[run].clone()
        torch.nn.utils.clip_grad_norm_(singles, clip.max_norm, clip.norm_type)
        expected.append([single.grad for single in singles])
    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in stacked]
    for parameter, gradient in zip(parameters, stacked, strict=True):
        parameter.grad = gradient.clone()
    clip_each(parameters, clip)
    for run in range(2):
        for parameter, gradient in zip(parameters, expected[run], strict=True):
            torch.testing.assert_close(parameter.grad[run], gradient)


def test_a_stream_goes_on_where_it_was():
    device = torch.device("cpu")
    torch.manual_seed(5)
    stream = RandomStream(device)
    expected = torch.rand(6)
    torch.manual_seed(99)
    parts = []
    for _ in range(2):
        with stream.active():
            parts.append(torch.rand(3))
        torch.rand(2)  # draws of others
    assert torch.equal(torch.cat(parts), expected)
    twin = stream.copy()
    with twin.active():
        first = torch.rand(3)
    with stream.active():
        assert torch.equal(torch.rand(3), first)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("model", MODEL_NAMES)
def test_together_is_alone_on_cuda(toy, double, model):
    options = {**toy, "use_gpu": True}
    result = several(options, "auto", model)
    for seed, run in zip(SEEDS, result["runs"], strict=True):
        one = alone(options, seed, model)
        assert run["test_result"] == pytest.approx(one["test_result"], abs=1e-6)


def test_the_command_prints_a_row_for_each_seed_then_mean_and_deviation(toy, capsys):
    options = [f"--{name}={value}" for name, value in {**toy, "epochs": 1}.items()]
    given = ["-m", "NFM", "-d", "toy", *options, "--seeds=7,11"]
    assert main([*given, "--metrics=[AUC,LogLoss]"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    title, first, second, mean, std, _, auc, _ = rows
    assert title == ["test", "auc", "logloss"]
    assert [first[0], second[0], mean[0], std[0]] == ["7", "11", "mean", "std"]
    assert float(mean[1]) == pytest.approx((float(first[1]) + float(second[1])) / 2, abs=1e-4)
    assert float(std[1]) == pytest.approx(
        abs(float(first[1]) - float(second[1])) / 2**0.5, abs=1e-4
    )
    assert auc == ["test", "auc:", mean[1], "±", std[1]]

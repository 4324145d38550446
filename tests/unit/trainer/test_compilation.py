"""The option `compile`: the same numbers, and a plain message where there is no compiler."""

from __future__ import annotations

import shutil
from functools import partial

import pytest
import torch

from recbole.errors import ConfigError
from recbole.model.dropout import Dropout
from recbole.trainer.compilation import loss_parts_of
from tests.unit.model.stand_in import make_batch, make_model
from tests.unit.model.test_every_model import CASES

WIDE_DEEP = {"mlp_hidden_size": [16, 8], "dropout_prob": 0.0}


@pytest.fixture(autouse=True)
def _fresh_compiler(caplog):
    caplog.set_level("WARNING", logger="torch.__trace")  # thousands of lines
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def gradients(model, loss_parts, batch):
    model.zero_grad()
    parts = loss_parts(batch)
    parts["loss"].backward()
    return parts, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_same_as_plain(model, compiled, *sizes):
    for rows in sizes:
        batch = make_batch(rows, model.schema, seed=rows)
        expected, of_plain = gradients(model, model.loss_parts, batch)
        found, of_compiled = gradients(model, compiled, batch)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(of_compiled, of_plain, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_model_is_traced_to_the_same_loss(case, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    model = make_model(case.name, {"embedding_size": 8, **case.options}, {"multi_cls": 5})
    assert_same_as_plain(model, loss_parts_of(model, True), 32)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler: g++")
def test_compiled_code_gives_the_same_loss():
    model = make_model("WideDeep", WIDE_DEEP, {"multi_cls": 5})
    assert_same_as_plain(model, loss_parts_of(model, True), 32)


def test_compiled_dropout_keeps_its_rate():
    kept = torch.compile(Dropout(0.3), backend="aot_eager", fullgraph=True)(torch.ones(400, 500))
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert (kept == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("asked", ["auto", False])
def test_nothing_is_compiled_unless_asked_for(asked):
    model = make_model("WideDeep", {})
    assert loss_parts_of(model, asked) == model.loss_parts


def test_a_compiler_that_fails_is_named(monkeypatch):
    def no_compiler(*_):
        raise RuntimeError("no C++ compiler found")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=no_compiler))
    model = make_model("WideDeep", {})
    loss_parts = loss_parts_of(model, True)
    with pytest.raises(ConfigError, match=r"'compile'.*WideDeep.*\n?.*no C\+\+ compiler found"):
        loss_parts(make_batch(8, model.schema))

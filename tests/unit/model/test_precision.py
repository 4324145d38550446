"""Which precision is chosen, and that it does what it says and no more."""

from __future__ import annotations

import pytest
import torch

from recbole.model import precision
from recbole.model.context_aware_recommender import eulernet
from recbole.model.precision import (
    Precision,
    choose_precision,
    tf32_products,
    unrounded_products,
)
from recbole.model.registry import MODEL_NAMES
from tests.conftest import rounds_to_tf32
from tests.unit.model.stand_in import make_batch, make_model, make_schema

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


@pytest.mark.parametrize(
    ("asked", "amp", "device", "gain", "expected"),
    [
        ("auto", False, CPU, 3.0, "bf16"),
        ("auto", False, CPU, 1.5, "bf16"),
        ("auto", False, CPU, 1.4, "fp32"),
        ("auto", False, CUDA, 3.0, "tf32"),
        ("auto", True, CPU, 0.5, "bf16"),
        ("auto", True, CUDA, 0.5, "fp16"),
        ("fp32", False, CPU, 9.0, "fp32"),
        ("bf16", False, CPU, 0.1, "bf16"),
        ("fp16", False, CUDA, 0.1, "fp16"),
        ("fp32", False, CUDA, 9.0, "fp32"),
    ],
)
def test_choice(monkeypatch, asked, amp, device, gain, expected) -> None:
    monkeypatch.setattr(precision, "_bf16_gain", lambda: gain)
    chosen = choose_precision(asked, amp, device)
    assert (chosen.name, chosen.device_type) == (expected, device.type)
    assert str(chosen) == f"{expected} ({chosen.reason})"


def test_the_gain_is_measured_and_measured_once() -> None:
    precision._bf16_gain.cache_clear()
    first = precision._bf16_gain()
    assert 0.01 < first < 100
    assert precision._bf16_gain() == first


@pytest.mark.parametrize(
    ("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_products_run_in_the_type_and_no_longer_afterwards(name, dtype) -> None:
    one = torch.ones(2, 2)
    with Precision(name, "cpu", "").applied():
        assert (one @ one).dtype == dtype
        assert not rounds_to_tf32()
    assert (one @ one).dtype == torch.float32


def test_tf32_holds_inside_only_even_after_an_error() -> None:
    with pytest.raises(KeyError), Precision("tf32", "cuda", "").applied():
        assert rounds_to_tf32()
        with tf32_products(False, "cuda"):
            assert not rounds_to_tf32()
        assert rounds_to_tf32()
        raise KeyError
    assert not rounds_to_tf32()


@pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="torch before 2.9"
)
@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
def test_a_program_that_has_set_tf32_by_its_new_name(device_type) -> None:
    """torch then raises where the old name is read; on a CPU nothing is touched."""
    products = torch.backends.cuda.matmul
    before, products.fp32_precision = products.fp32_precision, "tf32"
    try:
        with Precision("fp32", device_type, "").applied():
            assert rounds_to_tf32() == (device_type == "cpu")
        assert products.fp32_precision == "tf32"
    finally:
        products.fp32_precision = before


def test_tf32_has_one_value_under_its_old_name_and_its_new_one() -> None:
    """torch.compile reads the old one, which raises where the two differ."""
    products = torch.backends.cuda.matmul
    for name, allowed in (("tf32", True), ("fp32", False)):
        with Precision(name, "cuda", "").applied():
            assert products.allow_tf32 == rounds_to_tf32() == allowed
            assert torch.get_float32_matmul_precision() == ("high" if allowed else "highest")


def test_angles_are_not_rounded_to_tf32(monkeypatch) -> None:
    """EulerNet's: its 10 bits of mantissa are those of fp16."""
    model = make_model("EulerNet")
    on_cuda = lambda _: unrounded_products("cuda")  # noqa: E731
    monkeypatch.setattr(eulernet, "unrounded_products", on_cuda)
    seen = []
    for layer in model.Euler_interaction_layers:
        layer.drop_ex.register_forward_hook(lambda *_: seen.append(rounds_to_tf32()))
        layer.drop_im.register_forward_hook(lambda *_: seen.append(rounds_to_tf32()))
    with Precision("tf32", "cuda", "").applied():
        model.logits(make_batch(4, model.schema))
    assert seen == [False, False, True, True]  # λ and θ; real and imaginary parts


@pytest.mark.parametrize("head", [None, 5])
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_bf16_stays_close_to_fp32(name: str, head: int | None) -> None:
    """bf16 has 8 bits of mantissa: a product is off by at most 1/256, a chain of them by a few."""
    model = make_model(name, supervision={"multi_cls": head} if head else {})
    model.eval()
    batch = make_batch(64, make_schema())
    results = []
    for kind in ("fp32", "bf16"):
        model.precision = Precision(kind, "cpu", "")
        model.zero_grad()
        loss = model.loss_parts(batch)["loss"]
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        with torch.no_grad():
            results.append((loss.detach(), model.predict(batch), model.scores(batch), gradient))
    (full, half) = results
    assert half[0].dtype == half[1].dtype == torch.float32  # losses and probabilities stay so
    assert not torch.equal(full[1], half[1])  # or bf16 was not used
    torch.testing.assert_close(half[0], full[0], rtol=0.01, atol=0.01)
    torch.testing.assert_close(half[1], full[1], rtol=0, atol=0.02)
    assert torch.equal(half[1], half[2].click)
    assert (half[3] - full[3]).norm() < 0.05 * full[3].norm()

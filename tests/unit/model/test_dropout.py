"""Dropout's masks: their rate, their independence, and where they come from."""

from __future__ import annotations

import pytest
import torch

from recbole.model.dropout import Dropout


@pytest.mark.parametrize("p", [0.001, 0.1, 0.2, 0.5, 0.9, 0.995, 0.999])
def test_rate_and_scale(p: float) -> None:
    """The rate is p, not the nearest number of 256ths, and what is left is scaled to its mean."""
    torch.manual_seed(1)
    out = Dropout(p)(torch.ones(8000, 501))
    dropped = out == 0
    of_mean = (p * (1 - p) / out.numel()) ** 0.5  # standard deviation
    assert dropped.double().mean().item() == pytest.approx(p, abs=3 * of_mean)
    assert out.max().item() == out[~dropped].min().item() == pytest.approx(1 / (1 - p))


@pytest.mark.parametrize("p", [0.001, 0.2, 0.5])
def test_units_are_independent(p: float) -> None:
    torch.manual_seed(1)
    dropped = (Dropout(p)(torch.ones(8000, 501)) == 0).double()
    for distance in (1, 2, 8, 501, 1024):  # of a word, of a run of one limit, and beyond
        both = (dropped.view(-1)[distance:] * dropped.view(-1)[:-distance]).mean().item()
        of_mean = (p * p / dropped.numel()) ** 0.5
        assert both == pytest.approx(p * p, abs=4 * of_mean + 3e-6)
    of_unit = dropped.mean(dim=0)  # each unit's rate over the rows
    assert of_unit.std().item() == pytest.approx((p * (1 - p) / 8000) ** 0.5, rel=0.15)


def test_all_is_dropped_at_rate_one() -> None:
    assert (Dropout(1.0)(torch.ones(100)) == 0).all()


def test_gradient_has_the_same_mask() -> None:
    x = torch.randn(100, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x, out)


def test_evaluation_and_rate_zero_change_nothing() -> None:
    x = torch.randn(10)
    assert torch.equal(Dropout(0.4).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


def test_follows_the_seed() -> None:
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout(0.5)(torch.ones(64)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_masks_of_two_steps_are_independent() -> None:
    dropout, ones = Dropout(0.3), torch.ones(1000, 400)
    both = ((dropout(ones) == 0) & (dropout(ones) == 0)).float()
    assert both.mean().item() == pytest.approx(0.09, abs=0.002)
    assert both.mean(dim=0).std().item() == pytest.approx((0.09 * 0.91 / 1000) ** 0.5, rel=0.2)


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 4, 5)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert Dropout(0.5)(torch.ones(shape)).shape == shape


def test_half_precision() -> None:
    assert Dropout(0.5)(torch.ones(9, dtype=torch.bfloat16)).dtype == torch.bfloat16

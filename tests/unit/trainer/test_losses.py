"""Losses of an epoch: exact means whatever the reading pattern, and the first bad step found."""

import math

import pytest
import torch

from recbole.trainer.losses import EpochLosses


def filled(values, every=1):
    losses = EpochLosses(torch.device("cpu"))
    losses._every = every
    for value in values:
        losses.add({"loss": torch.tensor(value), "bce": torch.tensor(2 * value)})
    return losses


@pytest.mark.parametrize("every", [1, 3, 64])
def test_mean_of_each_part(every):
    values = [0.5, 0.25, 1.0, 2.0]
    assert filled(values, every).means() == {"loss": 0.9375, "bce": 1.875}


@pytest.mark.parametrize("every", [1, 3, 64])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_first_bad_step(every, bad):
    losses = filled([0.5, 0.25, bad, 1.0, bad], every)
    losses.read()
    assert losses.first_bad_step() == (2, "loss")


def test_no_bad_step():
    losses = filled([0.5, 0.25])
    assert losses.first_bad_step() is None
    assert losses.latest == 0.25


def test_each_step_is_looked_at_once():
    """Else an epoch of n steps, asked about after each, would take n² looks."""
    losses = filled([0.5, 0.25])
    assert losses.first_bad_step() is None
    losses.steps[0] = None  # a second look would fail
    losses.add({"loss": torch.tensor(math.nan), "bce": torch.tensor(1.0)})
    assert losses.first_bad_step() == (2, "loss")
    assert losses.first_bad_step() == (2, "loss")

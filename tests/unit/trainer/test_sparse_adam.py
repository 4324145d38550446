"""Tables in bf16 learn what tables in float32 learn, though a step is finer than their numbers."""

import copy

import pytest
import torch
from torch import nn

from recbole.trainer.optimizer import build_optimizers
from recbole.trainer.options import TrainingOptions
from recbole.trainer.sparse_adam import SparseAdamInBF16, rounded_to_bf16


class TestRounding:
    def test_only_to_the_two_neighbours_and_right_on_average(self):
        torch.manual_seed(0)
        numbers = torch.tensor([1.0 + 1 / 512, -3.14159, 1e-12, -7.7e20, 1e-40])
        draws = rounded_to_bf16(numbers.expand(40_000, -1)).double()
        for number, column in zip(numbers.double(), draws.T, strict=True):
            found = column.unique()
            assert len(found) == 2
            assert found[0] < number < found[1]
            gap = found[1] - found[0]
            # The mean of n draws is off by at most 5 standard errors, and one's is gap / 2.
            assert (column.mean() - number).abs() < 5 * gap / 2 / len(column) ** 0.5

    def test_what_bf16_can_say_stays(self):
        exact = torch.tensor([0.0, -0.0, 1.0, -1.5, 2.0**-130, torch.inf, -torch.inf])
        for _ in range(50):
            rounded = rounded_to_bf16(exact)
            assert torch.equal(rounded.float(), exact)
            assert torch.equal(rounded.signbit(), exact.signbit())
        nans = torch.tensor([0x7FFFFFFF, -1], dtype=torch.int32).view(torch.float32)
        assert rounded_to_bf16(nans).isnan().all()

    def test_reproducible_by_seed(self):
        numbers = torch.rand(1000)
        rounded = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            rounded.append(rounded_to_bf16(numbers))
        assert torch.equal(rounded[0], rounded[1])
        assert not torch.equal(rounded[0], rounded[2])


def table_after(optimizer_class, dtype, steps, lr=0.01, scale=1.0):
    """A table whose rows 1 and 2 (in every third step) are pulled towards 1, and its optimiser."""
    torch.manual_seed(0)
    table = nn.Embedding(6, 512, sparse=True, dtype=dtype)
    nn.init.constant_(table.weight, -0.5)
    optimizer = optimizer_class(table.parameters(), lr=lr)
    for step in range(steps):
        optimizer.zero_grad()
        rows = torch.tensor([1, 1, 2] if step % 3 == 0 else [1])
        noise = torch.randn(len(rows), 512) * 0.1
        (table(rows).float() - 1 + noise).square().sum().mul(scale).backward()
        optimizer.step()
    return table.weight.detach().float(), optimizer


def test_learns_like_torch_in_float32():
    reference, of_reference = table_after(torch.optim.SparseAdam, torch.float32, 60)
    table, of_table = table_after(SparseAdamInBF16, torch.bfloat16, 60)
    assert torch.equal(table[[0, 3, 4, 5]], reference[[0, 3, 4, 5]])  # never met
    # Rounding leaves numbers off by up to 1/256, and means of 512 of them right.
    torch.testing.assert_close(table, reference, rtol=0.06, atol=0.02)
    torch.testing.assert_close(table.mean(1), reference.mean(1), rtol=0, atol=1e-3)
    assert reference[1].mean() > -0.1  # it has gone far
    for moment in ("exp_avg", "exp_avg_sq"):
        (ours,), (theirs,) = (
            [state[moment] for state in optimizer.state.values()]
            for optimizer in (of_table, of_reference)
        )
        assert ours.dtype == torch.bfloat16
        torch.testing.assert_close(ours.float().mean(1), theirs.mean(1), rtol=5e-3, atol=1e-6)


def test_steps_far_below_the_resolution_add_up():
    """1000 steps of 1e-5 from -0.5, where bf16 has no number within 2e-3."""
    table, _ = table_after(SparseAdamInBF16, torch.bfloat16, 1000, lr=1e-5)
    reference, _ = table_after(torch.optim.SparseAdam, torch.float32, 1000, lr=1e-5)
    assert reference[1].mean() == pytest.approx(-0.49, abs=1e-3)
    # Some five steps of 2e-3 are taken, give or take 2.2, and 1/√512 of that for the mean.
    assert table[1].mean() == pytest.approx(float(reference[1].mean()), abs=1e-3)


def test_the_second_moment_decays():
    """Each step takes 1/1000 off, a quarter of what rounding to the nearest would bring back."""
    table = nn.Parameter(torch.zeros(1, 4096, dtype=torch.bfloat16))
    optimizer = SparseAdamInBF16([table], lr=1e-3)
    torch.manual_seed(0)
    for step in range(501):
        value = torch.full((1, 4096), 1.0 if step == 0 else 0.0, dtype=torch.bfloat16)
        table.grad = torch.sparse_coo_tensor([[0]], value, table.shape, check_invariants=True)
        optimizer.step()
    mean = optimizer.state[table]["exp_avg_sq"].double().mean()
    assert mean == pytest.approx(1e-3 * 0.999**500, rel=0.01)


def test_state_travels():
    def step(table, optimizer, generator):
        torch.manual_seed(generator)
        optimizer.zero_grad()
        table(torch.tensor([0, 2])).float().square().sum().backward()
        optimizer.step()

    table = nn.Embedding(3, 4, sparse=True, dtype=torch.bfloat16)
    optimizer = SparseAdamInBF16(table.parameters(), lr=0.01)
    step(table, optimizer, 1)
    twin = copy.deepcopy(table)
    other = SparseAdamInBF16(twin.parameters(), lr=0.5)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # as through a file
    step(table, optimizer, 2)
    step(twin, other, 2)
    assert torch.equal(table.weight, twin.weight)
    kept = other.state[twin.weight]
    assert kept["step"] == 2
    assert kept["exp_avg"].dtype == kept["exp_avg_sq"].dtype == torch.bfloat16


def test_the_learner_takes_it_where_tables_are_in_bf16():
    options = TrainingOptions(learner="sparse_adam", embedding_precision="bf16", learning_rate=0.5)
    net = nn.Sequential(nn.Embedding(4, 2, sparse=True, dtype=torch.bfloat16), nn.Linear(2, 1))
    of_tables, of_others = build_optimizers(net, options).optimizers
    assert isinstance(of_tables, SparseAdamInBF16)
    assert of_tables.param_groups[0]["params"] == [net[0].weight]
    assert of_tables.param_groups[0]["lr"] == 0.5
    assert of_others.param_groups[0]["params"] == [net[1].weight, net[1].bias]

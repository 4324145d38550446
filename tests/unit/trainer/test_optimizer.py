"""Every learner is the torch optimiser of its name and takes the options given."""

import copy

import pytest
import torch
from torch import nn

from recbole.trainer.optimizer import build_optimizers
from recbole.trainer.options import TrainingOptions

PLAIN = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}


class Net(nn.Module):
    def __init__(self, sparse=False):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(10, 3, sparse=sparse)
        self.linear = nn.Linear(3, 1)

    def loss(self, ids):
        return self.linear(self.table(ids)).square().sum()


def train(net, optimizers, steps=4):
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    for step in range(steps):
        optimizers.zero_grad()
        net.loss(torch.tensor([1, 2, 2 + step])).backward()
        optimizers.step(scaler)
    return net.state_dict()


def same(first, second):
    return all(torch.allclose(first[name], second[name], atol=1e-7) for name in first)


@pytest.mark.parametrize("learner", PLAIN)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_like_torch(learner, decay):
    options = TrainingOptions(learner=learner, learning_rate=0.05, weight_decay=decay)
    net, reference = Net(), Net()
    ours = train(net, build_optimizers(net, options))
    torch_optimizer = PLAIN[learner](reference.parameters(), lr=0.05, weight_decay=decay)
    for step in range(4):
        torch_optimizer.zero_grad()
        reference.loss(torch.tensor([1, 2, 2 + step])).backward()
        torch_optimizer.step()
    assert same(ours, reference.state_dict())
    assert not same(ours, Net().state_dict())


def test_sparse_adam_leaves_untouched_rows_alone():
    net = Net(sparse=True)
    before = net.table.weight.detach().clone()
    optimizers = build_optimizers(net, TrainingOptions(learner="sparse_adam", learning_rate=0.05))
    bias = net.linear.bias.detach().clone()
    train(net, optimizers)
    moved = (net.table.weight != before).any(dim=1).nonzero().flatten().tolist()
    assert moved == [1, 2, 3, 4, 5]
    assert not torch.equal(net.linear.bias, bias)


def test_state_travels():
    options = TrainingOptions(learner="adam")
    net = Net()
    optimizers = build_optimizers(net, options)
    train(net, optimizers)
    twin = Net()
    twin.load_state_dict(net.state_dict())
    other = build_optimizers(twin, options)
    other.load_state_dict(copy.deepcopy(optimizers.state_dict()))  # as through a file
    assert same(train(net, optimizers), train(twin, other))


BF16_TABLES = {"learner": "sparse_adam", "embedding_precision": "bf16"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learner": "adamm"}, "expected one of adam, .*Did you mean 'adam'"),
        ({"learner": "sparse_adam", "weight_decay": 0.1}, "'learner' and 'weight_decay'"),
        ({"embedding_precision": "bf16"}, "'embedding_precision' and 'learner'.* got adam"),
        ({"learner": "sparse_adam", "clip_grad_norm": {"max_norm": 1}}, "'clip_grad_norm'"),
    ],
)
def test_refused(values, message):
    with pytest.raises(ValueError, match=message):
        TrainingOptions(**values)

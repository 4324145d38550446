"""Models of one kind laid one over the other, and computed and updated as one.

S models. A stacked tensor is [S, ...]; what `vmap` maps a function over is its first dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from recbole.data import Interaction
from recbole.model.abstract_recommender import ContextRecommender
from recbole.trainer.optimizer import Optimizers, build_optimizers
from recbole.trainer.options import ClipGradNorm, TrainingOptions
from recbole.trainer.random_streams import RandomStream, with_dropout_of_each

Columns = Mapping[str, Tensor]
Outputs = dict[str, Tensor]


class StackedModels(nn.Module):
    """The parameters and buffers of S models as stacked tensors, [S, ...] each.

    Args:
        models: one or more models of one class and size.
        streams: the random stream of each.
    """

    def __init__(
        self, models: Sequence[ContextRecommender], streams: Sequence[RandomStream]
    ) -> None:
        super().__init__()
        self.names = [name for name, _ in models[0].named_parameters()]
        of_each = [dict(model.named_parameters()) for model in models]
        self.stacked = nn.ParameterList(
            nn.Parameter(
                torch.stack([of_one[name].detach() for of_one in of_each]),
                requires_grad=of_each[0][name].requires_grad,
            )
            for name in self.names
        )
        buffers = [dict(model.named_buffers()) for model in models]
        kept = models[0].state_dict().keys()
        #: Constants, such as the offsets of fields, are the same for all; statistics are not.
        self._shared = {
            name: buffer
            for name, buffer in buffers[0].items()
            if name not in kept and all(torch.equal(buffer, of_one[name]) for of_one in buffers)
        }
        self._own = {
            name: torch.stack([of_one[name] for of_one in buffers])
            for name in buffers[0]
            if name not in self._shared
        }
        self._caller = _Caller(with_dropout_of_each(models[0], streams))

    def loss_parts(self, batches: Columns) -> Outputs:
        """The loss of each model on a batch of its own, and its parts: [S, B] columns -> [S]."""
        self._caller.train()
        return self._map(_loss_parts, batches)

    def scores(self, batches: Columns) -> Outputs:
        """Each model's `scores` of a batch of its own: click [S, B] and, if any, classes."""
        self._caller.eval()
        return self._map(_scores, batches)

    def _map(self, method: Callable[..., Outputs], batches: Columns) -> Outputs:
        shared = {f"model.{name}": buffer for name, buffer in self._shared.items()}

        def one(own: Columns, batch: Columns) -> Outputs:
            return functional_call(self._caller, {**own, **shared}, (method, batch))

        own = dict(zip(self.names, self.stacked, strict=True)) | self._own
        return vmap(one)({f"model.{name}": tensor for name, tensor in own.items()}, dict(batches))

    @torch.no_grad()
    def store(self, models: Sequence[ContextRecommender]) -> None:
        """Copy each model's parameters and buffers back into it."""
        own = dict(zip(self.names, self.stacked, strict=True)) | self._own
        for number, model in enumerate(models):
            for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
                if name in own:
                    tensor.copy_(own[name][number])


class _Caller(nn.Module):
    """Lets `functional_call` reach methods other than forward."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, method: Callable[..., Outputs], batch: Columns) -> Outputs:
        return method(self.model, Interaction(batch))


def _loss_parts(model: ContextRecommender, batch: Interaction) -> Outputs:
    return model.loss_parts(batch)


def _scores(model: ContextRecommender, batch: Interaction) -> Outputs:
    scores = model.scores(batch)
    found = {"click": scores.click}
    return found if scores.classes is None else {**found, "classes": scores.classes}


class StackedOptimizers:
    """The optimiser of `learner`, over stacked parameters.

    Each of them works element by element, so that every run gets the updates it would get alone.

    Args:
        models: what is updated.
        options: learner, rates and clipping.
        runs: the optimisers of the single runs, whose states are taken up; all at the same step.
    """

    def __init__(
        self, models: StackedModels, options: TrainingOptions, runs: Sequence[Optimizers]
    ) -> None:
        self._parameters = [p for p in models.stacked if p.requires_grad]
        self._clip = options.clip_grad_norm
        self._optimizers = build_optimizers(models, options)
        states = [optimizers.state_dict() for optimizers in runs]  # per run, per optimiser
        for optimizer, of_each in zip(
            self._optimizers.optimizers, zip(*states, strict=True), strict=True
        ):
            plain = optimizer.state_dict()
            first = of_each[0]["state"]
            shapes = _shapes(optimizer)
            plain["state"] = {
                place: {
                    key: torch.stack([state["state"][place][key] for state in of_each])
                    if _is_elementwise(key, value, shapes[place][1:])
                    else value
                    for key, value in of_parameter.items()
                }
                for place, of_parameter in first.items()
            }
            optimizer.load_state_dict(plain)

    def zero_grad(self) -> None:
        self._optimizers.zero_grad()

    def step(self) -> None:
        """Clip each run's gradients, if asked for, and take a step."""
        if self._clip is not None:
            clip_each(self._parameters, self._clip)
        for optimizer in self._optimizers.optimizers:
            optimizer.step()

    def store(self, runs: Sequence[Optimizers]) -> None:
        """Give each run's optimisers the state that they would have alone."""
        for number, optimizers in enumerate(runs):
            for mine, own in zip(self._optimizers.optimizers, optimizers.optimizers, strict=True):
                plain, shapes = own.state_dict(), _shapes(mine)
                plain["state"] = {
                    place: {
                        key: value[number].clone()
                        if _is_elementwise(key, value, shapes[place])
                        else value.clone()
                        for key, value in of_parameter.items()
                    }
                    for place, of_parameter in mine.state_dict()["state"].items()
                }
                own.load_state_dict(plain)


def clip_each(parameters: Sequence[Tensor], clip: ClipGradNorm) -> None:
    """`torch.nn.utils.clip_grad_norm_` for each of S runs: gradients are [S, ...], in place."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    order = clip.norm_type
    norms = [
        torch.linalg.vector_norm(g.reshape(len(g), -1), order, dim=1) for g in gradients
    ]  # [S] each
    total = torch.linalg.vector_norm(torch.stack(norms), order, dim=0)  # [S]
    factor = (clip.max_norm / (total + 1e-6)).clamp(max=1.0)  # torch's own formula
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def _shapes(optimizer: torch.optim.Optimizer) -> list[Any]:
    """The shapes of its parameters, in the order in which a state names them."""
    return [p.shape for group in optimizer.param_groups for p in group["params"]]


def _is_elementwise(key: str, value: Tensor, shape: Any) -> bool:
    """Whether a piece of state belongs to single elements; a count of steps belongs to all."""
    return key != "step" and value.shape == shape

"""The fast forms of layers against naive ones, and the layers under RecBole's names."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from recbole.errors import ConfigError
from recbole.model.context_aware_recommender.dcnv2 import CrossNetwork, MixedCrossNetwork
from recbole.model.context_aware_recommender.eulernet import (
    EulerInteractionLayer,
    EulerNetOptions,
    _Cartesian,
    _polar,
    _wrapped,
)
from recbole.model.context_aware_recommender.fignn import EdgeWeights, GraphLayer, _gated_update
from recbole.model.dropout import Dropout
from recbole.model.field_major import field_major
from recbole.model.init import xavier_normal_initialization, xavier_uniform_initialization
from recbole.model.layers import (
    BaseFactorizationMachine,
    LogitLayer,
    MLPLayers,
    _pairs_at_once,
    _pairs_by_field,
    _PairwiseProducts,
    activation_layer,
)
from recbole.model.loss import RegLoss


@pytest.mark.parametrize("axis", [0, 2])
def test_pairs_of_several_runs_at_once(axis: int) -> None:
    v = torch.randn(4, 3, 5, 6, dtype=torch.float64).movedim(0, axis)  # four runs: [B, F, D] each
    one = lambda v: _PairwiseProducts.apply(v)[0].square()  # noqa: E731
    of_one = torch.func.grad(lambda v: one(v).sum())
    for function in (one, of_one):
        together = torch.func.vmap(function, in_dims=axis)(v)
        torch.testing.assert_close(together, torch.stack([function(v) for v in v.unbind(axis)]))


def test_cross_network() -> None:
    cross = CrossNetwork(inputs=4, layers=2)
    for bias in cross.bias:
        nn.init.normal_(bias)
    x_0 = torch.randn(3, 4)
    for row, out in zip(x_0, cross(x_0), strict=True):
        x = row
        for weight, bias in zip(cross.weight, cross.bias, strict=True):
            x = row * (weight @ x + bias) + x
        torch.testing.assert_close(out, x)


def test_mixed_cross_network() -> None:
    cross = MixedCrossNetwork(inputs=4, layers=2, experts=3, low_rank=2)
    for bias in cross.bias:
        nn.init.normal_(bias)
    x_0 = torch.randn(5, 4)
    expected = []
    for row in x_0:
        x = row
        for u, v, c, bias in zip(cross.u, cross.v, cross.c, cross.bias, strict=True):
            gates = torch.stack([w @ x + b for w, b in zip(*_gates(cross), strict=True)])
            gates = gates.exp() / gates.exp().sum()
            experts = [
                row * (u[e] @ torch.tanh(c[e] @ torch.tanh(v[e].T @ x)) + bias) for e in range(3)
            ]
            x = x + sum(gate * expert for gate, expert in zip(gates, experts, strict=True))
        expected.append(x)
    torch.testing.assert_close(cross(x_0), torch.stack(expected), rtol=1e-4, atol=1e-5)


def _gates(cross: MixedCrossNetwork) -> tuple[Tensor, Tensor]:
    return cross.gates.weight, cross.gates.bias


def test_gates_are_initialised_as_one_layer_per_expert() -> None:
    cross = MixedCrossNetwork(inputs=500, layers=1, experts=40, low_rank=1)
    cross.apply(xavier_normal_initialization)
    cross.initialise_gates()
    assert cross.gates.weight.std().item() == pytest.approx(math.sqrt(2 / 501), rel=0.03)
    assert (cross.gates.bias == 0).all()


def test_edge_weights() -> None:
    edges = EdgeWeights(width=3)
    states = torch.randn(2, 4, 3)
    graph = edges(field_major(states)).permute(2, 0, 1)  # [F, F, B] -> [B, F, F]
    for b in range(2):
        for i in range(4):
            scores = {
                j: nn.functional.leaky_relu(
                    edges.W_attn.weight[0] @ torch.cat([states[b, i], states[b, j]]), 0.01
                ).exp()
                for j in range(4)
                if j != i
            }
            assert graph[b, i, i] == 0
            for j, score in scores.items():
                torch.testing.assert_close(graph[b, i, j], score / sum(scores.values()))


def test_graph_layer() -> None:
    layer = GraphLayer(fields=3, width=2)
    nn.init.normal_(layer.bias_p)
    graph, states = torch.rand(4, 3, 3), torch.randn(4, 3, 2)
    out = layer(field_major(graph), field_major(states)).permute(2, 0, 1)  # -> [B, F, A]
    for b in range(4):
        for i in range(3):
            heard = sum(graph[b, i, j] * (layer.W_out[j] @ states[b, j]) for j in range(3))
            torch.testing.assert_close(out[b, i], layer.W_in[i] @ heard + layer.bias_p)


def test_euler_layer_multiplies_powers() -> None:
    # With small integer orders, the explicit part is a product of complex powers.
    options = EulerNetOptions(order_list=[1], drop_ex=0.0, drop_im=0.0)
    layer = EulerInteractionLayer(incoming=2, outgoing=1, width=3, options=options)
    with torch.no_grad():
        layer.inter_orders.copy_(torch.tensor([[2.0], [1.0]]))
        for parameter in (layer.bias_lam, layer.bias_theta, layer.im.weight, layer.im.bias):
            parameter.zero_()
    v = torch.randn(4, 2, 3, dtype=torch.complex64)
    parts = (field_major(v.real), field_major(v.imag))
    real, imaginary = (part.permute(2, 0, 1) for part in layer(parts, _polar(parts)))
    product = (v[:, 0] ** 2 * v[:, 1]).unsqueeze(1)
    torch.testing.assert_close(torch.complex(real, imaginary), product, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mu", [2.0, -0.5])
def test_the_polar_form_of_an_embedding_is_that_of_its_complex_vector(mu: float) -> None:
    phase = torch.linspace(-20, 20, 201, dtype=torch.float64, requires_grad=True)
    factor = torch.tensor(mu, dtype=torch.float64)
    short = _wrapped(phase, flipped=factor < 0)
    long = _polar((factor * phase.cos(), factor * phase.sin()))[1]
    apart = (short - long).abs()
    torch.testing.assert_close(torch.minimum(apart, 2 * torch.pi - apart), torch.zeros_like(apart))
    ours, theirs = (torch.autograd.grad(x.sum(), phase)[0] for x in (short, long))
    torch.testing.assert_close(ours, theirs)


def test_gated_update_is_pytorchs() -> None:
    cell = nn.GRUCell(4, 4)
    messages, states = torch.randn(5, 3, 4), torch.randn(5, 3, 4)
    ours = _gated_update(cell, field_major(messages), field_major(states))  # [F, A, B]
    theirs = cell(messages.flatten(0, 1), states.flatten(0, 1)).view(5, 3, 4)
    torch.testing.assert_close(ours, field_major(theirs))


def test_from_polar_form() -> None:
    polar = [torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    real, imaginary = _Cartesian.apply(*polar)
    torch.testing.assert_close(
        torch.complex(real, imaginary), torch.polar(polar[0].exp(), polar[1])
    )
    assert torch.autograd.gradcheck(_Cartesian.apply, polar)
    mapped = torch.func.vmap(_Cartesian.apply)(*polar)
    torch.testing.assert_close(mapped, (real, imaginary))


@pytest.mark.parametrize("reduce_sum", [True, False])
def test_factorization_machine(reduce_sum: bool) -> None:
    v = torch.randn(3, 4, 5, requires_grad=True)
    pairs = sum(v[:, i] * v[:, j] for i in range(4) for j in range(i))
    assert isinstance(pairs, Tensor)
    expected = pairs.sum(dim=1, keepdim=True) if reduce_sum else pairs
    ours = BaseFactorizationMachine(reduce_sum)(v)
    torch.testing.assert_close(ours, expected)
    weight = torch.randn_like(ours)
    gradients = [torch.autograd.grad((x * weight).sum(), v) for x in (ours, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("fields", [1, 2, 5])
def test_pairs_of_fields_on_either_kind_of_device(fields: int) -> None:
    v = torch.randn(3, fields, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(_pairs_by_field(v.detach()), _pairs_at_once(v.detach()))
    pairs_alone = lambda v: _PairwiseProducts.apply(v)[0]  # noqa: E731
    for function in (pairs_alone, lambda v: sum(_PairwiseProducts.apply(v))):
        assert torch.autograd.gradcheck(function, v)
        assert torch.autograd.gradgradcheck(function, v)


class TestMLPLayers:
    """RecBole's order of layers and its options."""

    def kinds(self, mlp: MLPLayers) -> list[str]:
        return [type(module).__name__ for module in mlp.mlp_layers]

    def test_order(self) -> None:
        layer = ["Dropout", "Linear", "BatchNorm1d", "Tanh"]
        assert self.kinds(MLPLayers([4, 3, 2], 0.1, "tanh", bn=True)) == 2 * layer
        assert self.kinds(MLPLayers([4, 3, 2])) == 2 * ["Dropout", "Linear", "ReLU"]

    def test_without_last_activation(self) -> None:
        mlp = MLPLayers([4, 3, 2], last_activation=False)
        assert self.kinds(mlp) == ["Dropout", "Linear", "ReLU", "Dropout", "Linear"]
        linear_only = MLPLayers([4, 3], activation="none", last_activation=False)
        assert self.kinds(linear_only) == ["Dropout", "Linear"]

    def test_forward_and_shapes(self) -> None:
        mlp = MLPLayers([4, 3, 2], activation=nn.Sigmoid)
        first, second = mlp.mlp_layers[1], mlp.mlp_layers[4]
        x = torch.randn(5, 6, 4)
        torch.testing.assert_close(mlp(x), second(first(x).sigmoid()).sigmoid())

    @pytest.mark.parametrize("shape", [(50, 8), (5, 10, 8)])
    @pytest.mark.parametrize("training", [True, False])
    @pytest.mark.parametrize("p", [0.0, 0.3])
    def test_relu_and_dropout_as_one(
        self, p: float, training: bool, shape: tuple[int, ...]
    ) -> None:
        """Layer by layer the same masks, outputs and gradients, to the last bit."""
        mlp = MLPLayers([8, 7, 6, 5], p).train(training)
        x = torch.randn(shape, requires_grad=True)
        weight = torch.randn(*shape[:-1], 5)
        found = []
        for forward in (mlp, mlp.mlp_layers):
            torch.manual_seed(1)
            out = forward(x)
            found += [out, *torch.autograd.grad((out * weight).sum(), [x, *mlp.parameters()])]
        half = len(found) // 2
        for ours, plain in zip(found[:half], found[half:], strict=True):
            assert torch.equal(ours, plain)
        assert found[1].abs().sum() > 0

    def test_relu_and_dropout_at_once_under_autocast(self) -> None:
        mlp, x = MLPLayers([8, 7, 6, 5], 0.3), torch.randn(50, 8)
        found = []
        for forward in (mlp, mlp.mlp_layers):
            torch.manual_seed(1)
            with torch.autocast("cpu", torch.bfloat16):
                out = forward(x)
            found.append([out, *torch.autograd.grad(out.float().sum(), list(mlp.parameters()))])
        for ours, plain in zip(*found, strict=True):
            torch.testing.assert_close(ours, plain, rtol=0.02, atol=0.02)

    def test_normalisation_without_gradients_is_part_of_the_products(self, monkeypatch) -> None:
        mlp, x = MLPLayers([8, 7, 6, 5], 0.3, bn=True), torch.randn(50, 8)
        norms = [module for module in mlp.mlp_layers if isinstance(module, nn.BatchNorm1d)]
        for norm in norms:
            nn.init.uniform_(norm.weight, 0.5, 2.0)
            nn.init.normal_(norm.bias)
            norm.running_mean, norm.running_var = torch.randn_like(norm.bias), norm.weight.detach()
        plain = mlp.eval()(x)
        monkeypatch.setattr(nn.BatchNorm1d, "forward", None)  # is not called
        with torch.no_grad():
            torch.testing.assert_close(mlp(x), plain)

    def test_normalisation_in_the_products_under_autocast(self) -> None:
        mlp, x = MLPLayers([8, 7, 6, 5], bn=True), torch.randn(50, 8)
        mlp(x)  # statistics
        mlp.eval()
        with torch.no_grad():
            exact = mlp(x)
            with torch.autocast("cpu", torch.bfloat16):
                torch.testing.assert_close(mlp(x).float(), exact, rtol=0.05, atol=0.05)

    @pytest.mark.parametrize("changed", ["batch", "one batch", "hook", "no statistics", "plain"])
    def test_normalisation_that_others_have_changed_stays_by_itself(self, changed: str) -> None:
        mlp, x = MLPLayers([8, 7, 6, 5], bn=True), torch.randn(50, 8)
        linear, norm = mlp.mlp_layers[1], mlp.mlp_layers[2]
        mlp(x)
        mlp.train(changed == "batch")
        if changed == "one batch":
            norm.train()
        if changed == "hook":  # what pruning and spectral normalisation do, too
            linear.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
        if changed == "no statistics":
            mlp.mlp_layers[2] = nn.BatchNorm1d(7, track_running_stats=False).eval()
        if changed == "plain":
            mlp.mlp_layers[2] = nn.BatchNorm1d(7, affine=False).eval()
        with torch.no_grad():
            torch.testing.assert_close(mlp(x), mlp.mlp_layers(x))

    @pytest.mark.parametrize("kept", ["statistics", "no statistics"])
    def test_a_bias_before_normalisation_is_told_to_the_running_mean_alone(self, kept: str) -> None:
        """In training nothing else changes: layer by layer the same masks, outputs, gradients."""
        mlp = MLPLayers([8, 7, 6, 5], 0.3, bn=True).double()
        linears, norms = mlp.mlp_layers[1::4], mlp.mlp_layers[2::4]
        for layer, norm in zip(linears, norms, strict=True):
            nn.init.normal_(layer.bias)
            nn.init.normal_(norm.bias)
            if kept == "no statistics":
                norm.track_running_stats, norm.running_mean, norm.running_var = False, None, None
        whole, plain = mlp, copy.deepcopy(mlp)
        x = torch.randn(50, 8, dtype=torch.float64)
        for forward, of in ((whole, whole), (plain.mlp_layers, plain)):
            torch.manual_seed(1)
            of.out = [forward(x), forward(x)]
            (of.out[0] * of.out[1].cos()).sum().backward()
        torch.testing.assert_close(whole.out, plain.out)
        torch.testing.assert_close(dict(whole.named_buffers()), dict(plain.named_buffers()))
        for (name, ours), theirs in zip(whole.named_parameters(), plain.parameters(), strict=True):
            if any(ours is layer.bias for layer in linears):
                assert ours.grad is None
                torch.testing.assert_close(theirs.grad, torch.zeros_like(theirs))
            else:
                torch.testing.assert_close(ours.grad, theirs.grad, msg=name)
                assert ours.grad.abs().sum() > 0

    @pytest.mark.parametrize("momentum", [None, 1.0])
    def test_a_running_mean_that_does_not_run_keeps_the_bias(self, momentum: float | None) -> None:
        mlp, x = MLPLayers([8, 7], bn=True), torch.randn(50, 8)
        nn.init.normal_(mlp.mlp_layers[1].bias)
        mlp.mlp_layers[2].momentum = momentum
        plain = copy.deepcopy(mlp.mlp_layers)
        torch.testing.assert_close(mlp(x), plain(x))
        torch.testing.assert_close(mlp.mlp_layers[2].running_mean, plain[2].running_mean)

    def test_multiplies_and_drops_in_the_type_of_autocast(self, monkeypatch) -> None:
        mlp, seen = MLPLayers([8, 7], 0.3), []
        mask = lambda layer, x: seen.append(x.dtype) or torch.ones_like(x)  # noqa: E731
        monkeypatch.setattr(Dropout, "draw", mask)
        mlp(torch.randn(5, 8))
        with torch.autocast("cpu", torch.bfloat16):
            mlp(torch.randn(5, 8))
            mlp.double()(torch.randn(5, 8).double())  # which autocast leaves alone
        assert seen == [torch.float32, torch.bfloat16, torch.float64]

    def test_normal_initialisation(self) -> None:
        mlp = MLPLayers([400, 300], init_method="norm")
        linear = mlp.mlp_layers[1]
        assert isinstance(linear, nn.Linear)
        assert linear.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert (linear.bias == 0).all()
        with pytest.raises(ConfigError, match="expected 'norm'"):
            MLPLayers([4, 3], init_method="normal")

    def test_unknown_activation(self) -> None:
        with pytest.raises(ConfigError, match=r"'rellu'.* Did you mean 'relu'"):
            activation_layer("rellu")
        assert activation_layer(None) is None
        assert isinstance(activation_layer("LeakyReLU"), nn.LeakyReLU)


@pytest.mark.parametrize(
    ("initialise", "spread"),
    [
        (xavier_normal_initialization, math.sqrt(2 / 700)),
        (xavier_uniform_initialization, math.sqrt(6 / 700) / math.sqrt(3)),
    ],
)
def test_initialisation(initialise: object, spread: float) -> None:
    modules = nn.ModuleList([nn.Embedding(400, 300), nn.Linear(300, 400), nn.GRUCell(3, 3)])
    gru_before = copy.deepcopy(modules[2].state_dict())
    assert callable(initialise)
    modules.apply(initialise)
    for module in modules[:2]:
        assert module.weight.std().item() == pytest.approx(spread, rel=0.02)
    is_uniform = modules[1].weight.abs().max() < 2 * spread
    assert is_uniform == (initialise is xavier_uniform_initialization)
    assert (modules[1].bias == 0).all()
    for name, value in modules[2].state_dict().items():
        assert torch.equal(value, gru_before[name])


def test_reg_loss() -> None:
    parameters = [torch.tensor([3.0, 4.0]), torch.full((2, 2), 1.0)]
    assert RegLoss()(parameters).item() == pytest.approx(5 + 2)
    with pytest.raises(ValueError, match="at least one"):
        RegLoss()([])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("outputs", [1, 5])
def test_a_logit_layer_is_a_linear_layer_with_its_rows_innermost(outputs: int, bias: bool) -> None:
    layer = LogitLayer(12, outputs, bias=bias)
    plain = nn.Linear(12, outputs, bias=bias)
    plain.load_state_dict(layer.state_dict())
    rows = torch.randn(40, 12, requires_grad=True)
    logits = layer(rows)
    torch.testing.assert_close(logits, plain(rows))
    assert logits.T.is_contiguous()
    weights = torch.randn(40, outputs)
    found = torch.autograd.grad((logits * weights).sum(), [rows, *layer.parameters()])
    expected = torch.autograd.grad((plain(rows) * weights).sum(), [rows, *plain.parameters()])
    torch.testing.assert_close(found, expected)
    assert found[0].is_contiguous()  # the layer before reads it row by row

"""DCN V2, the second Deep & Cross Network.

Ruoxi Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale
Learning to Rank Systems", WWW 2021. A cross network multiplies the input into itself layer by
layer, x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l (Eq. 1), beside or below a multi-layer perceptron;
`mixed` replaces W_l by a mixture of low-rank experts (Eq. 4).

Shapes: B batch, F fields, D embedding size, N = F·D inputs, E experts, R low rank, K logits.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import linear

from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.init import xavier_normal_initialization
from recbole.model.layers import LogitLayer, MLPLayers, narrow_linear
from recbole.model.loss import RegLoss
from recbole.model.options import (
    ContextOptions,
    DropoutRate,
    RegularisationWeight,
    Size,
    Sizes,
)
from recbole.model.precision import product_type
from recbole.model.types import Batch, HasSchema, ModelConfig


class DCNV2Options(ContextOptions):
    """The options of DCNV2."""

    embedding_size: Size = Field(16, description="Width D of the embedding of each field.")
    mixed: bool = Field(
        False, description="Whether a cross layer is a mixture of low-rank experts."
    )
    structure: Literal["parallel", "stacked"] = Field(
        "stacked",
        description="'stacked': the MLP follows the cross network; 'parallel': it stands beside.",
    )
    cross_layer_num: Size = Field(3, description="Number of cross layers.")
    expert_num: Size = Field(4, description="Number E of experts in a cross layer, if mixed.")
    low_rank: Size = Field(128, description="Rank R of an expert, if mixed.")
    mlp_hidden_size: Sizes = Field([768, 768], description="Sizes of the MLP's layers.")
    reg_weight: RegularisationWeight = Field(
        2.0, description="Weight of the sum of the L2 norms of the cross layers' matrices."
    )
    dropout_prob: DropoutRate = Field(0.2, description="Dropout rate of the MLP.")


class DCNV2(ContextRecommender):
    """logits = linear([cross(x_0); MLP(x_0)]) in parallel, linear(MLP(cross(x_0))) stacked.

    The penalty is reg_weight × Σ ‖matrix‖₂ over the cross layers' matrices, as in RecBole. See the
    module's docstring for the paper.
    """

    Options = DCNV2Options
    options: DCNV2Options
    uses_first_order = False

    def __init__(self, config: ModelConfig, dataset: HasSchema) -> None:
        super().__init__(config, dataset)
        options = self.options
        inputs = self.num_feature_field * self.embedding_size
        hidden = options.mlp_hidden_size
        self.is_parallel = options.structure == "parallel"

        self.cross: CrossNetwork | MixedCrossNetwork
        if options.mixed:
            self.cross = MixedCrossNetwork(
                inputs, options.cross_layer_num, options.expert_num, options.low_rank
            )
        else:
            self.cross = CrossNetwork(inputs, options.cross_layer_num)
        self.mlp_layers = MLPLayers([inputs, *hidden], options.dropout_prob, bn=True)
        outputs = hidden[-1] + inputs if self.is_parallel else hidden[-1]
        self.predict_layer = LogitLayer(outputs, self.head.num_logits)
        self.reg_loss = RegLoss()

        self.apply(xavier_normal_initialization)
        if isinstance(self.cross, MixedCrossNetwork):
            self.cross.initialise_gates()

    def logits(self, batch: Batch) -> Tensor:
        """The model's body: [B, K]."""
        x_0 = self.concat_embed_input_fields(batch).flatten(1)  # [B, F, D] -> [B, N]
        x_0 = x_0.to(product_type(x_0))  # for all layers at once
        crossed = self.cross(x_0)  # [B, N]
        if self.is_parallel:
            # The layer reads both side by side, [B, N + hidden], without their being copied there.
            of_cross, of_mlp = self.predict_layer.weight.tensor_split([crossed.shape[1]], dim=1)
            deep = narrow_linear(self.mlp_layers(x_0), of_mlp, self.predict_layer.bias)
            return narrow_linear(crossed, of_cross) + deep
        return self.predict_layer(self.mlp_layers(crossed))

    def penalty(self) -> Tensor | None:
        """The weighted norms of the cross layers' matrices."""
        if self.options.reg_weight == 0:
            return None
        return self.options.reg_weight * self.reg_loss(self.cross.matrices())


class CrossNetwork(nn.Module):
    """Cross layers with a full matrix each, drawn from N(0, 1): [B, N] -> [B, N]."""

    def __init__(self, inputs: int, layers: int) -> None:
        super().__init__()
        self.weight = _parameters(layers, inputs, inputs)  # each [N, N]
        self.bias = nn.ParameterList(nn.Parameter(torch.zeros(inputs)) for _ in range(layers))

    def forward(self, x_0: Tensor) -> Tensor:
        """x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l (Eq. 1)."""
        x = x_0
        for weight, bias in zip(self.weight, self.bias, strict=True):
            x = x + x_0 * linear(x, weight, bias)  # [B, N]
        return x

    def matrices(self) -> list[Tensor]:
        """What the penalty is about."""
        return list(self.weight)


class MixedCrossNetwork(nn.Module):
    """Cross layers with E low-rank experts each, mixed by gates: [B, N] -> [B, N].

    x_{l+1} = Σ_e G_e(x_l) x_0 ⊙ (U_e g(C_e g(V_eᵀ x_l)) + b) + x_l, g = tanh (Eq. 4). The gates are
    the softmax of one linear layer of x_l, which all cross layers share, as in RecBole; as they add
    up to 1, the bias needs no gate, and all experts' U_e are one product of [B, E·R] by [E·R, N].
    """

    def __init__(self, inputs: int, layers: int, experts: int, low_rank: int) -> None:
        super().__init__()
        self.u = _parameters(layers, experts, inputs, low_rank)  # each [E, N, R]
        self.v = _parameters(layers, experts, inputs, low_rank)  # each [E, N, R]
        self.c = _parameters(layers, experts, low_rank, low_rank)  # each [E, R, R]
        self.bias = nn.ParameterList(nn.Parameter(torch.zeros(inputs)) for _ in range(layers))
        self.gates = nn.Linear(inputs, experts)

    def initialise_gates(self) -> None:
        """Draw each expert's gate as a layer with one output of its own."""
        for row in self.gates.weight.split(1):
            nn.init.xavier_normal_(row)
        nn.init.zeros_(self.gates.bias)

    def forward(self, x_0: Tensor) -> Tensor:
        """Apply the layers: [B, N] -> [B, N]."""
        x = x_0
        for u, v, c, bias in zip(self.u, self.v, self.c, self.bias, strict=True):
            gates = self.gates(x).softmax(dim=1)  # [B, E]
            low = torch.matmul(x, v).tanh()  # [B, N] × [E, N, R] -> [E, B, R]
            low = torch.bmm(low, c.mT).tanh()  # [E, B, R]
            gated = low * gates.T.unsqueeze(-1)  # [E, B, R]
            mixed = torch.einsum("ebr,enr->bn", gated, u) + bias  # [B, N]
            x = torch.addcmul(x, x_0, mixed)
        return x

    def matrices(self) -> list[Tensor]:
        """What the penalty is about."""
        return [*self.c, *self.v, *self.u]


def _parameters(count: int, *shape: int) -> nn.ParameterList:
    return nn.ParameterList(nn.Parameter(torch.randn(shape)) for _ in range(count))

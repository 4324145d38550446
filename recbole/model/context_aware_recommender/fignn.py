"""Fi-GNN, feature interactions on a graph of fields.

Zekun Li et al., "Fi-GNN: Modeling Feature Interactions via Graph Neural Networks for CTR
Prediction", CIKM 2019. Fields are nodes; attention gives their first states, edge weights come from
pairs of states, messages run along the edges with weights of each field's own,
a gated recurrent unit updates the states, and each node votes with a weight of its own.

Shapes: B batch, F fields (nodes), D embedding size, A attention size, K logits.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from recbole.errors import ConfigError
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.dropout import Dropout
from recbole.model.field_major import (
    SelfAttention,
    apply_linear,
    field_major,
    multiply_rows,
    project,
)
from recbole.model.init import xavier_normal_initialization
from recbole.model.options import ContextOptions, DropoutRate, Size, check_heads
from recbole.model.types import Batch, HasSchema, ModelConfig


class FiGNNOptions(ContextOptions):
    """The options of FiGNN."""

    attention_size: Size = Field(16, description="Width A of the nodes' states.")
    n_layers: Size = Field(
        2, description="Graph layers, counting the first states: n_layers - 1 rounds of messages."
    )
    num_heads: Size = Field(2, description="Attention heads; must divide attention_size.")
    hidden_dropout_prob: DropoutRate = Field(
        0.2, description="Dropout rate before the attention layer."
    )
    attn_dropout_prob: DropoutRate = Field(0.2, description="Dropout rate of attention weights.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> FiGNNOptions:
        check_heads(self.num_heads, self.attention_size)
        return self


class FiGNN(ContextRecommender):
    """logits = Σ over nodes of vote × weight, [B, F, K] -> [B, K].

    Every logit has a vote and a weight of its own at each node. See the module's docstring for the
    paper.

    Raises:
        ConfigError: there is a single field, so no edge.
    """

    Options = FiGNNOptions
    options: FiGNNOptions
    uses_first_order = False

    def __init__(self, config: ModelConfig, dataset: HasSchema) -> None:
        super().__init__(config, dataset)
        options = self.options
        fields, width, outputs = (
            self.num_feature_field,
            options.attention_size,
            self.head.num_logits,
        )
        if fields < 2:
            raise ConfigError(f"FiGNN needs at least 2 input features; got {self.field_names}.")

        self.att_embedding = nn.Linear(self.embedding_size, width)
        self.dropout_layer = Dropout(options.hidden_dropout_prob)
        self.self_attn = SelfAttention(width, options.num_heads, options.attn_dropout_prob)
        self.v_res_embedding = nn.Linear(self.embedding_size, width)

        self.gnn = nn.ModuleList(GraphLayer(fields, width) for _ in range(options.n_layers - 1))
        if self.gnn:  # without messages these would learn nothing
            self.edge_weights = EdgeWeights(width)
            self.gru_cell = nn.GRUCell(width, width)

        self.mlp1 = nn.Linear(width, outputs, bias=False)
        self.mlp2 = nn.Linear(fields * width, fields * outputs, bias=False)
        self.apply(xavier_normal_initialization)

    def logits(self, batch: Batch) -> Tensor:
        """The model's body: [B, K]."""
        fields = field_major(self.concat_embed_input_fields(batch))  # [B, F, D] -> [F, D, B]
        attended = self.self_attn(self.dropout_layer(apply_linear(self.att_embedding, fields)))
        states = (attended + apply_linear(self.v_res_embedding, fields)).relu()  # [F, A, B]
        states = self._pass_messages(states)
        votes = apply_linear(self.mlp1, states)  # [F, K, B]
        weights = self.mlp2.weight @ states.flatten(0, 1)  # [F·A, B] -> [F·K, B]
        return (votes * weights.view_as(votes)).sum(dim=0).T  # [B, K]

    def _pass_messages(self, first: Tensor) -> Tensor:
        """Update the states by rounds of messages, each with a residual to the first: [F, A, B]."""
        if not self.gnn:
            return first
        graph = self.edge_weights(first)  # [F, F, B]
        states = first
        for layer in self.gnn:
            states = _gated_update(self.gru_cell, layer(graph, states), states) + first
        return states


class EdgeWeights(nn.Module):
    """How much each node listens to every other one: [F, A, B] -> [F, F, B], sums of 1 over dim 1.

    softmax_j(leaky_relu(w · [h_i; h_j])), no node listening to itself. The product with a pair
    is a sum, w · [h_i; h_j] = w_1 · h_i + w_2 · h_j, so no pair is ever built.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.W_attn = nn.Linear(2 * width, 1, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """Weigh the edges: [F, A, B] -> [F, F, B]."""
        both = project(states, self.W_attn.weight.view(2, -1))  # [F, 2, B]
        listener, speaker = both.unbind(dim=1)  # [F, B] each
        scores = listener.unsqueeze(1) + speaker.unsqueeze(0)  # [F, F, B]
        itself = torch.eye(len(scores), dtype=torch.bool, device=scores.device).unsqueeze(2)
        scores = leaky_relu(scores, 0.01).masked_fill(itself, float("-inf"))
        return scores.softmax(dim=1)


class GraphLayer(nn.Module):
    """One round of messages: a_i = W_in_i Σ_j g_ij W_out_j h_j + b."""

    def __init__(self, fields: int, width: int) -> None:
        super().__init__()
        self.W_out = nn.Parameter(nn.init.xavier_normal_(torch.empty(fields, width, width)))
        self.W_in = nn.Parameter(nn.init.xavier_normal_(torch.empty(fields, width, width)))
        self.bias_p = nn.Parameter(torch.zeros(width))

    def forward(self, graph: Tensor, states: Tensor) -> Tensor:
        """Send and gather: [F, F, B] and [F, A, B] -> [F, A, B]."""
        sent = project(states, self.W_out)  # [F, A, B]
        return project(multiply_rows(graph, sent), self.W_in, self.bias_p)  # [F, A, B]


def _gated_update(cell: nn.GRUCell, messages: Tensor, states: Tensor) -> Tensor:
    """A step of a gated recurrent unit at every node: [F, A, B] and [F, A, B] -> [F, A, B].

    r, z = σ(W m + b + U h + c), n = tanh(W m + b + r ⊙ (U h + c)), h' = n + z ⊙ (h − n), as
    `nn.GRUCell` computes it for rows of states.
    """
    width = 2 * cell.hidden_size
    heard = project(messages, cell.weight_ih, cell.bias_ih)  # [F, 3·A, B]
    known = project(states, cell.weight_hh, cell.bias_hh)  # [F, 3·A, B]
    reset, update = (heard[:, :width] + known[:, :width]).sigmoid().chunk(2, dim=1)  # [F, A, B]
    new = torch.addcmul(heard[:, width:], reset, known[:, width:]).tanh()
    return torch.lerp(new, states, update)

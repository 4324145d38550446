"""AutoInt, feature interactions by self-attention.

Weiping Song et al., "AutoInt: Automatic Feature Interaction Learning via Self-Attentive Neural
Networks", CIKM 2019. The fields attend to each other in several layers of multi-head self-attention
(Eq. 5 to 7), and what comes out is weighed into logits (Eq. 9); a multi-layer perceptron and the
first-order terms stand beside it ("AutoInt+", section 5.5).

Shapes: B batch, F fields, D embedding size, A attention size, K logits.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from torch import Tensor, nn

from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.field_major import SelfAttention, apply_linear, field_major
from recbole.model.init import xavier_normal_initialization
from recbole.model.layers import LogitLayer, MLPLayers
from recbole.model.options import ContextOptions, DropoutRate, Size, Sizes, check_heads
from recbole.model.types import Batch, HasSchema, ModelConfig


class AutoIntOptions(ContextOptions):
    """The options of AutoInt."""

    attention_size: Size = Field(16, description="Width A of the attention layers.")
    n_layers: Size = Field(3, description="Number of attention layers.")
    num_heads: Size = Field(2, description="Attention heads; must divide attention_size.")
    dropout_probs: Annotated[list[DropoutRate], Field(min_length=3, max_length=3)] = Field(
        [0.2, 0.2, 0.2],
        description="Dropout rates of attention weights and MLP; the third is not used by the "
        "model, here as in RecBole.",
    )
    mlp_hidden_size: Sizes = Field([128, 128], description="Sizes of the MLP's layers.")
    has_residual: bool = Field(
        False, description="Whether the embeddings are added to the attention's output."
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> AutoIntOptions:
        check_heads(self.num_heads, self.attention_size)
        return self


class AutoInt(ContextRecommender):
    """logits = first-order terms + linear(relu(attention(embeddings))) + linear(MLP(embeddings)).

    With `has_residual`, a linear image of the embeddings is added to the attention's output, once,
    before the relu, as in RecBole. See the module's docstring for the paper.
    """

    Options = AutoIntOptions
    options: AutoIntOptions

    def __init__(self, config: ModelConfig, dataset: HasSchema) -> None:
        super().__init__(config, dataset)
        options = self.options
        width, hidden = options.attention_size, options.mlp_hidden_size
        attention_dropout, mlp_dropout, _ = options.dropout_probs
        outputs = self.head.num_logits

        self.att_embedding = nn.Linear(self.embedding_size, width)
        self.self_attns = nn.Sequential(
            *(
                SelfAttention(width, options.num_heads, attention_dropout)
                for _ in range(options.n_layers)
            )
        )
        if options.has_residual:
            self.v_res_embedding = nn.Linear(self.embedding_size, width)
        self.attn_fc = LogitLayer(self.num_feature_field * width, outputs)
        inputs = self.num_feature_field * self.embedding_size
        self.mlp_layers = MLPLayers([inputs, *hidden], mlp_dropout)
        self.deep_predict_layer = LogitLayer(hidden[-1], outputs)
        self.apply(xavier_normal_initialization)

    def logits(self, batch: Batch) -> Tensor:
        """The model's body: [B, K]."""
        embeddings = self.concat_embed_input_fields(batch)  # [B, F, D]
        fields = field_major(embeddings)  # [F, D, B]
        attended = self.self_attns(apply_linear(self.att_embedding, fields))  # [F, A, B]
        if self.options.has_residual:
            attended = attended + apply_linear(self.v_res_embedding, fields)
        crossed = self.attn_fc(attended.relu().flatten(0, 1).T)  # [B, F·A] -> [B, K]
        deep = self.deep_predict_layer(self.mlp_layers(embeddings.flatten(1)))  # [B, K]
        return crossed + deep + self.first_order_linear(batch)

"""Wide & Deep.

Heng-Tze Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS at RecSys 2016.
A linear model memorises, a multi-layer perceptron generalises, and both are trained as one: their
log-odds are added up (Eq. 3).

Shapes: B batch, F fields, D embedding size, K logits.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.init import xavier_normal_initialization
from recbole.model.layers import LogitLayer, MLPLayers
from recbole.model.options import ContextOptions, DropoutRate, Sizes
from recbole.model.types import Batch, HasSchema, ModelConfig


class WideDeepOptions(ContextOptions):
    """The options of WideDeep."""

    mlp_hidden_size: Sizes = Field([32, 16, 8], description="Sizes of the deep part's layers.")
    dropout_prob: DropoutRate = Field(0.1, description="Dropout rate of the deep part.")


class WideDeep(ContextRecommender):
    """logits = first-order terms + linear(MLP(embeddings)).

    Both terms are K wide. See the module's docstring for the paper.
    """

    Options = WideDeepOptions
    options: WideDeepOptions

    def __init__(self, config: ModelConfig, dataset: HasSchema) -> None:
        super().__init__(config, dataset)
        hidden = self.options.mlp_hidden_size
        inputs = self.num_feature_field * self.embedding_size
        self.mlp_layers = MLPLayers([inputs, *hidden], self.options.dropout_prob)
        self.deep_predict_layer = LogitLayer(hidden[-1], self.head.num_logits)
        self.apply(xavier_normal_initialization)

    def logits(self, batch: Batch) -> Tensor:
        """The model's body: [B, K]."""
        embeddings = self.concat_embed_input_fields(batch).flatten(1)  # [B, F, D] -> [B, F·D]
        deep = self.deep_predict_layer(self.mlp_layers(embeddings))  # [B, K]
        return deep + self.first_order_linear(batch)

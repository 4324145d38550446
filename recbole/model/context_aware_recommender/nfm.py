"""NFM, the neural factorisation machine.

Xiangnan He and Tat-Seng Chua, "Neural Factorization Machines for Sparse Predictive Analytics",
SIGIR 2017. The pairwise products of the fields' vectors, summed up (bi-interaction pooling, Eq. 3
and 4), go through a multi-layer perceptron, and its output is added to the first-order terms
(Eq. 7).

Shapes: B batch, F fields, D embedding size, K logits.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.init import xavier_normal_initialization
from recbole.model.layers import BaseFactorizationMachine, LogitLayer, MLPLayers
from recbole.model.options import ContextOptions, DropoutRate, Sizes
from recbole.model.types import Batch, HasSchema, ModelConfig


class NFMOptions(ContextOptions):
    """The options of NFM."""

    mlp_hidden_size: Sizes = Field([64, 64, 64], description="Sizes of the MLP's layers.")
    dropout_prob: DropoutRate = Field(0.0, description="Dropout rate of the MLP.")


class NFM(ContextRecommender):
    """logits = first-order terms + linear(MLP(BatchNorm(Σ_{i<j} v_i ⊙ v_j))).

    The MLP has batch normalisation and sigmoid activations, as in RecBole. See the module's
    docstring for the paper.
    """

    Options = NFMOptions
    options: NFMOptions

    def __init__(self, config: ModelConfig, dataset: HasSchema) -> None:
        super().__init__(config, dataset)
        hidden = self.options.mlp_hidden_size
        self.fm = BaseFactorizationMachine(reduce_sum=False)
        self.bn = nn.BatchNorm1d(self.embedding_size)
        self.mlp_layers = MLPLayers(
            [self.embedding_size, *hidden],
            self.options.dropout_prob,
            activation="sigmoid",
            bn=True,
        )
        self.predict_layer = LogitLayer(hidden[-1], self.head.num_logits, bias=False)
        self.apply(xavier_normal_initialization)

    def logits(self, batch: Batch) -> Tensor:
        """The model's body: [B, K]."""
        pairs = self.fm(self.concat_embed_input_fields(batch))  # [B, F, D] -> [B, D]
        deep = self.predict_layer(self.mlp_layers(self.bn(pairs)))  # [B, K]
        return deep + self.first_order_linear(batch)

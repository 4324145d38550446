"""xDeepFM.

Jianxun Lian et al., "xDeepFM: Combining Explicit and Implicit Feature Interactions for Recommender
Systems", KDD 2018. A compressed interaction network (CIN) builds products of one more field in each
layer (Eq. 6), sums them over the embedding (Eq. 7) and weighs them; a multi-layer perceptron and
the first-order terms are added (Eq. 9).

Shapes: B batch, F fields, D embedding size, H feature maps coming into a CIN layer, S feature maps
going out, K logits.
"""

from __future__ import annotations

from pydantic import Field, model_validator
from torch import Tensor

from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.cin import CompressedInteractionNetwork
from recbole.model.init import xavier_normal_initialization
from recbole.model.layers import LogitLayer, MLPLayers
from recbole.model.loss import RegLoss
from recbole.model.options import ContextOptions, DropoutRate, RegularisationWeight, Sizes
from recbole.model.types import Batch, HasSchema, ModelConfig


class xDeepFMOptions(ContextOptions):  # noqa: N801  # named like its model
    """The options of xDeepFM."""

    mlp_hidden_size: Sizes = Field([128, 128, 128], description="Sizes of the MLP's layers.")
    reg_weight: RegularisationWeight = Field(
        5e-4, description="Weight of the sum of the L2 norms of MLP, CIN and first-order weights."
    )
    dropout_prob: DropoutRate = Field(0.2, description="Dropout rate of the MLP.")
    direct: bool = Field(
        False,
        description="Whether all feature maps of a CIN layer go both to the output and to the next "
        "layer; else one half goes to each.",
    )
    cin_layer_size: Sizes = Field(
        [100, 100, 100], description="Feature maps of the CIN's layers; even, unless direct."
    )

    @model_validator(mode="after")
    def _halves_are_not_empty(self) -> xDeepFMOptions:
        if not self.direct and min(self.cin_layer_size) < 2:
            raise ValueError(
                f"cin_layer_size needs sizes of at least 2, as half of a layer's feature maps go "
                f"to the next layer unless direct; got {self.cin_layer_size}"
            )
        return self


class xDeepFM(ContextRecommender):  # noqa: N801  # RecBole's name
    """logits = first-order terms + linear(CIN(embeddings)) + MLP(embeddings).

    All three terms are K wide. The MLP's last layer has its relu, too, as in RecBole. The penalty
    is reg_weight × Σ ‖weight‖₂ over the weights (not the biases) of MLP, first-order terms and CIN.
    See the module's docstring for the paper.
    """

    Options = xDeepFMOptions
    options: xDeepFMOptions
    penalises_first_order = True

    def __init__(self, config: ModelConfig, dataset: HasSchema) -> None:
        super().__init__(config, dataset)
        options = self.options
        outputs = self.head.num_logits
        self.cin = CompressedInteractionNetwork(
            self.num_feature_field, self._cin_sizes(), options.direct
        )
        self.cin_linear = LogitLayer(self.cin.output_size, outputs)
        inputs = self.num_feature_field * self.embedding_size
        self.mlp_layers = MLPLayers(
            [inputs, *options.mlp_hidden_size, outputs], options.dropout_prob
        )
        self.reg_loss = RegLoss()
        self.apply(xavier_normal_initialization)

    def logits(self, batch: Batch) -> Tensor:
        """The model's body: [B, K]."""
        embeddings = self.concat_embed_input_fields(batch)  # [B, F, D]
        explicit = self.cin_linear(self.cin(embeddings))  # [B, K]
        implicit = self.mlp_layers(embeddings.flatten(1))  # [B, F·D] -> [B, K]
        return explicit + implicit + self.first_order_linear(batch)

    def penalty(self) -> Tensor | None:
        """The weighted norms of the weights of MLP, first-order terms and CIN."""
        if self.options.reg_weight == 0:
            return None
        weights = [
            parameter
            for part in (self.mlp_layers, self.first_order_linear, self.cin)
            for name, parameter in part.named_parameters()
            if name.endswith("weight")
        ]
        return self.options.reg_weight * self.reg_loss(weights)

    def _cin_sizes(self) -> list[int]:
        """The CIN's layer sizes, rounded down to even ones where layers are halved."""
        asked = self.options.cin_layer_size
        if self.options.direct:
            return asked
        sizes = [size - size % 2 for size in asked]
        if sizes != asked:
            self.logger.warning(
                "cin_layer_size %s has odd sizes, which cannot be halved; %s is used.", asked, sizes
            )
        return sizes

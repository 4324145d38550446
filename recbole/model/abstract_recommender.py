"""What every model is: fields in, logits out, and a head that makes sense of the logits.

Shapes: B batch, F fields, D embedding size, K logits.
"""

from __future__ import annotations

import logging
from typing import ClassVar

import torch
from torch import Tensor, nn

from recbole.config.options import ModelOptions
from recbole.data.interaction import Interaction, widen
from recbole.data.schema import FeatureSource, FeatureType, Schema
from recbole.errors import ConfigError
from recbole.model.embedding import PLAIN, FieldEmbedding, FirstOrderLinear, Tables
from recbole.model.head import Head, RatingHead, Scores, build_head
from recbole.model.lookup import ForwardPass
from recbole.model.options import UndeclaredOptions
from recbole.model.precision import choose_precision
from recbole.model.types import Batch, HasSchema, InputType, ModelConfig, ModelType

OptionsClass = type[ModelOptions]

_ITEM_SOURCES = (FeatureSource.ITEM, FeatureSource.ITEM_ID)


class AbstractRecommender(nn.Module):
    """The interface of a model, under RecBole's names."""

    type: ClassVar[ModelType]  # type: ignore[assignment]  # RecBole's name hides Module.type()
    input_type: ClassVar[InputType]

    def __init__(self) -> None:
        super().__init__()
        self.logger = logging.getLogger(self.__class__.__module__)

    def calculate_loss(self, interaction: Batch) -> Tensor | tuple[Tensor, ...]:
        """The loss of a batch: a scalar, or a tuple of scalars to be added up."""
        raise NotImplementedError

    def predict(self, interaction: Batch) -> Tensor:
        """The score of each row: [B]."""
        raise NotImplementedError

    def full_sort_predict(self, interaction: Batch) -> Tensor:
        """The score of every item for each of U users, one user after the other: [U·I]."""
        raise NotImplementedError

    def __str__(self) -> str:
        """The modules, and the number of trainable parameters."""
        trainable = sum(p.numel() for p in self.parameters() if p.requires_grad)
        return f"{super().__str__()}\nTrainable parameters: {trainable:,}"


class ContextRecommender(AbstractRecommender):
    """The base of the context-aware models.

    A model here implements `logits` and, if it regularises its own weights, `penalty`. It sizes its
    output layers by `self.head.num_logits`, the K of the head (see `head.py`), and everything it
    adds up to logits must be K wide. Loss, prediction and evaluation follow from that.

    A model written for RecBole, which overrides `forward`, `calculate_loss` and `predict` instead,
    runs unchanged as a binary model.

    Args:
        config: the options.
        dataset: a Dataset, or a Checkpoint or Schema, which says as much; its `schema` is used and,
            by `full_sort_predict`, its `item_feat`, where it has one.

    Attributes:
        Options: the class of the model's options.
        uses_first_order: whether to build `first_order_linear`, [B, K].
        precision: the type of the matrix products in `loss_parts`, `predict` and `scores`; a
            `predict` of one's own runs as it is written.
        penalises_first_order: whether `penalty` is about its weights, too: their gradients are then
            not those of the rows of a batch only, and its tables plain ones.

    Raises:
        ConfigError: the data set has no input feature, or its ratings do not fit the rating head,
            or a model that computes its own loss is asked for a rating head.
    """

    type = ModelType.CONTEXT
    input_type = InputType.POINTWISE

    Options: ClassVar[OptionsClass] = UndeclaredOptions
    uses_first_order: ClassVar[bool] = True
    penalises_first_order: ClassVar[bool] = False

    options: ModelOptions
    head: Head
    first_order_linear: FirstOrderLinear

    def __init__(self, config: ModelConfig, dataset: HasSchema) -> None:
        super().__init__()
        schema = dataset.schema
        self.options = config.model_options
        self.head = build_head(config.supervision, schema.target)
        self._check_head()
        self._weighs_penalty = config.supervision.penalty_weight is not None

        self.LABEL = config["LABEL_FIELD"]
        self.device = config["device"]
        self.precision = choose_precision(
            config["precision"], config["enable_amp"], torch.device(self.device)
        )
        self.embedding_size: int = config["embedding_size"]
        self.numerical_features = config["numerical_features"]
        self._name_fields(schema)
        self._schema = schema
        self._item_feat: Interaction | None = getattr(dataset, "item_feat", None)

        tables = Tables(
            sparse=config["learner"] == "sparse_adam",
            dtype=torch.bfloat16 if config["embedding_precision"] == "bf16" else None,
        )
        self.field_embedding = FieldEmbedding(schema.fields, self.embedding_size, tables)
        if self.uses_first_order:
            self.first_order_linear = FirstOrderLinear(
                schema.fields,
                self.head.num_logits,
                PLAIN if self.penalises_first_order else tables,
            )

    # What a model implements

    def logits(self, batch: Batch) -> Tensor:
        """The model's body: [B, K]."""
        raise NotImplementedError(
            f"{self.__class__.__name__} implements neither logits() nor its own calculate_loss() "
            "and predict()."
        )

    def penalty(self) -> Tensor | None:
        """The model's own regularisation term, weighted, a scalar; None where it has none."""
        return None

    # What a model uses

    @property
    def schema(self) -> Schema:
        """The fields it reads, the ids and the target."""
        return self._schema

    def concat_embed_input_fields(self, interaction: Batch) -> Tensor:
        """The vector of each field: [B, F, D]."""
        return self.field_embedding(interaction)

    def embed_input_fields(self, interaction: Batch) -> tuple[Tensor | None, Tensor | None]:
        """The vectors of token (sequence) fields and those of float (sequence) fields.

        Each is [B, N, D] for the N fields of its kind, None where N = 0.
        """
        embedding = self.field_embedding
        return embedding.sparse_rows(interaction), embedding.dense_rows(interaction)

    # What follows

    def forward(self, batch: Batch) -> Tensor:
        """The log-odds of a click: [B]."""
        return self.head.click_logit(self._logits(batch))

    def calculate_loss(self, interaction: Batch) -> Tensor | tuple[Tensor, ...]:
        """The scalar to minimise, a mean over the batch."""
        return self._head_loss(interaction)["loss"]

    def loss_parts(self, batch: Batch) -> dict[str, Tensor]:
        """The scalar to minimise under "loss", and the unweighted parts `Head.loss` names.

        A model that computes its own loss has no named parts; a tuple it returns is added up.
        """
        if not self._overrides("calculate_loss"):
            return self._head_loss(batch)
        with self.precision.applied():
            loss = self.calculate_loss(batch)
        return {"loss": torch.stack(loss).sum() if isinstance(loss, tuple) else loss}

    def predict(self, interaction: Batch) -> Tensor:
        """The probability of a click: [B]."""
        return self.head.click_probability(self._logits(interaction))

    def full_sort_predict(self, interaction: Batch) -> Tensor:
        """The click probability of every item, padding among them: U users -> [U·I].

        All of it at once; for bounded memory, see `recbole.utils.case_study` and `FullRanker`.

        Args:
            interaction: U rows with what the model reads that is not of items, as
                `dataset.join(Interaction({"user_id": users}))` gives it.

        Raises:
            ConfigError: the model was built from a schema alone, and reads item features.
        """
        of_items = [f for f in self._schema.fields if f.source in _ITEM_SOURCES]
        others = [f.name for f in self._schema.fields if f.source not in _ITEM_SOURCES]
        users = interaction[self._schema.user_field]
        (count,) = (f.size for f in of_items if f.name == self._schema.item_field)
        columns = dict(self._item_feat.interaction) if self._item_feat is not None else {}
        columns.setdefault(self._schema.item_field, torch.arange(count))
        missing = [f.name for f in of_items if f.name not in columns]
        if missing:
            raise ConfigError(
                f"full_sort_predict needs the features of all items ({', '.join(missing)}): build"
                " the model from a Dataset or by Checkpoint.build_model, not from a Schema"
            )
        rows = {name: interaction[name].repeat_interleave(count, dim=0) for name in others}
        items = Interaction({f.name: widen(columns[f.name]) for f in of_items})
        rows.update(items.to(users.device).repeat(len(users)).interaction)  # [I] -> [U·I]
        return self.predict(Interaction(rows))

    def scores(self, batch: Batch) -> Scores:
        """Click and class probabilities from one forward pass, for evaluation."""
        if self._overrides("predict"):
            return Scores(click=self.predict(batch), classes=None)
        return self.head.scores(self._logits(batch))

    def _head_loss(self, batch: Batch) -> dict[str, Tensor]:
        penalty = self.penalty()
        if penalty is None and self._weighs_penalty:
            raise ConfigError(
                f"Option 'penalty_weight': {self.__class__.__name__} has no penalty to be weighted"
                " here; leave it out, or set the model's reg_weight above 0, if it has one"
            )
        return self.head.loss(self._logits(batch), batch, penalty)

    def _logits(self, batch: Batch) -> Tensor:
        with self.precision.applied():
            return self.logits(ForwardPass(batch))

    def _overrides(self, method: str) -> bool:
        return getattr(self.__class__, method) is not getattr(ContextRecommender, method)

    def _check_head(self) -> None:
        if isinstance(self.head, RatingHead) and not self._overrides("logits"):
            raise ConfigError(
                f"multi_cls={self.head.num_classes} needs a model that returns its logits, and "
                f"{self.__class__.__name__} computes its own loss from a single one: implement "
                "logits(batch) -> [B, self.head.num_logits] instead of calculate_loss and "
                "predict, or leave multi_cls out."
            )

    def _name_fields(self, schema: Schema) -> None:
        """The field lists that models written for RecBole read."""
        self.field_names = [field.name for field in schema.fields]
        self.num_feature_field = len(schema.fields)
        for feature_type in FeatureType:
            fields = schema.of_type(feature_type)
            setattr(self, f"{feature_type.value}_field_names", [field.name for field in fields])
            setattr(self, f"{feature_type.value}_field_dims", [field.size for field in fields])

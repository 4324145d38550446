"""What all heads share, and what all heads that are taught ratings share.

The heads of the paper are in `head.py`, those for ablations in `ablation_heads.py`.

Shapes: B batch, L logits of the body, K rating classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from recbole.data.schema import Target
from recbole.model.precision import full_precision
from recbole.model.supervision import RatingScale, SupervisionOptions
from recbole.model.types import Batch


@dataclass(frozen=True)
class Scores:
    """What evaluation needs of a forward pass.

    Attributes:
        click: click probabilities [B].
        classes: probabilities of the rating classes [B, K]; None for a binary model.
    """

    click: Tensor
    classes: Tensor | None


class Head(nn.Module):
    """Turns logits [B, L] into a loss, a click logit and probabilities.

    Attributes:
        num_logits: L, the width of the body's output.
        grades: whether it is taught ratings, and predicts them.
        penalty_weight: what the model's own penalty is multiplied by.
        smoothing: the share ε of the target that is spread evenly.
    """

    num_logits: int
    grades: ClassVar[bool] = False

    def __init__(
        self, options: SupervisionOptions, target: Target, penalty_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.label_field = target.label_field
        asked = options.penalty_weight
        self.penalty_weight = penalty_weight if asked is None else asked
        self.smoothing = options.label_smoothing

    def click_logit(self, logits: Tensor) -> Tensor:
        """The log-odds of a click: [B, L] -> [B]."""
        raise NotImplementedError

    def click_probability(self, logits: Tensor) -> Tensor:
        """The probability of a click: [B, L] -> [B]."""
        return torch.sigmoid(self.click_logit(logits))

    def class_probabilities(self, logits: Tensor) -> Tensor | None:
        """The probability of each rating class, [B, L] -> [B, K], where there are any."""
        raise NotImplementedError

    def scores(self, logits: Tensor) -> Scores:
        """The click and class probabilities of a batch."""
        return Scores(self.click_probability(logits), self.class_probabilities(logits))

    def loss(self, logits: Tensor, batch: Batch, penalty: Tensor | None) -> dict[str, Tensor]:
        """The scalar to minimise under "loss", and the unweighted parts it is made of.

        Parts: "bce" of the click; under a rating head "ce", or "mse" of a regression, of the
        rating; the model's "penalty", where it has one. All are means over the batch, in float32
        even under autocast. Parts are for the record: they may come without a gradient.
        """
        parts = self._losses(logits, batch)
        if penalty is None:
            return parts
        return {**parts, "loss": parts["loss"] + self.penalty_weight * penalty, "penalty": penalty}

    def _losses(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The parts without the penalty."""
        raise NotImplementedError

    def _bce(self, logits: Tensor, batch: Batch, share_of_clicks: float = 0.5) -> Tensor:
        """The binary cross entropy of the click.

        Args:
            share_of_clicks: what the spread share ε of a smoothed target holds for the click.
        """
        click_logit = self.click_logit(logits)  # [B]
        target = self._click_target(batch, share_of_clicks, click_logit.dtype)
        return F.binary_cross_entropy_with_logits(click_logit, target)

    def _click_target(self, batch: Batch, share_of_clicks: float, dtype: torch.dtype) -> Tensor:
        """The probability of a click that the click's loss asks for: [B]."""
        label = batch[self.label_field].to(dtype)
        if self.smoothing:
            return label * (1 - self.smoothing) + share_of_clicks * self.smoothing
        return label


class RatingHead(Head):
    """A head that is taught rating and click: λ · (loss of the rating) + (1 − λ) · (BCE + penalty).

    This is Eq. 13 with Eq. 10 or another loss of the rating in it. The penalty is weighted with
    the click's loss (Eq. 12), unless `penalty_weight` says otherwise.

    Attributes:
        levels: the rating of each class, ascending: float32 [K].
        edges: the ratings half-way between two levels, after -inf and before inf: float32 [K + 1].
        num_negative: how many classes count as no click: the first ones.
        ratio: λ.

    Raises:
        ConfigError: see `RatingScale.of`.
    """

    levels: Tensor
    edges: Tensor
    grades = True

    def __init__(self, options: SupervisionOptions, target: Target) -> None:
        super().__init__(options, target, penalty_weight=1 - options.multi_ratio)
        assert options.multi_cls is not None
        scale = RatingScale.of(options.multi_cls, target)
        self.num_negative = scale.num_negative
        self.ratio = options.multi_ratio
        self.rating_field = scale.field
        values = torch.tensor(scale.levels, dtype=torch.float64)
        # Half-way between two levels, so that a rounded rating still falls into its class.
        edges = F.pad((values[1:] + values[:-1]) / 2, (1, 1), value=torch.inf)
        edges[0] = -torch.inf
        self.register_buffer("levels", values.float(), persistent=False)  # [K]
        self.register_buffer("edges", edges.float(), persistent=False)  # [K + 1]

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.levels)

    def classes(self, batch: Batch) -> Tensor:
        """The class 0..K-1 of each rating: int64 [B]."""
        rating = batch[self.rating_field].to(self.edges.dtype)
        # For a handful of classes quicker than a search.
        return (rating > self.edges[1:-1].unsqueeze(1)).sum(dim=0)

    @property
    def positive_share(self) -> float:
        """The share of the classes that are clicks, as a target spread over all of them holds."""
        return 1 - self.num_negative / self.num_classes

    def class_scores(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the classes, up to a constant in each row: [B, L] -> [B, K]."""
        raise NotImplementedError

    def class_probabilities(self, logits: Tensor) -> Tensor:
        """The probability of each class: [B, L] -> [B, K]."""
        return by_class(self.class_scores(logits)).softmax(dim=0).T

    def expected_level(self, class_probabilities: Tensor) -> Tensor:
        """The mean rating Σ_k p_k level_k: [B, K] -> [B], in the ratings' own unit."""
        return class_probabilities @ self.levels.to(class_probabilities.dtype)

    def rating_loss(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The loss of the rating under its name: the cross entropy "ce", Eq. 10."""
        scores = by_class(self.class_scores(logits)).unsqueeze(0)  # [1, K, B]
        classes = self.classes(batch).unsqueeze(0)  # [1, B]
        return {"ce": F.cross_entropy(scores, classes, label_smoothing=self.smoothing)}

    def _losses(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        logits = by_class(logits).T  # laid out for both losses at once
        ((name, of_rating),) = self.rating_loss(logits, batch).items()
        bce = self._bce(logits, batch, self.positive_share)
        return {"loss": torch.lerp(bce, of_rating, self.ratio), "bce": bce, name: of_rating}


def by_class(scores: Tensor) -> Tensor:
    """Full precision, and rows innermost, which makes long vectors: [..., B, K] -> [..., K, B]."""
    return full_precision(scores).mT.contiguous()

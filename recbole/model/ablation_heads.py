"""Other ways to teach ratings than the paper's, to find out what its rating head gains by.

- `OrdinalHead` knows the order of the ratings, and has one score, as a binary model has: is it the
  K outputs of the softmax that help, or what the ratings say?
- `RegressionHead` is taught the rating as a number, without classes: is it the classes?

Shapes: B batch, K rating classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, mse_loss, softplus

from recbole.data.schema import Target
from recbole.model.precision import full_precision
from recbole.model.rating_head import RatingHead
from recbole.model.supervision import SupervisionOptions
from recbole.model.types import Batch


class OrdinalHead(RatingHead):
    """K ordered classes of one score s, by a cumulative link (multi_head: ordinal).

    P(rating above class k) = sigmoid(s − θ_k), with K − 1 ascending cut-points θ: the proportional
    odds model (McCullagh, "Regression Models for Ordinal Data", 1980, Eq. 1.3). The cut-points are
    the only parameters that a head has; they start where all classes are equally probable at s = 0,
    and stay in order as each lies softplus(gap) above the one before.

    The click is one of the K − 1 questions: its logit is s − θ at the threshold, exactly.
    """

    num_logits = 1

    def __init__(self, options: SupervisionOptions, target: Target) -> None:
        super().__init__(options, target)
        shares = torch.arange(1, self.num_classes, dtype=torch.float64) / self.num_classes
        cut_points = shares.logit()  # [K - 1]
        gaps = cut_points.diff().expm1().log()  # softplus(log(e^d − 1)) = d
        self.gaps = nn.Parameter(torch.cat([cut_points[:1], gaps]).float())  # [K - 1]

    def cut_points(self) -> Tensor:
        """θ, ascending: [K - 1]."""
        return torch.cat([self.gaps[:1], softplus(self.gaps[1:])]).cumsum(0)

    def click_logit(self, logits: Tensor) -> Tensor:
        """The log-odds that the rating is above the last negative class: [B, 1] -> [B]."""
        return full_precision(logits).squeeze(1) - self.cut_points()[self.num_negative - 1]

    def class_scores(self, logits: Tensor) -> Tensor:
        """Log-probabilities log(sigmoid(s − θ_below) − sigmoid(s − θ_above)): [B, 1] -> [B, K].

        sigmoid(a) − sigmoid(b) = sigmoid(a) sigmoid(−b) (1 − e^(b − a)), whose logarithm is exact
        for any score; the last factor does not depend on it.
        """
        above = full_precision(logits) - self.cut_points()  # [B, K - 1], s − θ
        none = above.new_zeros(len(above), 1)
        log_width = (-(-softplus(self.gaps[1:])).expm1()).log()  # [K - 2]
        at_least = torch.cat([none, logsigmoid(above)], dim=1)  # [B, K]
        at_most = torch.cat([logsigmoid(-above), none], dim=1)  # [B, K]
        edge = log_width.new_zeros(1)
        return at_least + at_most + torch.cat([edge, log_width, edge])


class RegressionHead(RatingHead):
    """A logit for the click and a number for the rating (multi_head: regression).

    The number counts steps of the scale (the mean distance of two levels) from its middle, so that
    0 is a fair start and a step weighs the same on any scale; its loss is the squared error in
    steps. Click and rating share the body and nothing else: p̂ is no sum of class probabilities.
    """

    num_logits = 2

    def __init__(self, options: SupervisionOptions, target: Target) -> None:
        super().__init__(options, target)
        lowest, highest = float(self.levels[0]), float(self.levels[-1])
        self.middle = (lowest + highest) / 2
        self.step = (highest - lowest) / (self.num_classes - 1)

    def click_logit(self, logits: Tensor) -> Tensor:
        """The first of the two outputs: [B, 2] -> [B]."""
        return full_precision(logits)[:, 0]

    def predicted_rating(self, logits: Tensor) -> Tensor:
        """The second of the two outputs in the ratings' own unit: [B, 2] -> [B]."""
        return self.middle + self.step * full_precision(logits)[:, 1]

    def class_probabilities(self, logits: Tensor) -> Tensor:
        """The two levels around the predicted rating, so that it is their mean: [B, 2] -> [B, K].

        A regression says nothing of how sure it is; these say no more than it does. A prediction
        outside the scale is taken for its end.
        """
        levels = self.levels
        rating = self.predicted_rating(logits).unsqueeze(1)  # [B, 1]
        steps = levels.diff()  # [K - 1]
        end = torch.ones_like(rating)
        rising = torch.cat([end, (rating - levels[:-1]) / steps], dim=1)  # [B, K]
        falling = torch.cat([(levels[1:] - rating) / steps, end], dim=1)  # [B, K]
        return torch.minimum(rising, falling).clamp(min=0)

    def rating_loss(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The mean squared error in steps of the scale, as "mse"."""
        rating = batch[self.rating_field].to(self.levels.dtype)
        steps = (rating - self.middle) / self.step  # [B]
        return {"mse": mse_loss(full_precision(logits)[:, 1], steps)}

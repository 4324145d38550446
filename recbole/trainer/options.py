"""Options of training: epochs, optimiser, early stopping, mixed precision."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from recbole.config.options import Options
from recbole.errors import did_you_mean

Learner = Literal["adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam"]
_LEARNERS = ("adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam")


class ClipGradNorm(Options):
    """Arguments of `torch.nn.utils.clip_grad_norm_`."""

    max_norm: float = Field(gt=0, description="largest norm of all gradients together")
    norm_type: float = Field(2.0, gt=0, description="order of the norm")


class TrainingOptions(Options):
    """How a model is fitted. RecBole's names and defaults."""

    epochs: int = Field(300, ge=0, description="most passes over the training part")
    learner: Learner = Field("adam", description=f"optimiser: {', '.join(_LEARNERS)}")
    learning_rate: float = Field(1e-3, gt=0, description="learning rate of the optimiser")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty (AdamW: decoupled decay)")
    eval_step: int = Field(1, ge=0, description="epochs between validations; 0 = none")
    save_step: int = Field(
        1, ge=0, description="epochs between checkpoints to resume from; 0 = on interruption only"
    )
    stopping_step: int = Field(10, ge=0, description="worse validations borne before stopping")
    clip_grad_norm: ClipGradNorm | None = Field(
        None, description="gradient clipping, such as {max_norm: 5, norm_type: 2}"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="type of matrix products: fp32, bf16, fp16; auto: bf16 on a CPU that is much"
        " faster with it, tf32 on CUDA, else fp32",
    )
    enable_amp: bool = Field(
        False, description="RecBole's mixed precision: bf16 on CPU, fp16 on CUDA"
    )
    enable_scaler: bool = Field(
        False, description="scale the loss under enable_amp; precision=fp16 always does"
    )
    embedding_precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="type in which tables of tokens, and their moments, are kept; bf16: half the"
        " memory, with learner=sparse_adam",
    )
    compile: Literal["auto"] | bool = Field(
        "auto", description="torch.compile the loss; auto: no, as it has not paid where measured"
    )
    cuda_graph: bool = Field(
        False, description="on CUDA, launch a training step as one graph (adam, adamw or sgd)"
    )
    track_norms: bool = Field(
        False,
        description="note L2 norms of embeddings and their gradients, epoch by epoch (Fig. 2)",
    )
    loss_decimal_place: int = Field(4, ge=0, le=15, description="decimals of a logged loss")

    @field_validator("learner", mode="before")
    @classmethod
    def _known_learner(cls, learner: object) -> object:
        if not isinstance(learner, str) or learner.lower() not in _LEARNERS:
            hint = did_you_mean(str(learner), _LEARNERS)
            raise ValueError(f"expected one of {', '.join(_LEARNERS)}.{hint}")
        return learner.lower()

    @model_validator(mode="after")
    def _one_precision(self) -> TrainingOptions:
        if self.enable_amp and self.precision != "auto":
            raise ValueError(
                "Options 'enable_amp' and 'precision' are at odds: both choose a precision, so one"
                " of them must be left out"
            )
        return self

    @model_validator(mode="after")
    def _sparse_gradients(self) -> TrainingOptions:
        if self.learner == "sparse_adam":
            for option in ("weight_decay", "clip_grad_norm"):
                if getattr(self, option):
                    raise ValueError(
                        f"Options 'learner' and '{option}' are at odds: sparse_adam updates only"
                        f" the rows of a batch, so '{option}' must be left out"
                    )
        return self

    @model_validator(mode="after")
    def _capturable(self) -> TrainingOptions:
        at_odds = {
            "learner": self.learner not in ("adam", "adamw", "sgd"),
            "compile": self.compile is True,
            "track_norms": self.track_norms,
        }
        for option, is_at_odds in at_odds.items():
            if self.cuda_graph and is_at_odds:
                raise ValueError(
                    f"Options 'cuda_graph' and '{option}' are at odds: a graph holds a plain step"
                    f" of adam, adamw or sgd; got {option}={getattr(self, option)}"
                )
        return self

    @model_validator(mode="after")
    def _rows_in_bf16(self) -> TrainingOptions:
        if self.embedding_precision == "bf16" and self.learner != "sparse_adam":
            raise ValueError(
                "Options 'embedding_precision' and 'learner' are at odds: bf16 needs"
                f" learner=sparse_adam, whose steps survive its rounding; got {self.learner}"
            )
        return self

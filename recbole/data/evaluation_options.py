"""How rows are ordered, split into training, validation and test, and scored."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from pydantic import Field, field_validator

from recbole.config.options import Options

#: The parts of a data set that a split yields, in order.
PARTS = ("train", "valid", "test")
_LEAVE_OUT = ("valid_and_test", "valid_only", "test_only")
_MODE = re.compile(r"labeled|full|(uni|pop)[1-9]\d*")


class EvalArgs(Options):
    """RecBole's `eval_args`; the defaults are those of its context-aware models."""

    split: dict[str, Any] = Field(
        {"RS": [0.8, 0.1, 0.1]},
        description="{RS: ratios} by ratio, {LS: mode} leave one out, {TS: ratios} by time",
    )
    order: Literal["RO", "TO"] = Field("RO", description="order of rows: RO random, TO by time")
    group_by: Literal["user"] | None = Field(
        None, description="user: split each user's rows; None: split all rows together"
    )
    mode: str | dict[Literal["valid", "test"], str] = Field(
        "labeled", description="what is scored: labeled rows, full, uniN or popN candidates"
    )

    @property
    def modes(self) -> dict[str, str]:
        """The mode of each evaluated part: {"valid": ..., "test": ...}."""
        if isinstance(self.mode, str):
            return {"valid": self.mode, "test": self.mode}
        return {"valid": self.mode["valid"], "test": self.mode["test"]}

    @field_validator("group_by", mode="before")
    @classmethod
    def _none_by_name(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.lower() == "none" else value

    @field_validator("mode")
    @classmethod
    def _known_mode(cls, value: str | dict[str, str]) -> str | dict[str, str]:
        if isinstance(value, dict) and set(value) != {"valid", "test"}:
            raise ValueError("expected both parts, {valid: labeled, test: full}")
        for mode in [value] if isinstance(value, str) else value.values():
            if not _MODE.fullmatch(mode):
                raise ValueError(
                    "expected labeled, full, uniN or popN (N candidates, such as uni100)"
                )
        return value

    @field_validator("split")
    @classmethod
    def _known_split(cls, value: dict[str, Any]) -> dict[str, Any]:
        if len(value) != 1 or next(iter(value)) not in ("RS", "LS", "TS"):
            raise ValueError(
                "expected one of {RS: [0.8, 0.1, 0.1]}, {LS: valid_and_test}, {TS: [0.8, 0.1, 0.1]}"
            )
        ((method, setting),) = value.items()
        if method == "LS":
            if setting not in _LEAVE_OUT:
                raise ValueError(f"expected LS to be one of {', '.join(_LEAVE_OUT)}")
        elif not _are_ratios(setting):
            raise ValueError(
                f"expected {method} to be three ratios [train, valid, test], none of them negative,"
                " that of train above 0"
            )
        return value


def _are_ratios(setting: Any) -> bool:
    return (
        isinstance(setting, list)
        and len(setting) == len(PARTS)
        and all(isinstance(r, int | float) and not isinstance(r, bool) for r in setting)
        and all(math.isfinite(ratio) and ratio >= 0 for ratio in setting)
        and setting[0] > 0
    )

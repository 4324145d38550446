"""In which floating-point type a model's matrix products run: the option `precision`.

Parameters, losses, probabilities and the optimiser stay in float32 whatever is chosen (`autocast`,
as in Micikevicius et al., "Mixed Precision Training", ICLR 2018).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import linear

Asked = Literal["auto", "fp32", "bf16", "fp16"]
Name = Literal["fp32", "tf32", "bf16", "fp16"]

#: bf16 has to be this many times as fast as fp32 for `auto` to take it: below, what the casts cost
#: eats the gain, and a choice near the limit would change from run to run.
_WORTHWHILE = 1.5
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def full_precision(tensor: Tensor) -> Tensor:
    """At least float32: half precision (autocast) is too coarse for losses and probabilities."""
    return tensor.to(full_type(tensor))


def full_type(tensor: Tensor) -> torch.dtype:
    """The type that `full_precision` gives a tensor."""
    return torch.promote_types(tensor.dtype, torch.float32)


def product_type(tensor: Tensor) -> torch.dtype:
    """The type in which a tensor enters matrix products here: its own, or that of autocast."""
    if not torch.is_autocast_enabled(tensor.device.type) or tensor.dtype == torch.float64:
        return tensor.dtype
    return torch.get_autocast_dtype(tensor.device.type)


@contextmanager
def tf32_products(allowed: bool, device_type: str) -> Iterator[None]:
    """Let CUDA's fp32 products round their inputs to tf32, or not; leaving undoes it.

    This is a setting of the process, read whenever a product runs. Where there is no CUDA in play
    it is not touched: a program may have its own mind about it.
    """
    if device_type != "cuda":
        yield
        return
    products = torch.backends.cuda.matmul
    # torch 2.9 renamed the setting. Setting the old name sets both. After setting the new one alone
    # the old can't be read any more, which torch.compile does in 2.9 and 2.10.
    is_renamed = hasattr(products, "fp32_precision")
    before = products.fp32_precision == "tf32" if is_renamed else products.allow_tf32
    products.allow_tf32 = allowed
    try:
        yield
    finally:
        products.allow_tf32 = before


@contextmanager
def unrounded_products(device_type: str) -> Iterator[None]:
    """Run the products of float32 tensors in float32, whatever the precision around is."""
    with torch.autocast(device_type, enabled=False), tf32_products(False, device_type):
        yield


@dataclass(frozen=True)
class Precision:
    """A type for matrix products on a kind of device.

    Attributes:
        name: fp32, bf16 or fp16, or tf32: fp32 whose products round their inputs to 10 bits of
            mantissa, which CUDA's tensor cores take (Ampere and later).
        device_type: cpu or cuda.
        reason: why, for the log.
    """

    name: Name
    device_type: str
    reason: str

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Run matrix products in this type; leaving puts everything back as it was."""
        dtype = _AUTOCAST.get(self.name)
        with self.of_step(), torch.autocast(self.device_type, dtype, enabled=dtype is not None):
            yield

    def of_step(self) -> AbstractContextManager[None]:
        """What stands around the loss and the backward pass of a step.

        A backward pass takes bf16 and fp16 over from the forward pass by itself, but not tf32.
        """
        return tf32_products(self.name == "tf32", self.device_type)

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


def choose_precision(asked: Asked, enable_amp: bool, device: torch.device) -> Precision:
    """The precision that the options `precision` and `enable_amp` mean on a device.

    `auto` never costs quality that can be measured: on a CPU it is bf16 where this very machine
    multiplies bf16 matrices at least 1.5 times as fast as fp32 ones (a millisecond's measurement,
    since the instruction sets that a CPU names do not tell), on CUDA tf32; else fp32.
    RecBole's `enable_amp` asks for bf16 on a CPU and fp16 on CUDA.
    """
    kind = device.type
    if asked != "auto":
        return Precision(asked, kind, "asked for by the option precision")
    if enable_amp:
        return Precision("fp16" if kind == "cuda" else "bf16", kind, "asked for by enable_amp")
    if kind == "cuda":
        return Precision("tf32", kind, "auto: CUDA's tensor cores")
    gain = _bf16_gain()
    name: Name = "bf16" if gain >= _WORTHWHILE else "fp32"
    return Precision(name, kind, f"auto: bf16 products run {gain:.1f} times as fast as fp32 here")


@lru_cache(maxsize=1)
def _bf16_gain() -> float:
    """How many times as fast as in fp32 this CPU multiplies matrices in bf16."""
    rows, weight = torch.ones(1024, 256), torch.ones(256, 256)
    half_rows, half_weight = rows.bfloat16(), weight.bfloat16()
    with torch.no_grad():
        single = _shortest(lambda: linear(rows, weight))
        half = _shortest(lambda: linear(half_rows, half_weight))
    return single / half


def _shortest(product: Callable[[], object], repeats: int = 8) -> float:
    """Seconds of the quickest of several calls; the first ones warm up."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return min(seconds)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The part of a config that determines how a model runs: precision, recomputation, kernels."""

import dataclasses
from typing import Literal

import ml_dtypes
import numpy as np

from zoo.checks import check_fields
from zoo.errors import ConfigError
from zoo.kernels.names import DropoutBits, Implementation

StackKind = Literal["scan", "loop"]
Remat = Literal["none", "cheap", "mlp", "full"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutionConfig:
    """How a model runs; none of it changes what the model is, and no checkpoint records it.

    Attributes:
      stack: how the layers run; both read the same parameters.
      remat: what the backward pass recomputes (rematerializes). `none` is nothing; `cheap` is norms, activations,
        dropout and the output projection, some 3 % of a step's operations; `mlp` is the first half of the feed-forward
        network as well, some 14 %; `full` is everything, 33 %.
      dtype: of the computation. param_dtype: of the parameters.
      attention_kernel: the implementation of attention (see `zoo.kernels.attention`); None lets the dispatcher choose.
      dropout_bits: whether dropout of attention weights uses the device's own generator where the kernel has one
        (`fastest`), or drops the same weights on every device (`portable`).
    """

    stack: StackKind = "scan"
    remat: Remat = "none"
    dtype: str = "float32"
    param_dtype: str = "float32"
    attention_kernel: Implementation | None = None
    dropout_bits: DropoutBits = "fastest"

    def __post_init__(self):
        check_fields(self)
        for name in ("dtype", "param_dtype"):
            _check_dtype(name, getattr(self, name))


def _check_dtype(name: str, value: str) -> None:
    try:
        ml_dtypes.finfo(value)
        floating = np.dtype(value).kind in "fV"  # bfloat16 and its relatives are of kind V
    except (TypeError, ValueError):
        floating = False
    if not floating:
        raise ConfigError(f"{name} must be a floating-point dtype, such as 'bfloat16'; found {value!r}.")

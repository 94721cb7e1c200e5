# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""One call of attention as one object, which every implementation takes."""

import dataclasses
from typing import Any

from jaxtyping import Array, Float

from zoo.kernels.attention.mask import AttentionMask
from zoo.kernels.attention.relative import Relative


@dataclasses.dataclass(frozen=True)
class Call:
    """The checked arguments of `zoo.kernels.attention.attention`, with the scale as a number.

    Attributes:
      query, key, value: arrays; shapes and dtypes are enough for `lacks`.
      relative: only for an implementation that takes it; the others are given it as a bias.
    """

    query: Float[Any, "B T N H"]
    key: Float[Any, "B S K H"]
    value: Float[Any, "B S K H"]
    _: dataclasses.KW_ONLY
    mask: AttentionMask
    scale: float
    bias: Float[Any, "#B #N T S"] | None = None
    relative: Relative | None = None
    dropout_rate: float = 0.0
    dropout_key: Array | None = None

    @property
    def drops(self) -> bool:
        """Whether weights are dropped."""
        return self.dropout_key is not None and self.dropout_rate > 0.0

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The static part of one call of the TPU kernels, and its block sizes."""

import dataclasses
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

LANES = 128
Generator = Literal["hash", "hardware"]


class Blocks(NamedTuple):
    """The block sizes of a kernel.

    Attributes:
      heads: key heads of a grid step. overlap: query heads whose products and softmaxes overlap.
      step: queries of a grid step. queries, keys: of the tile of scores that is computed at once.
    """

    heads: int
    overlap: int
    step: int
    queries: int
    keys: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """The static part of a call; lengths are padded, except `real_keys`.

    Attributes:
      group: query heads per key head. offset: position of the first query among the keys; None if it is known on the
        device only. hides_padding: whether keys from `real_keys` on must be masked, since there are no segments.
    """

    causal: bool
    window: int | None
    scale: float
    rate: float
    generator: Generator
    group: int
    offset: int | None
    queries: int
    keys: int
    real_keys: int
    hides_padding: bool
    blocks: Blocks
    precision: jax.lax.Precision | None
    bias_gradient: bool

    def band(self, first: Any) -> tuple[Any, Any]:
        """The blocks of keys `[low, high)` that some query of the block which begins at position `first` may see."""
        size, queries = self.blocks.keys, self.blocks.queries
        low, high = 0, self.keys // size
        if self.causal:
            high = _min(high, (first + queries + size - 1) // size)
        if self.window is not None:
            low = _max(0, (first - self.window + 1) // size)
            high = _min(high, (first + queries + self.window - 2) // size + 1)
        return low, high

    def scores(self) -> int:
        """How many scores of one head are computed, in whole tiles: all where only the device knows the positions."""
        if self.offset is None:
            return self.queries * self.keys
        bands = [self.band(self.offset + start) for start in range(0, self.queries, self.blocks.queries)]
        return self.blocks.queries * self.blocks.keys * sum(max(high - low, 0) for low, high in bands)

    def cuts(self, first: Any, key: Any) -> bool:
        """Whether causality, the window or the end of the keys may hide a part of a tile."""
        size, queries = self.blocks.keys, self.blocks.queries
        if not (isinstance(first, int) and isinstance(key, int)):
            return self.causal or self.window is not None or self.hides_padding
        after, before = key + size - 1 - first, first + queries - 1 - key
        cut = self.causal and after > 0
        cut |= self.window is not None and max(before, 0 if self.causal else after) >= self.window
        return cut or (self.hides_padding and key + size > self.real_keys)


def _min(a: Any, b: Any) -> Any:
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else jnp.minimum(a, b)


def _max(a: Any, b: Any) -> Any:
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else jnp.maximum(a, b)

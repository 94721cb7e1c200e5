# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Where a token stands: the sinusoidal table (arXiv:1706.03762, section 3.5), default position ids, T5's buckets."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from zoo.nn.config import TransformerConfig


def sinusoids(length: int, width: int) -> Float[np.ndarray, "T D"]:
    """The fixed table of the positions 0, 1, ..."""
    return encode_positions(np.arange(length, dtype=np.float64), width)


def encode_positions(positions: Float[np.ndarray, "T"], width: int) -> Float[np.ndarray, "T D"]:
    """Positions or distances as vectors, sines in the first half of the width and cosines in the second."""
    angles = positions[:, None] / np.power(10_000.0, 2 * np.arange((width + 1) // 2) / width)[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :width].astype(np.float32)


def past_padding(tokens: Int[Array, "B T"], pad_id: int, start: Int[Array, "B 1"] | int = 0) -> Int[Array, "B T"]:
    """`start, start + 1, ...` for the tokens that are not padding; padding takes no position, and has -1."""
    real = tokens != pad_id
    return jnp.where(real, start + jnp.cumsum(real, axis=1, dtype=jnp.int32) - 1, -1)


def consecutive(
    batch: int, length: int, start: Int[Array, ""] | int = 0, segments: Int[Array, "B S"] | None = None
) -> Int[Array, "B T"]:
    """`start, start + 1, ...` in every sequence; less by its padding on the left, which is at position 0.

    Args:
      segments: of the sequence from its very beginning, 0 for padding; None is a sequence without padding.
    """
    positions = jnp.broadcast_to(start + jnp.arange(length, dtype=jnp.int32), (batch, length))
    return positions if segments is None else jnp.maximum(positions - first_token(segments)[:, None], 0)


def first_token(segments: Int[Array, "B S"]) -> Int[Array, "B"]:
    """The index of each sequence's first token that is not padding."""
    return jnp.argmax(segments != 0, axis=1).astype(jnp.int32)


class BucketBias(nnx.Module):
    """A bias of the attention scores for each head and distance, shared by the layers (arXiv:1910.10683, section 2.1).

    Half of the buckets hold one distance each, the others logarithmically more, and the last all from `position_span`
    on. A bidirectional stack has half of them for what comes after.
    """

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        shape = (config.position_buckets, config.num_heads)
        std = config.init_std / math.sqrt(config.width)
        table = jax.nn.initializers.normal(std)(rngs.params(), shape, jnp.dtype(config.execution.param_dtype))
        self.embedding = nnx.Param(table, axes=("buckets", "heads"))

    def __call__(
        self, query_length: int, key_length: int, query_offset: Int[Array, ""] | int = 0
    ) -> Float[Array, "1 N T S"]:
        query = query_offset + jnp.arange(query_length, dtype=jnp.int32)[:, None]
        ahead = jnp.arange(key_length, dtype=jnp.int32)[None, :] - query
        table = self.embedding[...].astype(jnp.float32)
        return jnp.take(table, self._bucket(ahead), axis=0).transpose(2, 0, 1)[None]

    def _bucket(self, ahead: Int[Array, "T S"]) -> Int[Array, "T S"]:
        buckets, span = self.config.position_buckets, self.config.position_span
        if self.config.attention.causal:
            first, distance = 0, jnp.maximum(-ahead, 0)
        else:
            buckets //= 2
            first, distance = jnp.where(ahead > 0, buckets, 0), jnp.abs(ahead)
        exact = buckets // 2
        ratio = jnp.log(jnp.maximum(distance, 1).astype(jnp.float32) / exact) / np.log(span / exact)
        far = jnp.minimum(exact + (ratio * (buckets - exact)).astype(jnp.int32), buckets - 1)
        return first + jnp.where(distance < exact, distance, far)

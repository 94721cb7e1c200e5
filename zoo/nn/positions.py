# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Where a token stands: the sinusoidal table (arXiv:1706.03762, section 3.5) and default position ids."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def sinusoids(length: int, width: int) -> Float[np.ndarray, "T D"]:
    """The fixed table, sines in the first half of the width and cosines in the second."""
    rates = np.exp(np.arange((width + 1) // 2) * (-2.0 * np.log(10_000.0) / width))
    angles = np.arange(length)[:, None] * rates[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :width].astype(np.float32)


def past_padding(tokens: Int[Array, "B T"], pad_id: int, start: Int[Array, ""] | int = 0) -> Int[Array, "B T"]:
    """`start, start + 1, ...` for the tokens that are no padding; padding takes no place, and is at -1."""
    real = tokens != pad_id
    return jnp.where(real, start + jnp.cumsum(real, axis=1, dtype=jnp.int32) - 1, -1)


def consecutive(batch: int, length: int, start: Int[Array, ""] | int = 0) -> Int[Array, "B T"]:
    """`start, start + 1, ...` in every row."""
    return jnp.broadcast_to(start + jnp.arange(length, dtype=jnp.int32), (batch, length))

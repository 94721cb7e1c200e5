# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Dropout of activations."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.kernels.dropout import keep


def dropout(x: Float[Array, "..."], rate: float, key: Array | None) -> Float[Array, "..."]:
    """Zeroes each element with probability `rate` and scales the rest; without a key, nothing is dropped."""
    if key is None or rate == 0.0:
        return x
    return jnp.where(keep(key, x.shape, rate), x / (1.0 - rate), jnp.zeros((), x.dtype))

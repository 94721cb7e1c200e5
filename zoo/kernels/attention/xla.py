# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Attention by `jax.nn.dot_product_attention`: XLA chooses the fusion on every platform."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.errors import ConfigError
from zoo.kernels.attention.mask import AttentionMask


def attention(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B S N H"],
    value: Float[Array, "B S N H"],
    *,
    mask: AttentionMask,
    bias: Float[Array, "#B #N T S"] | None,
    dropout_rate: float,
    dropout_key: Array | None,
    scale: float,
) -> Float[Array, "B T N H"]:
    """See `zoo.kernels.attention.attention`; raises ConfigError for dropout, which the library call lacks."""
    if dropout_key is not None and dropout_rate > 0.0:
        raise ConfigError("The xla attention has no dropout; set attention.implementation to None or 'reference'.")
    allowed = mask.dense(query.shape[1], key.shape[1])
    with jax.numpy_dtype_promotion("standard"):  # the library call computes bfloat16 scores in float32 by promotion
        out = jax.nn.dot_product_attention(
            query, key, value, bias, mask=_fit_batch(allowed, query, key), scale=scale, implementation="xla"
        )
    if allowed is None or mask.query_segments is None:
        return out  # nothing but padding leaves a query without a key
    # The library call gives the mean of the values to a query that may see nothing; ours gives zero.
    sees_something = jnp.any(allowed, axis=-1).squeeze(1)[:, :, None, None]
    return jnp.where(sees_something, out, jnp.zeros((), out.dtype))


def _fit_batch(allowed, query, key):
    """Broadcasts the mask's batch axis, which the library call wants at full size or 1."""
    return None if allowed is None else jnp.broadcast_to(allowed, (allowed.shape[0], 1, query.shape[1], key.shape[1]))

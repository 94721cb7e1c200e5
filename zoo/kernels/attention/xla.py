# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Attention as XLA compiles it best: batched products with the heads first, normalized after the second of them.

`jax.nn.dot_product_attention` divides every weight, where this divides the outputs, and it has no dropout. On a CPU, in
float32 with 12 heads of 64, it takes 1.3 times as long for 8 x 128 tokens, forward and with gradients.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.kernels import dropout
from zoo.kernels.attention.call import Call
from zoo.kernels.partition import gather


def attention(call: Call) -> Float[Array, "B T N H"]:
    """See `zoo.kernels.attention.attention`; scores and sums are float32, the products in the inputs' dtype."""
    key, value = (gather(x, "BTNH", "T") for x in (call.key, call.value))
    allowed = call.mask.dense(call.query.shape[1], key.shape[1])
    query, key, value = (x.swapaxes(1, 2) for x in (call.query, key, value))
    whole = query.shape[:3]
    grouped = (key.shape[0], key.shape[1], -1)  # the heads that share a key follow one another
    scores = jnp.einsum(
        "BKTH,BKSH->BKTS", query.reshape(*grouped, query.shape[3]), key, preferred_element_type=jnp.float32
    )
    scores = scores.reshape(*whole, -1) * call.scale
    if call.bias is not None:
        scores = scores + call.bias.astype(jnp.float32)
    if allowed is not None:
        scores = jnp.where(allowed, scores, -jnp.inf)
    highest = jax.lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True))
    highest = jnp.maximum(highest, jnp.finfo(jnp.float32).min)  # a query that may see nothing has none
    weights = jnp.exp(scores - highest)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    if call.dropout_key is not None and call.drops:
        kept = dropout.keep(call.dropout_key, weights.shape, call.dropout_rate)
        weights = jnp.where(kept, weights / (1.0 - call.dropout_rate), 0.0)
    weights = weights.astype(value.dtype).reshape(*grouped, weights.shape[3])
    mixed = jnp.einsum("BKTS,BKSH->BKTH", weights, value, preferred_element_type=jnp.float32).reshape(*whole, -1)
    return (mixed / jnp.where(total > 0.0, total, 1.0)).astype(query.dtype).swapaxes(1, 2)

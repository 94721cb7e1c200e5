# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Attention written out in float32: the reference that every other implementation is compared with."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.kernels import dropout
from zoo.kernels.attention.call import Call


def attention(call: Call) -> Float[Array, "B T N H"]:
    """Softmax attention (arXiv:1706.03762, section 3.2.1); see `zoo.kernels.attention.attention`."""
    query, mask = call.query, call.mask
    key, value = (jnp.repeat(x, query.shape[2] // x.shape[2], axis=2) for x in (call.key, call.value))
    scores = jnp.einsum("BTNH,BSNH->BNTS", query, key, preferred_element_type=jnp.float32) * call.scale
    if call.bias is not None:
        scores = scores + call.bias.astype(jnp.float32)
    probs = masked_softmax(scores, mask.dense(query.shape[1], key.shape[1]))
    if call.dropout_key is not None and call.drops:
        kept = dropout.keep(call.dropout_key, probs.shape, call.dropout_rate)
        probs = jnp.where(kept, probs / (1.0 - call.dropout_rate), 0.0)
    return jnp.einsum("BNTS,BSNH->BTNH", probs, value.astype(jnp.float32)).astype(query.dtype)


def masked_softmax(scores: Float[Array, "B N T S"], allowed) -> Float[Array, "B N T S"]:
    """Softmax over the allowed keys; a row that may see nothing is all zeros, and so are its gradients."""
    shown = ~jnp.isneginf(scores)  # a bias may hide keys, too
    allowed = shown if allowed is None else allowed & shown
    lowest = jnp.finfo(scores.dtype).min
    probs = jax.nn.softmax(jnp.where(allowed, scores, lowest), axis=-1)
    return jnp.where(allowed, probs, 0.0)

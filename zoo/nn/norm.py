# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Layer normalization (arXiv:1607.06450) and its root-mean-square form (arXiv:1910.07467), in float32."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.nn.config import TransformerConfig


class Norm(nnx.Module):
    """Normalizes the last axis, then scales it, and shifts it unless the kind is `rms`."""

    def __init__(self, width: int, config: TransformerConfig):
        param_dtype = jnp.dtype(config.execution.param_dtype)
        self.eps = config.norm_eps
        self.dtype = jnp.dtype(config.execution.dtype)
        self.scale = nnx.Param(jnp.ones((width,), param_dtype), axes=("width",))
        self.bias = nnx.Param(jnp.zeros((width,), param_dtype), axes=("width",)) if config.norm == "layer" else None

    def __call__(self, x: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        x = x.astype(jnp.float32)
        if self.bias is not None:
            x = x - jnp.mean(x, axis=-1, keepdims=True)
        x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + self.eps)
        row = (1,) * (x.ndim - 1) + (-1,)
        x = x * self.scale[...].astype(jnp.float32).reshape(row)
        if self.bias is not None:
            x = x + self.bias[...].astype(jnp.float32).reshape(row)
        return x.astype(self.dtype)

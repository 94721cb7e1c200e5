# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""An affine map between named axes, and the dropout that follows many of them."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float

from zoo.nn.config import TransformerConfig
from zoo.nn.init import kernel_init


class Linear(nnx.Module):
    """`x @ kernel + bias`, where input and output may each span several named axes.

    `Linear({"embed": D}, {"heads": N, "kv": H}, ...)` maps `[..., D]` to `[..., N, H]` with a kernel `[D, N, H]`. The
    names are the logical axes that `zoo.parallel.rules` shards by.
    """

    def __init__(
        self,
        inputs: dict[str, int],
        outputs: dict[str, int],
        config: TransformerConfig,
        *,
        bias: bool = True,
        init: Initializer | None = None,
        rngs: nnx.Rngs,
    ):
        param_dtype = jnp.dtype(config.param_dtype)
        self.num_inputs = len(inputs)
        self.dtype = jnp.dtype(config.dtype)
        # Initializers see a matrix: fan-in and truncation do not depend on how an axis is split.
        matrix = (init or kernel_init(config))(
            rngs.params(), (math.prod(inputs.values()), math.prod(outputs.values())), param_dtype
        )
        shape = (*inputs.values(), *outputs.values())
        self.kernel = nnx.Param(matrix.reshape(shape), axes=(*inputs, *outputs))
        self.bias = nnx.Param(jnp.zeros(tuple(outputs.values()), param_dtype), axes=tuple(outputs)) if bias else None

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        y = jnp.tensordot(x.astype(self.dtype), self.kernel[...].astype(self.dtype), axes=self.num_inputs)
        if self.bias is None:
            return y
        bias = self.bias[...].astype(self.dtype)
        return y + bias.reshape((1,) * (y.ndim - bias.ndim) + bias.shape)


def dropout(x: Float[Array, "..."], rate: float, key: Array | None) -> Float[Array, "..."]:
    """Zeroes each element with chance `rate` and scales the rest; without a key, nothing is dropped."""
    if key is None or rate == 0.0:
        return x
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape)
    return jnp.where(keep, x / (1.0 - rate), jnp.zeros((), x.dtype))

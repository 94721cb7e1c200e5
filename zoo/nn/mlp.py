# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The position-wise feed-forward network (arXiv:1706.03762, section 3.3)."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.nn.config import TransformerConfig
from zoo.nn.init import residual_init
from zoo.nn.linear import Linear

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}


class Mlp(nnx.Module):
    """`down(activation(up(x)))`."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.activation = config.activation
        self.up = Linear({"embed": config.width}, {"mlp": config.mlp_width}, config, rngs=rngs)
        self.down = Linear(
            {"mlp": config.mlp_width}, {"embed": config.width}, config, init=residual_init(config), rngs=rngs
        )

    def __call__(self, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        return self.down(ACTIVATIONS[self.activation](self.up(x)))

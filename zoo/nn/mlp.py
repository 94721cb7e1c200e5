# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The position-wise feed-forward network (arXiv:1706.03762, section 3.3)."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.nn.config import TransformerConfig
from zoo.nn.constrain import constrain
from zoo.nn.dropout import dropout
from zoo.nn.init import residual_init
from zoo.nn.linear import Linear


def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Exact (arXiv:1606.08415, section 2), by erf as in Transformers; JAX's own, by erfc, takes twice as long."""
    wide = x.astype(jnp.float32)
    return (0.5 * wide * (1.0 + jax.lax.erf(wide * math.sqrt(0.5)))).astype(x.dtype)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}


class Mlp(nnx.Module):
    """`down(activation(up(x)))`, or `down(activation(gate(x)) * up(x))` for the gated kind."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.activation, self.rate = config.activation, config.mlp_dropout
        width, inner, bias = {"embed": config.width}, {"mlp": config.mlp_width}, config.mlp_bias == "all"
        self.gate = Linear(width, inner, config, bias=bias, rngs=rngs) if config.mlp == "gated" else None
        self.up = Linear(width, inner, config, bias=bias, rngs=rngs)
        self.down = Linear(
            inner, width, config, bias=bias, init=residual_init(config), dtype=config.residual_dtype, rngs=rngs
        )

    def __call__(self, x: Float[Array, "B T D"], *, dropout_key: Array | None = None) -> Float[Array, "B T D"]:
        activate, up = ACTIVATIONS[self.activation], constrain(self.up(x), "up", "BTF")
        inner = activate(up) if self.gate is None else activate(constrain(self.gate(x), "gate", "BTF")) * up
        return self.down(dropout(inner, self.rate, dropout_key))

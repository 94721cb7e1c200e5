# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""One Transformer layer: attention and feed-forward network, each with its residual sum, dropout and norm."""

from collections.abc import Callable

import jax
from flax import nnx
from jaxtyping import Array, Float, Int

from zoo.kernels.attention import AttentionMask
from zoo.nn.attention import Attention
from zoo.nn.cache import Cache
from zoo.nn.config import TransformerConfig
from zoo.nn.linear import dropout
from zoo.nn.mlp import Mlp
from zoo.nn.norm import Norm


class Block(nnx.Module):
    """The layer that every family is made of."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.attention = Attention(config, rngs=rngs)
        self.attention_norm = Norm(config.width, config)
        self.mlp = Mlp(config, rngs=rngs)
        self.mlp_norm = Norm(config.width, config)

    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: AttentionMask,
        *,
        dropout_key: Array | None = None,
        cache: Cache | None = None,
        layer: Int[Array, ""] | int = 0,
    ) -> tuple[Float[Array, "B T D"], Cache | None]:
        keys = (None, None, None) if dropout_key is None else jax.random.split(dropout_key, 3)

        def attend(x):
            nonlocal cache
            y, cache = self.attention(x, mask, dropout_key=keys[0], cache=cache, layer=layer)
            return y

        x = self._residual(x, attend, self.attention_norm, keys[1])
        x = self._residual(x, self.mlp, self.mlp_norm, keys[2])
        return x, cache

    def _residual(self, x: Array, sublayer: Callable[[Array], Array], norm: Norm, dropout_key: Array | None) -> Array:
        if self.config.norm_order == "pre":
            return x + dropout(sublayer(norm(x)), self.config.hidden_dropout, dropout_key)
        return norm(x + dropout(sublayer(x), self.config.hidden_dropout, dropout_key))

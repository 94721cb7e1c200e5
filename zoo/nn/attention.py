# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Multi-head attention (arXiv:1706.03762, section 3.2.2): projections around the kernel."""

import dataclasses

from flax import nnx
from jaxtyping import Array, Float, Int

from zoo.kernels.attention import AttentionMask, attention
from zoo.nn.cache import Cache
from zoo.nn.config import TransformerConfig
from zoo.nn.constrain import constrain
from zoo.nn.init import query_init, residual_init
from zoo.nn.linear import Linear


class Attention(nnx.Module):
    """Attention of a sequence to itself, or to a source; with a cache, the queries also see the keys held there."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        width, heads = {"embed": config.width}, {"heads": config.num_heads, "kv": config.head_width}
        bias = config.attention.bias
        self.query = Linear(width, heads, config, bias=bias == "all", init=query_init(config), rngs=rngs)
        self.key = Linear(width, heads, config, bias=bias == "all", rngs=rngs)
        self.value = Linear(width, heads, config, bias=bias == "all", rngs=rngs)
        self.out = Linear(heads, width, config, bias=bias != "none", init=residual_init(config), rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: AttentionMask,
        *,
        source: Float[Array, "B S D"] | None = None,
        held: tuple[Float[Array, "B S N H"], Float[Array, "B S N H"]] | None = None,
        bias: Float[Array, "#B #N T S"] | None = None,
        dropout_key: Array | None = None,
        cache: Cache | None = None,
        layer: Int[Array, ""] | int = 0,
    ) -> tuple[Float[Array, "B T D"], Cache | None]:
        """Args: held: the keys and values of the source, if `keys_and_values` has computed them before."""
        query = constrain(self.query(x), "query", "BTNH")
        key, value = self.keys_and_values(x if source is None else source) if held is None else held
        if cache is not None:
            cache = cache.write(layer, key, value)
            key, value = cache.read(layer)
            mask = dataclasses.replace(mask, key_segments=cache.segments, query_offset=cache.length - x.shape[1])
        mixed = attention(
            query,
            key,
            value,
            mask=mask,
            bias=bias,
            dropout_rate=0.0 if dropout_key is None else self.config.attention_dropout,
            dropout_key=dropout_key,
            dropout_bits=self.config.execution.dropout_bits,
            scale=self.config.attention.scale,
            implementation=self.config.execution.attention_kernel,
        )
        return self.out(mixed), cache

    def keys_and_values(self, source: Float[Array, "B S D"]) -> tuple[Float[Array, "B S N H"], Float[Array, "B S N H"]]:
        """What queries attend to."""
        return constrain(self.key(source), "key", "BTNH"), constrain(self.value(source), "value", "BTNH")

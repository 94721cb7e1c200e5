# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""One Transformer layer: attention and feed-forward network, each with its residual sum, dropout and norm."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float, Int

from zoo.kernels.attention import AttentionMask
from zoo.nn.attention import Attention
from zoo.nn.cache import Cache
from zoo.nn.config import TransformerConfig
from zoo.nn.constrain import constrain
from zoo.nn.dropout import dropout
from zoo.nn.mlp import Mlp
from zoo.nn.norm import Norm

Attends = Literal["itself", "source"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """What a decoder reads besides its own tokens: an encoder's output, and its segments, 0 for padding.

    Attributes:
      query_segments: of the decoder's tokens, each of which then reads its own segment alone; None lets them read all.
      cache: the keys and values that every layer makes of `hidden`, where they are computed once for several calls.
    """

    hidden: Float[Array, "B S D"]
    segments: Int[Array, "B S"] | None
    query_segments: Int[Array, "B T"] | None = None
    cache: Cache | None = None


class Layer(nnx.Module):
    """The parts of a layer and the residual sums around them; subclasses define the streams that run through them."""

    attention_type: ClassVar[type[Attention]] = Attention

    def __init__(self, config: TransformerConfig, *, attends: Attends = "itself", rngs: nnx.Rngs):
        self.config = config
        self.attention = self.attention_type(config, rngs=rngs)
        self.attention_norm = Norm(config.width, config)
        self.cross = Attention(config, rngs=rngs) if attends == "source" else None
        self.cross_norm = Norm(config.width, config) if attends == "source" else None
        self.mlp = Mlp(config, rngs=rngs)
        self.mlp_norm = Norm(config.width, config)

    def __call__(
        self,
        x: Any,
        mask: Any,
        *,
        window: int | None = None,
        source: Any = None,
        bias: Any = None,
        dropout_key: Array | None = None,
        cache: Cache | None = None,
        layer: Int[Array, ""] | int = 0,
    ) -> tuple[Any, Cache | None]:
        """What layer number `layer` makes of `x`, and the cache with its keys and values."""
        raise NotImplementedError

    def _feed_forward(self, x: Array, inner_key: Array | None, key: Array | None) -> Array:
        def feed(x):
            return checkpoint_name(self.mlp(x, dropout_key=inner_key), "fed")

        return self._residual(x, feed, self.mlp_norm, key)

    def _residual(self, x: Array, sublayer: Callable[[Array], Array], norm: Norm, dropout_key: Array | None) -> Array:
        before = norm(x) if self.config.norm_order == "pre" else x
        added = constrain(sublayer(before), "added", "BTD")
        x = x + dropout(added.astype(x.dtype), self.config.hidden_dropout, dropout_key)
        return x if self.config.norm_order == "pre" else norm(x)


class Block(Layer):
    """The layer of every family with one stream; a decoder's also attends to a source."""

    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: AttentionMask,
        *,
        window: int | None = None,
        source: Source | None = None,
        bias: Float[Array, "#B #N T S"] | None = None,
        dropout_key: Array | None = None,
        cache: Cache | None = None,
        layer: Int[Array, ""] | int = 0,
    ) -> tuple[Float[Array, "B T D"], Cache | None]:
        keys = (None,) * 6 if dropout_key is None else jax.random.split(dropout_key, 6)

        mask = dataclasses.replace(mask, window=window)

        def attend(x):
            nonlocal cache
            y, cache = self.attention(x, mask, bias=bias, dropout_key=keys[0], cache=cache, layer=layer)
            return y

        x = self._residual(x, attend, self.attention_norm, keys[1])
        if self.cross is not None and self.cross_norm is not None and source is not None:
            cross = self.cross

            def read(x):
                return _read(cross, x, source, layer, keys[2])

            x = self._residual(x, read, self.cross_norm, keys[3])
        return self._feed_forward(x, keys[4], keys[5]), cache


def _read(cross: Attention, x: Float[Array, "R T D"], source: Source, layer: Any, key: Array | None) -> Array:
    """What tokens read of their source, which R / B sequences one behind another share, such as beams."""
    queries = x.reshape(source.hidden.shape[0], -1, x.shape[-1])  # as one sequence: here no token sees another
    held = None if source.cache is None else source.cache.read(layer)
    mask = _sees(source, queries.shape[1])
    return cross(queries, mask, source=source.hidden, held=held, dropout_key=key)[0].reshape(x.shape)


def _sees(source: Source, length: int) -> AttentionMask:
    """A mask by which every token attends to all of the source but its padding, or to its own segment of it."""
    if source.segments is None:
        return AttentionMask()
    if source.query_segments is not None:
        return AttentionMask(query_segments=source.query_segments, key_segments=source.segments)
    real = (source.segments != 0).astype(jnp.int32)
    return AttentionMask(query_segments=jnp.ones((real.shape[0], length), jnp.int32), key_segments=real)

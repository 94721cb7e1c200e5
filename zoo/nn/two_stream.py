# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Two-stream attention with relative positions (XLNet, arXiv:1906.08237, sections 2.3 to 2.5).

The content stream is an ordinary layer. The query stream knows the position of a token and not its id; it runs through
the same layer, with its own queries and the content stream's keys. Positions enter the scores by distance
(arXiv:1901.02860, section 3.3), as do token types, by whether two tokens have the same.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from zoo.kernels.attention import AttentionMask, Relative, attention
from zoo.nn.attention import Attention
from zoo.nn.block import Layer
from zoo.nn.cache import Cache
from zoo.nn.config import TransformerConfig
from zoo.nn.constrain import constrain
from zoo.nn.init import kernel_init
from zoo.nn.linear import Linear
from zoo.nn.positions import encode_positions


class Streams(NamedTuple):
    """The activations of both streams; there is no query stream unless something is to be predicted."""

    content: Float[Array, "B T D"]
    query: Float[Array, "B M D"] | None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Relations:
    """Which tokens attend to which, and at what distance.

    Attributes:
      content, query: which of the S keys, memory first, each token of the stream attends to; None is all.
      distances: an encoding of every distance from S down to -T (or -1). differs: whether two tokens differ in type.
      target_mapping: one-hot, the position of each of the M predictions; None predicts at every position.
    """

    content: Bool[Array, "#B T S"] | None
    query: Bool[Array, "#B T S"] | None
    distances: Float[Array, "R D"]
    differs: Bool[Array, "B T S"] | None
    target_mapping: Float[Array, "B M T"] | None


class Offer(NamedTuple):
    """The keys, values and encoded distances that the queries of a layer attend to."""

    keys: Float[Array, "B S N H"]
    values: Float[Array, "B S N H"]
    distances: Float[Array, "R N H"]


class RelativeAttention(Attention):
    """Attention whose scores also depend on the distance and the types of the two tokens."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(config, rngs=rngs)
        heads = {"heads": config.num_heads, "kv": config.head_width}
        self.position = Linear({"embed": config.width}, heads, config, bias=False, rngs=rngs)
        shape, dtype, draw = tuple(heads.values()), jnp.dtype(config.execution.param_dtype), kernel_init(config)
        self.content_bias = nnx.Param(draw(rngs.params(), shape, dtype), axes=tuple(heads))
        self.position_bias = nnx.Param(draw(rngs.params(), shape, dtype), axes=tuple(heads))
        self.segment_bias = nnx.Param(draw(rngs.params(), shape, dtype), axes=tuple(heads))
        self.segment = nnx.Param(draw(rngs.params(), (2, *shape), dtype), axes=("types", *heads))

    def offer(self, source: Float[Array, "B S D"], relations: Relations) -> Offer:
        """What both streams attend to: the content stream and its memory, `source`."""
        key, value = constrain(self.key(source), "key", "BTNH"), constrain(self.value(source), "value", "BTNH")
        return Offer(key, value, self.position(relations.distances[None])[0])

    def relate(
        self,
        x: Float[Array, "B M D"],
        offer: Offer,
        allowed: Bool[Array, "#B T S"] | None,
        relations: Relations,
        *,
        target_mapping: Float[Array, "B M T"] | None,
        dropout_key: Array | None,
    ) -> Float[Array, "B M D"]:
        """Attention of one stream."""
        query = constrain(self.query(x), "query", "BTNH")
        if target_mapping is not None:
            query = jnp.einsum("BMNH,BMT->BTNH", query, target_mapping.astype(query.dtype))
        kinds = None
        if relations.differs is not None:
            kinds = jnp.einsum(
                "BTNH,sNH->BTNs", query + self._row(self.segment_bias), self.segment[...].astype(query.dtype)
            )
        relative = Relative(
            query=query + self._row(self.position_bias),
            distances=offer.distances,
            kinds=kinds,
            differs=relations.differs,
        )
        mixed = attention(
            query + self._row(self.content_bias),
            offer.keys,
            offer.values,
            mask=AttentionMask(allowed=allowed),
            relative=relative,
            dropout_rate=0.0 if dropout_key is None else self.config.attention_dropout,
            dropout_key=dropout_key,
            dropout_bits=self.config.execution.dropout_bits,
            scale=self.config.head_width**-0.5,
            implementation=self.config.execution.attention_kernel,
        )
        if target_mapping is not None:
            mixed = jnp.einsum("BTNH,BMT->BMNH", mixed, target_mapping.astype(mixed.dtype))
        return self.out(mixed)

    def _row(self, param: nnx.Param) -> Float[Array, "1 1 N H"]:
        return param[...].astype(jnp.dtype(self.config.execution.dtype))[None, None]


class TwoStreamBlock(Layer):
    """The layer for both streams; `source` is the memory of all layers [L, B, S, D].

    Its scores have their own terms for positions, so that there is no bias, and no window.
    """

    attention_type: ClassVar[type[Attention]] = RelativeAttention

    def __call__(
        self,
        x: Streams,
        mask: Relations,
        *,
        window: int | None = None,
        source: Float[Array, "L B S D"] | None = None,
        bias: Any = None,
        dropout_key: Array | None = None,
        cache: Cache | None = None,
        layer: Int[Array, ""] | int = 0,
    ) -> tuple[Streams, Cache | None]:
        keys = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        content = x.content
        if source is not None:
            memory = jax.lax.dynamic_index_in_dim(source, layer, keepdims=False)
            content = jnp.concatenate([memory.astype(content.dtype), content], axis=1)
        offer = self._attention.offer(content, mask)
        query = x.query
        if query is not None:
            query = self._stream(query, offer, mask.query, mask, mask.target_mapping, keys[1])
        return Streams(self._stream(x.content, offer, mask.content, mask, None, keys[0]), query), cache

    @property
    def _attention(self) -> RelativeAttention:
        return cast(RelativeAttention, self.attention)

    def _stream(
        self, x: Array, offer: Offer, allowed: Any, relations: Relations, target_mapping: Any, key: Any
    ) -> Array:
        keys = (None,) * 4 if key is None else jax.random.split(key, 4)

        def attend(x):
            return self._attention.relate(
                x, offer, allowed, relations, target_mapping=target_mapping, dropout_key=keys[0]
            )

        x = self._residual(x, attend, self.attention_norm, keys[1])
        return self._feed_forward(x, keys[2], keys[3])


def distance_encoding(first: int, last: int, width: int, clamp: int) -> Float[np.ndarray, "R D"]:
    """Sinusoids of the distances `first, first - 1, ... last`, each held within `clamp` (0 is no limit)."""
    distances = np.arange(first, last - 1, -1.0)
    if clamp:
        distances = np.clip(distances, -clamp, clamp)
    return encode_positions(distances, width)

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
    """Which tokens attend to which, at what distance, and what is predicted.

    Attributes:
      content, query: which of the S keys, memory first, each token of the stream attends to.
      distances: an encoding of every distance from S down to -T (or -1). differs: whether two tokens differ in type.
      target_mapping: one-hot, the position of each of the M predictions. target_positions: the same as numbers, T for
        none. There are neither where nothing is predicted.
    """

    content: AttentionMask
    query: AttentionMask
    distances: Float[Array, "R D"]
    differs: Bool[Array, "B T S"] | None
    target_mapping: Float[Array, "B M T"] | None
    target_positions: Int[Array, "B M"] | None

    def spread(self, x: Float[Array, "B M N H"], length: int) -> Float[Array, "B T N H"]:
        """Vectors of the predictions at their positions among T, zeros elsewhere."""
        if self.target_mapping is not None:
            return jnp.einsum("BMNH,BMT->BTNH", x, self.target_mapping.astype(x.dtype))

        def put(places: Array, vectors: Array) -> Array:
            return jnp.zeros((length, *vectors.shape[1:]), x.dtype).at[places].set(vectors, mode="drop")

        # Row by row: of one index into all rows, the partitioner gathers every device's.
        return jax.vmap(put)(self._positions, x)

    def collect(self, x: Float[Array, "B T N H"]) -> Float[Array, "B M N H"]:
        """Those of the vectors of all positions that are at the predictions' positions."""
        if self.target_mapping is not None:
            return jnp.einsum("BTNH,BMT->BMNH", x, self.target_mapping.astype(x.dtype))
        return jnp.take_along_axis(x, self._positions[:, :, None, None], axis=1, mode="fill", fill_value=0)

    @property
    def _positions(self) -> Int[Array, "B M"]:
        return cast(Array, self.target_positions)


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
        mask: AttentionMask,
        relations: Relations,
        *,
        length: int | None,
        dropout_key: Array | None,
    ) -> Float[Array, "B M D"]:
        """Attention of one stream.

        Args:
          length: T, of which the vectors of the query stream are put at the positions of the predictions; None for the
            content stream.
        """
        query = constrain(self.query(x), "query", "BTNH")
        if length is not None:
            query = relations.spread(query, length)
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
            mask=mask,
            relative=relative,
            dropout_rate=0.0 if dropout_key is None else self.config.attention_dropout,
            dropout_key=dropout_key,
            dropout_bits=self.config.execution.dropout_bits,
            scale=self.config.head_width**-0.5,
            implementation=self.config.execution.attention_kernel,
        )
        return self.out(mixed if length is None else relations.collect(mixed))

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
            query = self._stream(query, offer, mask.query, mask, x.content.shape[1], keys[1])
        return Streams(self._stream(x.content, offer, mask.content, mask, None, keys[0]), query), cache

    @property
    def _attention(self) -> RelativeAttention:
        return cast(RelativeAttention, self.attention)

    def _stream(
        self, x: Array, offer: Offer, mask: AttentionMask, relations: Relations, length: int | None, key: Any
    ) -> Array:
        keys = (None,) * 4 if key is None else jax.random.split(key, 4)

        def attend(x):
            return self._attention.relate(x, offer, mask, relations, length=length, dropout_key=keys[0])

        x = self._residual(x, attend, self.attention_norm, keys[1])
        return self._feed_forward(x, keys[2], keys[3])


def distance_encoding(first: int, last: int, width: int, clamp: int) -> Float[np.ndarray, "R D"]:
    """Sinusoids of the distances `first, first - 1, ... last`, each held within `clamp` (0 is no limit)."""
    distances = np.arange(first, last - 1, -1.0)
    if clamp:
        distances = np.clip(distances, -clamp, clamp)
    return encode_positions(distances, width)


def stream_masks(
    allowed: Bool[Array, "B T S"] | None, order: Int[Array, "B T"] | None, *, length: int, held: int
) -> tuple[AttentionMask, AttentionMask]:
    """The masks of the content and the query stream; a token sees itself, its prediction does not.

    Args:
      allowed: the keys, memory first, that a prediction may see; None is all.
      order: the place of each token, of which a token sees no later one, and a prediction earlier ones alone.
      held: S - T, tokens of memory.
    """
    own = jnp.eye(length, held + length, held, dtype=bool)[None]
    content = AttentionMask(allowed=None if allowed is None else allowed | own)
    query = AttentionMask(allowed=allowed)
    if order is None:
        return content, query
    keys = jnp.pad(order, ((0, 0), (held, 0)), constant_values=-1)  # memory comes before all
    return (
        dataclasses.replace(content, query_order=order, key_order=keys),
        dataclasses.replace(query, query_order=order - 1, key_order=keys),
    )

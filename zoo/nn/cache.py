# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Keys and values of the tokens already seen, so that generation computes each token once."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from zoo.nn.config import TransformerConfig


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Cache:
    """Room for S tokens a row, filled from the left.

    Attributes:
      key, value: what the layers computed; heads before places, as XLA multiplies them, so that no step transposes
        all that is held. segments: 0 where a place is empty or holds padding.
      length: number of places filled, the same in every row.
    """

    key: Float[Array, "L B N S H"]
    value: Float[Array, "L B N S H"]
    segments: Int[Array, "B S"]
    length: Int[Array, ""]

    @classmethod
    def empty(cls, config: TransformerConfig, batch: int, capacity: int) -> "Cache":
        """A cache for `batch` rows of at most `capacity` tokens."""
        shape = (config.num_layers, batch, config.num_heads, capacity, config.head_width)
        blank = jnp.zeros(shape, jnp.dtype(config.dtype))
        return cls(key=blank, value=blank, segments=jnp.zeros((batch, capacity), jnp.int32), length=jnp.int32(0))

    def admit(self, segments: Int[Array, "B T"]) -> "Cache":
        """Marks the next T places as taken; their keys and values are written layer by layer."""
        placed = jax.lax.dynamic_update_slice(self.segments, segments.astype(jnp.int32), (0, self.length))
        return dataclasses.replace(self, segments=placed, length=self.length + segments.shape[1])

    def write(
        self, layer: Int[Array, ""] | int, key: Float[Array, "B T N H"], value: Float[Array, "B T N H"]
    ) -> "Cache":
        """Stores one layer's keys and values in the places admitted last."""
        start = (layer, 0, 0, self.length - key.shape[1], 0)
        return dataclasses.replace(
            self,
            key=jax.lax.dynamic_update_slice(self.key, key.swapaxes(1, 2)[None], start),
            value=jax.lax.dynamic_update_slice(self.value, value.swapaxes(1, 2)[None], start),
        )

    def read(self, layer: Int[Array, ""] | int) -> tuple[Float[Array, "B S N H"], Float[Array, "B S N H"]]:
        """One layer's keys and values, empty places included."""

        def pick(stacked):
            return jax.lax.dynamic_index_in_dim(stacked, layer, keepdims=False).swapaxes(1, 2)

        return pick(self.key), pick(self.value)

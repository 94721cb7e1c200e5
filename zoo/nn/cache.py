# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Keys and values of the tokens already seen, so that generation computes each token once."""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from zoo.kernels.partition import constrain
from zoo.nn.config import TransformerConfig

Held = Float[Array, "L B N S H"] | tuple[Float[Array, "*B N S H"], ...]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Cache:
    """Keys and values of up to S tokens per sequence, filled from the left.

    Attributes:
      key, value: what the layers computed, `[L, B, N, S, H]`, or L arrays `[B, N, S, H]` (`[N, S, H]` for one sequence)
        for a model whose layers are apart. Heads come before positions, the order in which XLA multiplies
        them, so that no step transposes the whole cache.
      segments: 0 where a position is empty or holds padding.
      length: number of positions filled, the same in every sequence.
    """

    key: Held
    value: Held
    segments: Int[Array, "B S"]
    length: Int[Array, ""]

    @classmethod
    def empty(
        cls, config: TransformerConfig, batch: int, capacity: int, *, layers: Literal["stacked", "apart"] = "stacked"
    ) -> "Cache":
        """A cache for `batch` sequences of at most `capacity` tokens."""
        dtype, num_layers = jnp.dtype(config.execution.dtype), config.num_layers
        shape = (batch, config.num_heads, capacity, config.head_width)
        if layers == "stacked":
            blank = jnp.zeros((num_layers, *shape), dtype)
        else:
            # XLA drops an axis of size 1 before it multiplies, and then copies all that is held at every step.
            blank = tuple(jnp.zeros(shape[1:] if batch == 1 else shape, dtype) for _ in range(num_layers))
        return cls(key=blank, value=blank, segments=jnp.zeros((batch, capacity), jnp.int32), length=jnp.int32(0))

    @property
    def capacity(self) -> int:
        """S, filled or not."""
        return self.segments.shape[1]

    def admit(self, segments: Int[Array, "B T"]) -> "Cache":
        """Reserves the next T positions; their keys and values are written layer by layer."""
        updated = jax.lax.dynamic_update_slice(self.segments, segments.astype(jnp.int32), (0, self.length))
        return dataclasses.replace(self, segments=updated, length=self.length + segments.shape[1])

    def write(
        self, layer: Int[Array, ""] | int, key: Float[Array, "B T N H"], value: Float[Array, "B T N H"]
    ) -> "Cache":
        """Stores one layer's keys and values at the positions admitted last."""
        return dataclasses.replace(
            self,
            key=_put(self.key, layer, key, self.length),
            value=_put(self.value, layer, value, self.length),
        )

    def read(self, layer: Int[Array, ""] | int) -> tuple[Float[Array, "B S N H"], Float[Array, "B S N H"]]:
        """One layer's keys and values, empty positions included."""
        batch, capacity = self.segments.shape

        def pick(held: Held) -> Float[Array, "B S N H"]:
            if isinstance(held, tuple):
                one = held[layer]
            else:
                one = jax.lax.dynamic_index_in_dim(held, layer, keepdims=False)
            return one.reshape(batch, -1, capacity, one.shape[-1]).swapaxes(1, 2)

        return pick(self.key), pick(self.value)

    def take(self, rows: Int[Array, "_"]) -> "Cache":
        """The cache of these sequences in this order; one may be taken several times, as a beam search does."""

        def pick(held: Any) -> Any:
            if not isinstance(held, tuple):
                return held[:, rows]
            layers = tuple(one.reshape(self.segments.shape[0], *one.shape[-3:])[rows] for one in held)
            return tuple(one.squeeze(0) for one in layers) if rows.size == 1 else layers

        return dataclasses.replace(self, key=pick(self.key), value=pick(self.value), segments=self.segments[rows])


def _put(held: Held, layer: Int[Array, ""] | int, new: Float[Array, "B T N H"], end: Int[Array, ""]) -> Held:
    """Writes `new` into one layer, at the positions up to `end`."""
    new, start = new.swapaxes(1, 2), end - new.shape[1]
    if not isinstance(held, tuple):
        return constrain(jax.lax.dynamic_update_slice(held, new[None], (layer, 0, 0, start, 0)), "LBNSH")
    one = held[layer]
    new = new.reshape(*one.shape[:-2], *new.shape[-2:])
    one = jax.lax.dynamic_update_slice(one, new, (*(0,) * (one.ndim - 2), start, 0))
    return (*held[:layer], one, *held[layer + 1 :])

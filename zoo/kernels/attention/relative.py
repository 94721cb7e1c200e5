# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The terms that XLNet adds to the scores, by the distance of two tokens and by whether their types differ."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Relative:
    """Terms of the scores before they are scaled (arXiv:1901.02860, section 3.3; arXiv:1906.08237, section 2.5).

    Attributes:
      query: vectors that are multiplied by those of the distances. distances: one vector per distance; row r is that
        of query t and key s where r = T - t + s.
      kinds: the term of each query for keys of its own segment, and of another one. differs: which keys are of another
        segment.
    """

    query: Float[Array, "B T N H"]
    distances: Float[Array, "R N H"]
    kinds: Float[Array, "B T N 2"] | None
    differs: Bool[Array, "B T S"] | None

    def bias(self, length: int) -> Float[Array, "B N T S"]:
        """The same as an array, for `length` keys."""
        near = jnp.einsum("BTNH,RNH->BNTR", self.query, self.distances)
        bias = _shift(near, length)
        if self.kinds is None or self.differs is None:
            return bias
        same, other = (self.kinds[..., kind].swapaxes(1, 2)[..., None] for kind in (0, 1))
        return bias + jnp.where(self.differs[:, None], other, same)


def _shift(near: Float[Array, "B N T R"], length: int) -> Float[Array, "B N T S"]:
    """Column s of row t is column T - t + s of `near`."""
    batch, heads, queries, distances = near.shape
    turned = near.reshape(batch, heads, distances, queries)[:, :, 1:]
    return turned.reshape(batch, heads, queries, distances - 1)[..., :length]

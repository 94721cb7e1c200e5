# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Structured masks: which keys a query attends to, without a dense array, so that a kernel can skip work."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionMask:
    """The conditions under which a query sees a key; all of them must hold.

    Attributes:
      causal: the key does not come after the query.
      window: the key is fewer than this many tokens before the query (and after it, unless causal); None is no limit.
      query_segments, key_segments: both belong to the same document of a packed sequence, numbered from 1; 0 is padding
        and sees nothing.
      query_order, key_order: the key comes no later than the query in an order in which several may have one place
        (XLNet's permutations).
      allowed: any other condition, as an array.
      query_offset: position of the first query among the keys, in tokens (the length of the cache so far).
    """

    causal: bool = dataclasses.field(default=False, metadata={"static": True})
    window: int | None = dataclasses.field(default=None, metadata={"static": True})
    query_segments: Int[Array, "B T"] | None = None
    key_segments: Int[Array, "B S"] | None = None
    query_order: Int[Array, "B T"] | None = None
    key_order: Int[Array, "B S"] | None = None
    allowed: Bool[Array, "#B T S"] | None = None
    query_offset: Int[Array, ""] | int = 0

    def dense(self, query_length: int, key_length: int) -> Bool[Array, "#B 1 #T #S"] | None:
        """The same as an array, or None if every query sees every key."""
        allowed = []
        if self.causal or self.window is not None:
            query = self.query_offset + jnp.arange(query_length, dtype=jnp.int32)[:, None]
            distance = query - jnp.arange(key_length, dtype=jnp.int32)[None, :]
            if self.causal:
                allowed.append(distance >= 0)
            if self.window is not None:
                allowed.append(jnp.abs(distance) < self.window)
        allowed = [band[None, None] for band in allowed]  # [1, 1, T, S]
        if self.query_segments is not None and self.key_segments is not None:
            query, key = self.query_segments[:, None, :, None], self.key_segments[:, None, None, :]
            allowed.append((query == key) & (key != 0))
        if self.query_order is not None and self.key_order is not None:
            allowed.append(self.key_order[:, None, None, :] <= self.query_order[:, None, :, None])
        if self.allowed is not None:
            allowed.append(self.allowed[:, None])
        return functools.reduce(jnp.logical_and, allowed) if allowed else None

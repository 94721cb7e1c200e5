# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows that hold several texts: where each begins and ends, by segments 1, 2, ... K of which some may have no token."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def members(segments: Int[Array, "B T"], count: int) -> Bool[Array, "B K T"]:
    """Whether each token is of segment 1, 2, ... `count`."""
    numbers = jnp.arange(1, count + 1, dtype=segments.dtype)
    return segments[:, None, :] == numbers[None, :, None]


def begins(segments: Int[Array, "B T"]) -> Bool[Array, "B T"]:
    """Whether a segment, or padding, begins at each token."""
    first = jnp.ones_like(segments[:, :1], bool)
    return jnp.concatenate([first, segments[:, 1:] != segments[:, :-1]], axis=1)


def first_of_each(segments: Int[Array, "B T"], count: int) -> Int[Array, "B K"]:
    """The index of the first token of each segment; 0 for one without tokens."""
    return jnp.argmax(members(segments, count), axis=2).astype(jnp.int32)


def last_of_each(chosen: Bool[Array, "B T"], segments: Int[Array, "B T"], count: int) -> Int[Array, "B K"]:
    """The index of the last chosen token of each segment; its first token if none is chosen."""
    own = members(segments, count) & chosen[:, None, :]
    places = jnp.arange(segments.shape[1], dtype=jnp.int32)[None, None]
    last = jnp.max(jnp.where(own, places, -1), axis=2)
    return jnp.where(last < 0, first_of_each(segments, count), last)

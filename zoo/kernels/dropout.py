# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Which elements dropout keeps: a hash of each position, so that any kernel computes the bits of its own block.

A kernel neither takes nor stores a mask: its backward pass, or another device, hashes the same positions again.
The hash is Wellons's `lowbias32` (nullprogram.com/blog/2018/07/31), two multiplications per element.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, UInt32

_GOLDEN = 0x9E3779B9  # 2^32 over the golden ratio: spreads neighbouring columns before they are mixed


def keep(key: Array, shape: tuple[int, ...], rate: float) -> Bool[Array, "..."]:
    """Whether each element of an array is kept, by a `jax.random` key."""
    lines = jnp.arange(math.prod(shape[:-1]), dtype=jnp.uint32).reshape(*shape[:-1], 1)
    columns = jnp.arange(shape[-1], dtype=jnp.uint32).reshape((1,) * (len(shape) - 1) + (-1,))
    return keep_at(line_seeds(seeds(key), lines), columns, rate)


def seeds(key: Array) -> UInt32[Array, "2"]:
    """The part of the key that a kernel needs."""
    return jax.random.bits(key, (2,), jnp.uint32)


def line_seeds(seeds: UInt32[Array, "2"], lines: UInt32[Array, "*B"]) -> UInt32[Array, "*B"]:
    """One seed per line; a line is the flat index of all axes but the last, counted over the whole array."""
    return mix(mix(lines ^ seeds[0]) ^ seeds[1])


def keep_at(lines: UInt32[Array, "*#B"], columns: UInt32[Array, "*#B"], rate: float) -> Bool[Array, "*B"]:
    """Whether some elements are kept, by the seeds of their lines and their last index in the whole array."""
    return keep_bits(bits_at(lines, columns), rate)


def bits_at(lines: UInt32[Array, "*#B"], columns: UInt32[Array, "*#B"]) -> UInt32[Array, "*B"]:
    """32 random bits of some elements, by the seeds of their lines and their last index."""
    return mix(lines ^ (columns * jnp.uint32(_GOLDEN)))


def keep_bits(bits: UInt32[Array, "*B"], rate: float) -> Bool[Array, "*B"]:
    """Whether an element is kept, by its 32 random bits."""
    return bits >= jnp.uint32(min(round(rate * 2**32), 2**32 - 1))


def mix(x: UInt32[Array, "*B"]) -> UInt32[Array, "*B"]:
    """A hash: every bit of the result depends on every bit of `x`."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The order of a training run's examples, computed for one batch at a time and never stored.

A pass visits the examples in the order of a pseudo-random permutation of [0, n): a Feistel network over pairs (left,
right) with left x right just above n, in which each round adds a hash of one half to the other, modulo its size (Black
and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002, "Generalized-Feistel" and "Cycle-Walking"). It is a
bijection whatever the hash is, so that every pass visits each example exactly once.
"""

import math

import numpy as np
from jaxtyping import Int64, UInt32

from zoo.data.random import mix

# Four rounds are pseudo-random (Luby and Rackoff, 1988) where n is large; a small n needs more to look so.
_ROUNDS = 8
_GOLDEN = np.uint32(0x9E3779B9)


def visited(visits: Int64[np.ndarray, "B"], size: int, seed: int) -> Int64[np.ndarray, "B"]:
    """The examples, of `size`, at these positions of the endless sequence of passes; each pass has its own order."""
    passes, positions = np.divmod(visits, size)
    return permute(positions, size, _keys(seed, passes))


def permute(positions: Int64[np.ndarray, "B"], size: int, keys: UInt32[np.ndarray, "R B"]) -> Int64[np.ndarray, "B"]:
    """Where a permutation of [0, size) that the round keys choose takes each position."""
    left = math.isqrt(size - 1) + 1
    right = -(-size // left)
    found = _feistel(positions, left, right, keys)
    while (outside := found >= size).any():  # fewer than 1 in sqrt(size) positions
        found[outside] = _feistel(found[outside], left, right, keys[:, outside])
    return found


def _feistel(values: np.ndarray, left: int, right: int, keys: np.ndarray) -> np.ndarray:
    a, b = np.divmod(values, right)
    for number, key in enumerate(keys):
        if number % 2:
            b = (b + _below(right, a, key)) % right
        else:
            a = (a + _below(left, b, key)) % left
    return a * right + b


def _below(high: int, half: np.ndarray, key: np.ndarray) -> np.ndarray:
    """int64 [B] below `high`, by a hash of one half of the number and the round's key."""
    bits = mix(mix(half.astype(np.uint32) * _GOLDEN ^ key) + key)
    return ((bits.astype(np.uint64) * np.uint64(high)) >> np.uint64(32)).astype(np.int64)


def _keys(seed: int, passes: np.ndarray) -> np.ndarray:
    """uint32 [rounds, B]."""
    base = np.zeros(1, np.uint32)
    for part in (np.uint32(seed), passes.astype(np.uint32), (passes >> 32).astype(np.uint32)):
        base = mix((base ^ part) + _GOLDEN)
    rounds = np.arange(1, _ROUNDS + 1, dtype=np.uint32)[:, None] * _GOLDEN
    return mix(base[None, :] ^ rounds)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Random numbers that are a function of (seed, step, row, position), so that a batch does not depend on who reads it.

A counter-based generator: a hash of the coordinates and nothing else. Each process computes the numbers of its own rows
of a global batch, and finds those that any other process would have found. The mixing function is `lowbias32` by Chris
Wellons (https://nullprogram.com/blog/2018/07/31/), whose bias is 0.17 of a thousandth.
"""

import dataclasses

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt32

TRAINING, EVALUATION, PAIRS = 0, 1, 2  # streams
_GOLDEN = 0x9E3779B9  # 2^32 divided by the golden ratio: successive multiples are spread evenly


@dataclasses.dataclass(frozen=True, eq=False)
class Key:
    """The coordinates of a batch's random numbers.

    Attributes:
      seed: of the run. stream: what it is drawn for, such as `TRAINING`. step: of the batch.
      rows: int64 [B], the indices of this process's rows in the global batch.
    """

    seed: int
    stream: int
    step: int
    rows: np.ndarray

    @property
    def is_training(self) -> bool:
        """Whether the batch trains; others are evaluated."""
        return self.stream == TRAINING

    def bits(self, count: int, purpose: int = 0) -> UInt32[np.ndarray, "B P"]:
        """Independent random bits for `count` positions of each row; another `purpose` gives others."""
        base = np.uint32(0)
        for part in (self.seed, self.stream, self.step & 0xFFFFFFFF, self.step >> 32, purpose):
            base = mix(np.atleast_1d(base ^ np.uint32(part)) + np.uint32(_GOLDEN))[0]
        rows = mix(self.rows.astype(np.uint32) * np.uint32(_GOLDEN) ^ base)
        positions = np.arange(1, count + 1, dtype=np.uint32) * np.uint32(_GOLDEN)
        return mix(mix(rows[:, None] ^ positions[None, :]) + rows[:, None])

    def uniform(self, count: int, purpose: int = 0) -> Float32[np.ndarray, "B P"]:
        """Uniform numbers in [0, 1), of 24 bits."""
        return (self.bits(count, purpose) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)

    def integers(self, high: int, count: int, purpose: int = 0) -> Int32[np.ndarray, "B P"]:
        """Uniform integers from 0 to `high` - 1, by a multiplication whose bias is below `high` / 2^32."""
        wide = self.bits(count, purpose).astype(np.uint64) * np.uint64(high)
        return (wide >> np.uint64(32)).astype(np.int32)


def mix(x: np.ndarray) -> np.ndarray:
    """A bijection of uint32 whose output bits each depend on all input bits."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def below(high: Int64[np.ndarray, "B"], bits: UInt32[np.ndarray, "B"]) -> Int64[np.ndarray, "B"]:
    """Uniform integers from 0 to `high` - 1; 0 where that is nothing."""
    return ((bits.astype(np.uint64) * high.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Indices of examples that are drawn again in every pass: the pass in the upper half, the number in the lower half."""

import numpy as np
from jaxtyping import Int64

from zoo.data.random import PAIRS, Key

_BITS = np.int64(32)  # of a number


def in_passes(numbers: Int64[np.ndarray, "B"], passes: Int64[np.ndarray, "B"], seed: int) -> Int64[np.ndarray, "B"]:
    """Indices of examples by their numbers in passes of a run.

    The pass in an index is from 1 to 2^31 - 2, by a hash of the seed, so that every run draws others; that of an
    evaluation is 0, whose indices are the numbers.
    """
    found = np.zeros_like(numbers)
    for each in np.unique(passes):
        bits = Key(seed, PAIRS, int(each), np.zeros(1, np.int64)).bits(1)[0, 0]
        found[passes == each] = 1 + int(bits) % (2**31 - 2)
    return found << _BITS | numbers


def passes_of(indices: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B"]:
    """The passes of indices."""
    return indices >> _BITS


def numbers_of(indices: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B"]:
    """The numbers of examples in their passes."""
    return indices & ((np.int64(1) << _BITS) - 1)

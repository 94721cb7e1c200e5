# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches whose rows are streams: row b of a step holds what follows row b of the step before, for models with memory.

The order stays a function of seed and step. In each pass, every row reads one run of consecutive examples; where the
rows do not divide the examples, a few at the beginning and the end are left out, others in each pass.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int64

from zoo.data import order
from zoo.data.schema import Batch, Examples


@dataclasses.dataclass(frozen=True, eq=False)
class StreamedExamples:
    """Examples that follow one another in a text, read as so many streams as a batch has rows."""

    examples: Examples

    def __len__(self) -> int:
        return len(self.examples)

    def read(self, indices: np.ndarray, *, batch: np.ndarray | None = None) -> Batch:
        """See `zoo.data.schema.Examples`."""
        return self.examples.read(indices, batch=batch)

    def visited(self, step: int, batch_size: int, seed: int) -> Int64[np.ndarray, "B"]:
        """The examples of the global batch of a step of training."""
        length = len(self) // batch_size
        number, place = divmod(step, length)
        spare = len(self) - length * batch_size
        first = order.visited(np.array([number * (spare + 1)], np.int64), spare + 1, seed)[0]
        return first + np.arange(batch_size, dtype=np.int64) * length + place

    def in_order(self, step: int, batch_size: int) -> Int64[np.ndarray, "B"]:
        """The examples of the global batch of a step of an evaluation, each example once; -1 past a stream's end."""
        length = -(-len(self) // batch_size)
        found = np.arange(batch_size, dtype=np.int64) * length + step
        return np.where((step < length) & (found < len(self)), found, -1)


def continues(before: Int64[np.ndarray, "B"], indices: Int64[np.ndarray, "B"]) -> Bool[np.ndarray, "B"]:
    """Whether the examples of a batch follow those in the same rows of the batch before."""
    return (indices >= 1) & (indices == before + 1)

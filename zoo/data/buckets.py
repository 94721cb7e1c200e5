# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches of examples of like lengths, which need little padding, in an order that stays a function of seed and step.

The visits of W batches are a window. Its examples are sorted by length, cut into batches, and the batches permuted.
Every example is still visited once a pass, but it meets others of about its length alone.
"""

import dataclasses

import numpy as np
from jaxtyping import Int64

from zoo.data import order
from zoo.data.packing import Packable
from zoo.data.schema import Batch


@dataclasses.dataclass(frozen=True, eq=False)
class BucketedExamples:
    """Examples whose batches hold such of like lengths.

    Attributes:
      examples: as they are read. window: W, in batches.
    """

    examples: Packable
    window: int

    def __len__(self) -> int:
        return len(self.examples)

    def read(self, indices: np.ndarray, *, batch: np.ndarray | None = None) -> Batch:
        """See `zoo.data.schema.Examples`."""
        return self.examples.read(indices, batch=batch)

    def visited(self, step: int, batch_size: int, seed: int) -> Int64[np.ndarray, "B"]:
        """The examples of the global batch of a step of training."""
        window, place = divmod(step, self.window)
        size = self.window * batch_size
        visits = np.int64(window) * size + np.arange(size, dtype=np.int64)
        indices = order.visited(visits, len(self.examples), seed)
        batches = indices[np.argsort(self.examples.num_tokens(indices), kind="stable")].reshape(self.window, batch_size)
        # One more visit of the endless sequence of permutations, of the batches of this window.
        number = order.visited(np.array([window * self.window + place], np.int64), self.window, seed ^ 1)[0]
        return batches[number]

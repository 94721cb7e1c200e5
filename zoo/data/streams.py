# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches whose rows are streams: row b of a step holds what follows row b of the step before, for models with memory.

The order stays a function of seed and step. In each pass, every row reads one run of consecutive examples; where the
rows do not divide the examples, a few at the beginning and the end are left out, others in each pass. Of a text in two
directions, every second row reads backwards.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int64

from zoo.data import order
from zoo.data.passes import numbers_of
from zoo.data.schema import Batch, Examples, Redrawn
from zoo.errors import ConfigError


@dataclasses.dataclass(frozen=True, eq=False)
class StreamedExamples:
    """Examples that follow one another in a text, read as so many streams as a batch has rows.

    Attributes:
      directions: into how many equal runs the examples are divided, each a text of its own; the rows of a batch take
        them in turn.
    """

    examples: Examples
    directions: int = 1

    def __len__(self) -> int:
        return len(self.examples)

    def read(self, indices: np.ndarray, *, batch: np.ndarray | None = None) -> Batch:
        """See `zoo.data.schema.Examples`."""
        return self.examples.read(indices, batch=batch)

    def visited(self, step: int, batch_size: int, seed: int) -> Int64[np.ndarray, "B"]:
        """The examples of the global batch of a step of training."""
        rows = batch_size // self.directions
        length = self._size // rows
        number, place = divmod(step, length)
        spare = self._size - length * rows
        first = order.visited(np.array([number * (spare + 1)], np.int64), spare + 1, seed)[0]
        found = first + np.arange(rows, dtype=np.int64) * length + place
        found = (found[:, None] + np.arange(self.directions, dtype=np.int64) * self._size).reshape(-1)
        if isinstance(self.examples, Redrawn):
            return self.examples.of_passes(found, np.full_like(found, number), seed)
        return found

    def in_order(self, step: int, batch_size: int) -> Int64[np.ndarray, "B"]:
        """The examples of the global batch of a step of an evaluation, each example once; -1 past a stream's end."""
        length = -(-len(self) // batch_size)
        found = np.arange(batch_size, dtype=np.int64) * length + step
        return np.where((step < length) & (found < len(self)), found, -1)

    def continues(self, before: Int64[np.ndarray, "B"], indices: Int64[np.ndarray, "B"]) -> Bool[np.ndarray, "B"]:
        """Whether the examples of a batch follow those in the same rows of the batch before."""
        return (numbers_of(indices) % self._size != 0) & (indices == before + 1)

    def check_rows(self, batch_size: int) -> None:
        """ConfigError for a batch whose rows are not as many of each direction."""
        if batch_size % self.directions:
            raise ConfigError(
                f"batch_size is {batch_size}, and every second row reads the text backwards (data.directions='both'); "
                f"set batch_size to {batch_size + 1}, or data.directions='forward'."
            )

    @property
    def _size(self) -> int:
        """Examples of a direction."""
        return len(self) // self.directions

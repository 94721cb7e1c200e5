# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows without labels, read and encoded part by part in the order of their file, whatever its size."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from zoo.data.columns import Table
from zoo.data.formats import Row
from zoo.data.schema import Batch, Examples

CHUNK = 1024  # rows in memory at a time


def chunks(table: Table, size: int) -> Iterator[list[Row]]:
    """The rows of a table, so many at a time."""
    rows = iter(table)
    while chunk := [*itertools.islice(rows, size)]:
        yield chunk


def batches_by_length(examples: Examples, lengths: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """All examples in batches of similar lengths, with the index of each row; the last batch is filled up with -1.

    Args:
      lengths: of the examples, in tokens.
    """
    order = np.argsort(lengths, kind="stable")[::-1]  # the longest first: what runs out of memory does so
    for start in range(0, len(order), batch_size):
        indices = np.full(batch_size, -1)
        part = order[start : start + batch_size]
        indices[: len(part)] = part
        yield indices, examples.read(indices)


def run(examples: Examples, lengths: np.ndarray, batch_size: int, function: Callable[[Batch], Any]) -> list[np.ndarray]:
    """What a function of a batch gives for each example, in their order; one batch is read while the next one runs."""
    found: list[Any] = [None] * len(examples)
    pending: tuple[np.ndarray, Any] | None = None

    def keep(indices: np.ndarray, values: Any) -> None:
        for index, value in zip(indices, np.asarray(values), strict=True):
            if index >= 0:
                found[index] = value

    for indices, batch in batches_by_length(examples, lengths, batch_size):
        dispatched = (indices, function(batch))
        if pending is not None:
            keep(*pending)
        pending = dispatched
    if pending is not None:
        keep(*pending)
    return found

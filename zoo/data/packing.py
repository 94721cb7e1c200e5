# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled examples packed into rows: the examples of a global batch share as few rows as first-fit-decreasing makes.

A batch stays what it was, the same examples in the same step; only the padding goes. A row holds up to K examples one
behind another, as segments 1 to K with positions of their own. The layout is a function of the examples of the global
batch alone, so that every process finds the same one and reads its own rows of it. First-fit-decreasing needs at most
11/9 of the fewest possible rows, and 6/9 of a row more (Dosa 2007, doi:10.1007/978-3-540-74450-4_1).
"""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64

from zoo.data.ragged import begins, numbered
from zoo.data.schema import Batch, Examples, Schema

WEIGHTS = "example_weights"  # [R, K] of a packed batch: 1 for an example, 0 for a place in a row without one
_SPARE = 8  # rows are rounded up by less than this part of them, so that a run compiles few shapes


@runtime_checkable
class Packable(Examples, Protocol):
    """Examples that tell their lengths without being read."""

    def num_tokens(self, indices: np.ndarray) -> Int64[np.ndarray, "B"]:
        """The tokens of the examples at `indices`, each of 0 or more; of one with options, those of its longest."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class PackedExamples:
    """Examples whose batches are rows of several; an index is a row of the indices of K examples, -1 for none.

    Attributes:
      examples: one at a time. schema: of their fields. seq_len: T, tokens of a row. most: K, examples in a row.
    """

    examples: Packable
    schema: Schema
    seq_len: int
    most: int

    def __len__(self) -> int:
        return len(self.examples)

    def layout(self, indices: Int64[np.ndarray, "B"], *, multiple: int = 1) -> Int64[np.ndarray, "R K"]:
        """The rows of a global batch of these examples.

        Args:
          multiple: R is divisible by it; rows without an example fill up the last ones.
        """
        lengths = self.examples.num_tokens(indices)
        row_of = first_fit_decreasing(lengths, self.seq_len, self.most)
        rows = min(_round_up(int(row_of.max()) + 1, multiple), -(-len(indices) // multiple) * multiple)
        found = np.full((rows, self.most), -1, np.int64)
        found[numbered(np.bincount(row_of, minlength=rows))] = indices[np.argsort(row_of, kind="stable")]
        return found

    def read(self, indices: Int64[np.ndarray, "R K"], *, batch: np.ndarray | None = None) -> Batch:
        """The rows of a layout, or some of them.

        Fields of tokens are [R, T] (of options [R, C, T]) and 0 where there is padding; `segments` counts the examples
        of a row from 1, `positions` each one's tokens from 0. Labels are [R, K], spans [R, K, 2], of tokens of the row.
        `example_weights`, float32 [R, K], are 0 where there is no example.
        """
        del batch  # every row is as long as any other
        row, place = np.nonzero(indices >= 0)
        chosen = indices[row, place]
        given = self.examples.read(chosen)
        offset = self._offsets(indices)[row, place]
        source = np.nonzero(given["segments"] > 0)
        example, column = source[0], source[-1]
        target = (row[example], *source[1:-1], offset[example] + column)
        shape = (len(indices), *given["segments"].shape[1:-1], self.seq_len)

        def spread(values: np.ndarray) -> np.ndarray:
            found = np.zeros(shape, np.int32)
            found[target] = values
            return found

        found = {"segments": spread(place[example] + 1), "positions": spread(column)}
        for name in given.keys() - found.keys():
            kind, values = self.schema[name].kind, given[name]
            if kind in ("tokens", "tags", "choices"):
                found[name] = spread(values[source])
            else:
                values = values + offset[:, None].astype(np.int32) if kind == "span" else values
                found[name] = np.zeros((*indices.shape, *values.shape[1:]), values.dtype)
                found[name][row, place] = values
        return {**found, WEIGHTS: (indices >= 0).astype(np.float32)}

    def _offsets(self, indices: Int64[np.ndarray, "R K"]) -> Int64[np.ndarray, "R K"]:
        """Where each example begins in its row."""
        lengths = np.where(indices < 0, 0, self.examples.num_tokens(indices.reshape(-1)).reshape(indices.shape))
        return begins(lengths)


def first_fit_decreasing(lengths: Int[np.ndarray, "B"], capacity: int, most: int) -> Int64[np.ndarray, "B"]:
    """The row of each item: from the longest on, each goes into the first row that it fits into.

    Items of one length are placed at once, in the order in which they are given, so that the time grows with the number
    of different lengths.

    Args:
      lengths: of the items, in tokens. capacity: of a row, in tokens. most: items in a row.
    """
    order = np.argsort(-lengths, kind="stable")
    sizes, counts = np.unique(lengths, return_counts=True)
    free = np.full(len(lengths), capacity, np.int64)  # of every row, in tokens; there are no more rows than items
    places = np.full(len(lengths), most, np.int64)
    rows, begin, used = np.zeros(len(lengths), np.int64), 0, 0
    for size, count in zip(sizes[::-1].tolist(), counts[::-1].tolist(), strict=True):
        open_rows = slice(0, min(used + count, len(free)))
        takes = np.minimum(free[open_rows] // max(size, 1), places[open_rows])
        takes = np.diff(np.minimum(np.cumsum(takes), count), prepend=0)
        free[open_rows] -= takes * size
        places[open_rows] -= takes
        found = np.repeat(np.arange(len(takes)), takes)
        rows[order[begin : begin + count]] = found
        begin, used = begin + count, max(used, int(found[-1]) + 1)
    return rows


def _round_up(rows: int, multiple: int) -> int:
    """The next multiple of `multiple` times a power of two, which is at most an eighth of the rows."""
    unit = multiple
    while unit * 2 * _SPARE <= rows:
        unit *= 2
    return -(-rows // unit) * unit

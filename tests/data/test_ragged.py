# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Pieces of different lengths one behind another: where each begins, and which one an item is of."""

import numpy as np
import pytest

from zoo.data.ragged import begins, numbered


@pytest.mark.parametrize("counts", [[3, 0, 2, 0, 0, 1], [0, 0], [4], []])
def test_items_are_counted_in_each_piece(counts):
    of, number = numbered(np.array(counts, np.int64))
    assert [*zip(of.tolist(), number.tolist(), strict=True)] == [(i, k) for i, n in enumerate(counts) for k in range(n)]


def test_pieces_begin_where_those_before_end():
    lengths = np.array([[2, 0, 5], [1, 1, 1]])
    assert begins(lengths).tolist() == [[0, 2, 2], [0, 1, 2]]
    assert begins(lengths[0]).tolist() == [0, 2, 2]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows hold the concatenated documents, each token once, and say which document each came from."""

import numpy as np
import pytest

from zoo.data.pack import PackedRows
from zoo.errors import ConfigError, InputError, IntegrityError


class Listed:
    """Documents in memory; tokens count up from 10 through all of them, so that any loss shows."""

    def __init__(self, lengths):
        self.lengths = np.asarray(lengths)
        self.stream = np.arange(10, 10 + self.lengths.sum(), dtype=np.int32)
        self._pieces = np.split(self.stream, np.cumsum(self.lengths)[:-1])

    def __getitem__(self, index):
        return self._pieces[index]


def _row(rows, index, name):
    return rows[index][name].tolist()


def test_by_hand():
    rows = PackedRows(Listed([3, 4, 1]), 5, pad_id=9)
    assert len(rows) == 2
    assert _row(rows, 0, "tokens") == [10, 11, 12, 13, 14]
    assert _row(rows, 0, "segments") == [1, 1, 1, 2, 2]
    assert _row(rows, 0, "positions") == [0, 1, 2, 0, 1]
    assert _row(rows, 1, "tokens") == [15, 16, 17, 9, 9]
    assert _row(rows, 1, "segments") == [1, 1, 2, 0, 0]
    assert _row(rows, 1, "positions") == [0, 1, 0, 0, 0]
    assert {value.dtype for value in rows[1].values()} == {np.dtype(np.int32)}


def test_frame_and_separator():
    rows = PackedRows(Listed([2, 2]), 5, prefix=[1], suffix=[2])
    assert _row(rows, 0, "tokens") == [1, 10, 11, 12, 2]
    assert _row(rows, 0, "segments") == [1, 1, 1, 2, 2]
    assert _row(rows, 1, "tokens") == [1, 13, 2, 0, 0]
    rows = PackedRows(Listed([2, 1]), 4, separator=7)
    assert _row(rows, 0, "tokens") == [10, 11, 7, 12]
    assert _row(rows, 0, "segments") == [1, 1, 1, 2]
    assert _row(rows, 1, "tokens") == [7, 0, 0, 0]


def test_whole_row_is_one_segment():
    rows = PackedRows(Listed([2, 2, 2]), 4, segments="row")
    assert _row(rows, 0, "segments") == [1, 1, 1, 1]
    assert _row(rows, 0, "positions") == [0, 1, 2, 3]
    assert _row(rows, 1, "segments") == [1, 1, 0, 0]


@pytest.mark.parametrize("seq_len", [1, 2, 3, 7, 13, 100])
def test_no_token_is_lost(seq_len):
    documents = Listed(np.random.default_rng(0).integers(0, 9, 30))
    rows = PackedRows(documents, seq_len)
    tokens = np.concatenate([rows[i]["tokens"][rows[i]["segments"] > 0] for i in range(len(rows))])
    np.testing.assert_array_equal(tokens, documents.stream)


def test_it_is_a_sequence():
    rows = PackedRows(Listed([5]), 2)
    assert len(list(rows)) == 3
    with pytest.raises(IndexError):
        rows[3]


def test_refusals():
    with pytest.raises(ConfigError, match="no room"):
        PackedRows(Listed([5]), 2, prefix=[1], suffix=[2])
    with pytest.raises(InputError, match="no tokens"):
        PackedRows(Listed([0, 0]), 2)
    documents = Listed([3, 4])
    documents.lengths = np.array([3, 5])
    with pytest.raises(IntegrityError, match="documents 0 to 1"):
        PackedRows(documents, 10)[0]

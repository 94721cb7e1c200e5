# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Arrays whose blocks are checked when they are first read."""

import numpy as np
import pytest

from zoo.data import checked
from zoo.errors import IntegrityError


def test_each_block_is_checked_once(tmp_path, monkeypatch):
    monkeypatch.setattr(checked, "BLOCK", 64)
    values, seen = np.arange(1000, dtype=np.uint16), []
    array = checked.CheckedArray(tmp_path, values, checked.block_digests(values))
    digest = checked.sha256_of_array
    monkeypatch.setattr(checked, "sha256_of_array", lambda block: (seen.append(int(block[0])), digest(block))[1])
    np.testing.assert_array_equal(array.take(np.array([[5, 40], [999, 1200]]), mode="clip"), [[5, 40], [999, 999]])
    assert seen == [0, 32, 992]
    np.testing.assert_array_equal(array.take(np.array([31, 64])), [31, 64])
    assert seen == [0, 32, 992, 64]
    np.testing.assert_array_equal(array, values)
    assert sorted(seen) == [*range(0, 1000, 32)]


def test_a_block_that_changed_is_refused_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(checked, "BLOCK", 64)
    values = np.arange(1000, dtype=np.uint16)
    digests = checked.block_digests(values)
    values[40] ^= 1
    array = checked.CheckedArray(tmp_path / "a.npy", values, digests)
    np.testing.assert_array_equal(array.take(np.array([31, 64, 999])), [31, 64, 999])
    for _ in range(2):  # and stays refused
        with pytest.raises(IntegrityError, match=r"a\.npy is not what was prepared.*from 32 on"):
            array.take(np.array([63]))

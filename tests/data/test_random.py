# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Random numbers are a function of their coordinates, even, and independent along each of them."""

import numpy as np
import pytest

from zoo.data.random import Key, mix


def key(seed=0, stream=0, step=0, rows=64):
    return Key(seed, stream, step, np.arange(rows))


def test_a_row_has_the_same_numbers_whoever_reads_it():
    rows = np.array([5, 40, 2])
    np.testing.assert_array_equal(Key(3, 0, 9, rows).bits(50), key(3, 0, 9).bits(50)[rows])
    np.testing.assert_array_equal(key().bits(50)[:, :20], key().bits(20))


@pytest.mark.parametrize("other", [key(seed=1), key(stream=1), key(step=1), key(step=2**32), key(seed=2**32 - 1)])
def test_every_coordinate_counts(other):
    one, two = key().bits(256), other.bits(256)
    assert (one == two).sum() < 5
    assert (one == key().bits(256, purpose=1)).sum() < 5
    agreeing = np.bitwise_count(~(one ^ two)).sum() / (one.size * 32)
    assert abs(agreeing - 0.5) < 5 * 0.5 / np.sqrt(one.size * 32)


def test_numbers_are_even():
    numbers = np.stack([key(step=step).uniform(64) for step in range(64)])
    assert 0 <= numbers.min() and numbers.max() < 1 and numbers.dtype == np.float32
    counts, _ = np.histogram(numbers, 100, (0, 1))
    expected = numbers.size / 100
    assert ((counts - expected) ** 2 / expected).sum() < 100 + 5 * np.sqrt(200)
    for axis in range(3):  # steps, rows, places
        first, second = np.take(numbers, range(63), axis).ravel(), np.take(numbers, range(1, 64), axis).ravel()
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(first.size)


def test_integers_are_below_their_bound_and_even():
    numbers = np.concatenate([key(step=step).integers(7, 64).ravel() for step in range(20)])
    assert numbers.dtype == np.int32
    counts = np.bincount(numbers, minlength=7)
    assert len(counts) == 7
    assert np.abs(counts - len(numbers) / 7).max() < 5 * np.sqrt(len(numbers) * 6 / 49)
    assert (key().integers(1, 4) == 0).all()


def test_mix_is_a_bijection():
    values = np.random.default_rng(0).integers(0, 2**32, 10**5, dtype=np.uint32)
    assert len(np.unique(mix(values))) == len(np.unique(values))

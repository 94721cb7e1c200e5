# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every pass is a permutation of its own, evenly drawn, and any position of it costs the same."""

import collections
import time

import numpy as np
import pytest

from zoo.data.order import visited


def one_pass(size, number=0, seed=0):
    return visited(np.arange(number * size, (number + 1) * size), size, seed)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 17, 24, 25, 26, 97, 1000, 65536, 99991])
@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_each_pass_visits_every_example_once(size, seed):
    for number in (0, 1, 2**33):
        np.testing.assert_array_equal(np.sort(one_pass(size, number, seed)), np.arange(size))


def test_passes_and_seeds_have_orders_of_their_own():
    orders = [one_pass(1000, number, seed) for number in range(5) for seed in range(5)]
    for i, one in enumerate(orders):
        for other in orders[:i]:
            assert (one == other).sum() < 12  # 1 expected


def test_a_position_does_not_depend_on_the_others_that_are_read():
    whole = visited(np.arange(5000), 997, 3)
    places = np.random.default_rng(0).permutation(5000)[:700]
    np.testing.assert_array_equal(visited(places, 997, 3), whole[places])


@pytest.mark.parametrize("size", [4, 5, 10, 23])
def test_every_example_is_as_likely_at_every_place(size):
    passes = 4000
    orders = visited(np.arange(size * passes), size, 11).reshape(passes, size)
    counts = np.stack([np.bincount(orders[:, place], minlength=size) for place in range(size)])
    rate = 1 / size
    assert np.abs(counts - passes * rate).max() < 5 * np.sqrt(passes * rate * (1 - rate))


def test_small_sets_take_every_order():
    orders = visited(np.arange(4 * 6000), 4, 1).reshape(6000, 4)
    counts = collections.Counter(map(tuple, orders.tolist()))
    assert len(counts) == 24
    assert max(abs(count - 250) for count in counts.values()) < 5 * np.sqrt(250)


def test_neighbours_do_not_stay_together():
    order = one_pass(50_000)
    steps = np.diff(order)
    assert len(np.unique(steps)) > 20_000
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 5 / np.sqrt(50_000)


def test_a_far_position_of_a_large_set_costs_one_batch():
    size, start = 10**13, 10**15 + 7
    begin = time.perf_counter()
    order = visited(np.arange(start, start + 1024), size, 5)
    assert time.perf_counter() - begin < 0.05
    assert len(np.unique(order)) == 1024
    assert 0 <= order.min() < 10**11 and 99 * 10**11 < order.max() < size

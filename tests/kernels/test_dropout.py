# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Dropout's bits: the promised rate, independent of one another, and the same wherever a block of them is asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.kernels import dropout

SHAPE = (6, 5, 64, 96)


def dropped(key: int, rate: float) -> np.ndarray:
    return ~np.asarray(dropout.keep(jax.random.key(key), SHAPE, rate))


def assert_near(found, expected: float, deviation: float) -> None:
    """Within five standard deviations: a sound hash fails once in two million."""
    assert abs(found - expected) <= 5 * deviation


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.5, 0.9])
def test_the_rate_holds_overall_and_in_every_row_and_column(rate):
    bits, variance = dropped(1, rate), rate * (1 - rate)
    assert_near(bits.mean(), rate, (variance / bits.size) ** 0.5)
    for axis in range(4):
        means = bits.mean(axis=tuple(other for other in range(4) if other != axis))
        count = bits.size / len(means)
        assert np.abs(means - rate).max() <= 6 * (variance / count) ** 0.5
        if rate:  # as uneven as chance makes them, no more and no less
            assert 0.3 < means.var(ddof=1) / (variance / count) < 3


def test_neighbours_and_keys_are_independent():
    rate = 0.3
    first = dropped(1, rate) - rate
    pairs = [(np.delete(first, -1, axis), np.delete(first, 0, axis)) for axis in range(4)]
    for one, other in [*pairs, (first, dropped(2, rate) - rate)]:
        assert_near((one * other).mean(), 0.0, rate * (1 - rate) / one.size**0.5)


def test_bits_differ_between_batch_heads_rows_and_keys():
    bits = dropped(1, 0.5)
    for one, other in ((bits[0], bits[1]), (bits[:, 0], bits[:, 1]), (bits[:, :, 0], bits[:, :, 1])):
        assert 0.4 < (one != other).mean() < 0.6
    assert 0.4 < (bits != dropped(2, 0.5)).mean() < 0.6


def test_a_block_has_the_bits_that_it_has_in_the_whole():
    key = jax.random.key(3)
    whole = dropout.keep(key, SHAPE, 0.2)
    lines = jnp.arange(SHAPE[2], dtype=jnp.uint32)[16:32, None] + jnp.uint32((4 * SHAPE[1] + 2) * SHAPE[2])
    columns = jnp.arange(32, 96, dtype=jnp.uint32)
    block = dropout.keep_at(dropout.line_seeds(dropout.seeds(key), lines), columns[None], 0.2)
    np.testing.assert_array_equal(block, whole[4, 2, 16:32, 32:])


def test_sharding_and_compilation_change_nothing():
    key, mesh = jax.random.key(3), jax.make_mesh((4, 2), ("a", "b"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    shape = (8, 4, 16, 24)
    place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("a", "b"))
    sharded = jax.jit(lambda key: dropout.keep(key, shape, 0.2), out_shardings=place)(key)
    np.testing.assert_array_equal(sharded, dropout.keep(key, shape, 0.2))


def test_the_hash_is_lowbias32():
    def lowbias32(x: int) -> int:
        x = ((x ^ (x >> 16)) * 0x7FEB352D) % 2**32
        x = ((x ^ (x >> 15)) * 0x846CA68B) % 2**32
        return x ^ (x >> 16)

    inputs = [0, 1, 2, 0xFFFF0000, 0x12345678, 2**32 - 1]
    found = dropout.mix(jnp.asarray(inputs, jnp.uint32))
    assert found.tolist() == [lowbias32(x) for x in inputs]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Dropout by the TPU's own generator inside its attention kernels: the same bits in both passes, others everywhere."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.kernels.tpu import on_tpu
from tests.kernels.tpu_cases import KEY, SMALL, WHOLE
from zoo.kernels import dropout
from zoo.kernels.attention import AttentionMask, Call, pallas_tpu
from zoo.kernels.attention.pallas_tpu import blocks as tuning
from zoo.kernels.attention.pallas_tpu import tile


@pytest.fixture
def hardware_bits(monkeypatch):
    """The interpreter's generator gives zeros: a hash of the tile's seed and number stands in for it."""

    def bits(seed, tile_number, size):
        rows, columns = (jax.lax.broadcasted_iota(jnp.uint32, size, axis) for axis in (0, 1))
        tile_seed = seed.astype(jnp.uint32) ^ dropout.mix(jnp.asarray(tile_number, jnp.uint32) + jnp.uint32(1))
        return dropout.mix(dropout.mix(rows ^ tile_seed) ^ (columns * jnp.uint32(0x9E3779B9)))

    monkeypatch.setattr(tile, "random_bits", bits)


def dropped_means(value, *, rate, blocks=None, bias=None, key=KEY):
    """Means of the values [B, S, N, H] that are left of them, for 256 or more queries, which have equal weights."""
    query = jnp.zeros((value.shape[0], max(256, value.shape[1]), *value.shape[2:]))
    call = Call(
        query,
        jnp.zeros_like(value),
        value,
        mask=AttentionMask(),
        bias=bias,
        dropout_rate=rate,
        dropout_key=key,
        scale=1.0,
    )
    return pallas_tpu.attention(call, generator="hardware", blocks=blocks)


@pytest.mark.parametrize("blocks", [SMALL, WHOLE], ids=["a head a step", "two heads a step"])
def test_hardware_bits_are_replayed(blocks, hardware_bits):
    rate, keys = 0.25, 300
    value = jnp.asarray(np.random.default_rng(0).standard_normal((2, keys, 2, 16)), jnp.float32)
    attend = functools.partial(dropped_means, rate=rate, blocks=(blocks, blocks))
    with on_tpu():
        out, back = jax.vjp(attend, value)
        (gradient,) = back(jnp.ones_like(out))
        other = attend(value, key=jax.random.key(6))
    # Linear in the values: were other bits drawn in the backward pass, these would differ.
    np.testing.assert_allclose(jnp.sum(gradient * value), jnp.sum(out), rtol=1e-4)
    assert float(jnp.abs(out - other).max()) > 1e-2
    # By columns of ones, how many of the weights were kept; every head, row and tile drew its own.
    with on_tpu():
        kept = attend(jnp.ones_like(value))[..., 0] * (1 - rate) * keys
    spread = np.sqrt(keys * rate * (1 - rate))
    assert np.abs(kept.mean() / keys - (1 - rate)) < 5 * spread / keys / np.sqrt(kept.size)
    assert 0.8 * spread < kept.std() < 1.2 * spread
    assert len(np.unique(np.asarray(kept[:, :, 0]).reshape(2, -1), axis=0)) == 2
    assert np.abs(kept[:, :, 0] - kept[:, :, 1]).max() > 1 and np.abs(kept[:, :128] - kept[:, 128:256]).max() > 1


def test_every_part_of_a_row_draws_its_own_hardware_bits(hardware_bits, monkeypatch):
    monkeypatch.setattr(tuning, "_PLANE", 128 * 128)  # so that 128 queries with a bias are taken at a time
    with on_tpu():
        out = dropped_means(jnp.ones((1, 128, 1, 16)), rate=0.5, bias=jnp.zeros((1, 1, 256, 128)))
    assert np.abs(out[:, :128] - out[:, 128:]).max() > 0.1

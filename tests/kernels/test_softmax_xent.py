# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The blocked loss against the one written out in float64, and what it holds and sends."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from zoo.kernels.softmax_xent import softmax_xent

M, D = 7, 5


def draw(vocab: int):
    rng = np.random.default_rng(vocab)
    return rng.standard_normal((M, D)), rng.standard_normal((vocab, D)), rng.standard_normal(vocab)


def expected(x, table, bias, targets, smoothing, z_loss):
    """Loss and the gradients of its sum weighted by 1, 2, ...; all in float64."""
    vocab, weights = len(table), np.arange(1.0, M + 1)[:, None]
    logits = x @ table.T + bias
    normalizer = np.log(np.exp(logits).sum(1, keepdims=True))
    wanted = np.eye(vocab)[targets] * (1 - smoothing) + smoothing / vocab
    loss = (normalizer - logits) * wanted
    loss = loss.sum(1) + z_loss * normalizer[:, 0] ** 2
    dlogits = weights * (np.exp(logits - normalizer) * (1 + 2 * z_loss * normalizer) - wanted)
    return loss, (dlogits @ table, dlogits.T @ x, dlogits.sum(0))


@pytest.mark.parametrize("smoothing, z_loss", [(0.0, 0.0), (0.1, 0.0), (0.1, 0.01)])
@pytest.mark.parametrize("vocab, block", [(1, None), (11, 1), (11, 4), (24, 16), (37, None), (40, 100), (128, 8)])
def test_values_and_gradients_equal_float64(vocab, block, smoothing, z_loss):
    x, table, bias = draw(vocab)
    targets = np.arange(M) * 3 % vocab
    loss, gradients = expected(x, table, bias, targets, smoothing, z_loss)

    def total(*arrays):
        out = softmax_xent(
            *arrays[:2],
            jnp.asarray(targets, jnp.int32),
            bias=arrays[2],
            label_smoothing=smoothing,
            z_loss=z_loss,
            block=block,
        )
        return jnp.sum(out.loss * jnp.arange(1.0, M + 1)), out

    arrays = [jnp.asarray(array, jnp.float32) for array in (x, table, bias)]
    with jax.default_matmul_precision("highest"):
        found, out = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(*arrays)
    np.testing.assert_allclose(out.loss, loss, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(out.predicted, (x @ table.T + bias).argmax(1))
    for ours, theirs in zip(found, gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_first_of_equal_logits_is_predicted():
    out = softmax_xent(jnp.ones((1, 1)), jnp.ones((12, 1)), jnp.zeros(1, jnp.int32), block=4)
    assert out.predicted.tolist() == [0]


def test_a_target_outside_the_table_is_nan_and_harms_no_other():
    x, table, _ = (jnp.asarray(array, jnp.float32) for array in draw(24))
    loss = softmax_xent(x, table, jnp.asarray([0, 24, -1, 3, 4, 5, 6], jnp.int32)).loss
    assert jnp.isnan(loss).tolist() == [False, True, True, False, False, False, False]

    def kept(x, targets):
        loss = softmax_xent(x, table, targets).loss
        return jnp.sum(jnp.where((targets >= 0) & (targets < 24), loss, 0.0))

    gradient = jax.grad(kept)(x, jnp.asarray([0, 24, -1, 3, 4, 5, 6], jnp.int32))
    assert bool(jnp.isfinite(gradient).all())
    np.testing.assert_array_equal(gradient[1:3], 0.0)


def test_large_logits_and_bfloat16():
    x, table, _ = (jnp.asarray(array, jnp.bfloat16) for array in draw(24))
    out = softmax_xent(x * 1000, table, jnp.arange(M, dtype=jnp.int32))
    assert out.loss.dtype == jnp.float32
    assert bool(jnp.isfinite(out.loss).all())


def compiled(vocab: int, rows: int, mesh=None) -> str:
    shapes = ((rows, 16), (vocab, 16), (rows,))
    places = [None] * 3 if mesh is None else [NamedSharding(mesh, P(axis)) for axis in ("data", "tensor", "data")]
    args = [
        jax.ShapeDtypeStruct(shape, dtype, sharding=place)
        for shape, dtype, place in zip(shapes, (jnp.float32, jnp.float32, jnp.int32), places, strict=True)
    ]
    run = jax.value_and_grad(lambda x, table, targets: softmax_xent(x, table, targets).loss.sum(), argnums=(0, 1))
    return jax.jit(run).lower(*args).compile().as_text()


def largest(text: str) -> int:
    """Elements of the largest array of a compiled program."""
    shapes = re.findall(r"(?:f32|bf16)\[([\d,]+)\]", text)
    return max(int(np.prod([int(size) for size in shape.split(",")])) for shape in shapes)


@pytest.mark.parametrize("vocab", [8000, 8001])
def test_an_eighth_of_the_logits_is_the_most_that_is_held(vocab):
    rows = 512
    assert largest(compiled(vocab, rows)) <= rows * vocab / 8 + rows


def test_a_split_vocabulary_stays_where_it_is():
    """Sums over positions travel between devices; the table, its gradient and the logits do not."""
    mesh = jax.make_mesh((2, 4), ("data", "tensor"), axis_types=(AxisType.Auto,) * 2)
    text = compiled(4096, 64, mesh)
    assert "all-reduce(" in text
    assert not re.search(r"(all-gather|all-to-all|collective-permute)\(", text)
    assert largest(text) <= 4096 * 16 // 4  # a device's share of the table

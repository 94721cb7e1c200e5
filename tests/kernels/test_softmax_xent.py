# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Both implementations against the loss written out in float64; what the blocked one holds and sends."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from zoo.errors import ConfigError
from zoo.kernels import platform
from zoo.kernels.softmax_xent import IMPLEMENTATIONS, blocked, softmax_xent

B, M, D = 2, 4, 5

every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def draw(vocab: int):
    rng = np.random.default_rng(vocab)
    return rng.standard_normal((B, M, D)), rng.standard_normal((vocab, D)), rng.standard_normal(vocab)


WEIGHTS = np.arange(1.0, B * M + 1).reshape(B, M)


def expected(x, table, bias, targets, smoothing, z_loss):
    """Loss and the gradients of its sum weighted by WEIGHTS; all in float64."""
    vocab = len(table)
    logits = x @ table.T + bias
    normalizer = np.log(np.exp(logits).sum(-1, keepdims=True))
    wanted = np.eye(vocab)[targets] * (1 - smoothing) + smoothing / vocab
    loss = (normalizer - logits) * wanted
    loss = loss.sum(-1) + z_loss * normalizer[..., 0] ** 2
    dlogits = WEIGHTS[..., None] * (np.exp(logits - normalizer) * (1 + 2 * z_loss * normalizer) - wanted)
    return loss, (dlogits @ table, np.einsum("bmv,bmd->vd", dlogits, x), dlogits.sum((0, 1)))


def check(vocab: int, smoothing: float, z_loss: float, run) -> None:
    x, table, bias = draw(vocab)
    targets = np.arange(B * M).reshape(B, M) * 3 % vocab
    loss, gradients = expected(x, table, bias, targets, smoothing, z_loss)

    def total(x, table, bias):
        options = dict(bias=bias, label_smoothing=smoothing, z_loss=z_loss)
        found, predicted = run(x, table, jnp.asarray(targets, jnp.int32), **options)
        return jnp.sum(found * WEIGHTS.astype(np.float32)), (found, predicted)

    arrays = [jnp.asarray(array, jnp.float32) for array in (x, table, bias)]
    with jax.default_matmul_precision("highest"):
        found, out = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(*arrays)
    np.testing.assert_allclose(out[0], loss, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(out[1], (x @ table.T + bias).argmax(-1))
    for ours, theirs in zip(found, gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


every_option = pytest.mark.parametrize("smoothing, z_loss", [(0.0, 0.0), (0.1, 0.0), (0.1, 0.01)])


@every_option
@pytest.mark.parametrize("vocab", [1, 37])
@every_implementation
def test_values_and_gradients_equal_float64(implementation, vocab, smoothing, z_loss):
    check(vocab, smoothing, z_loss, IMPLEMENTATIONS[implementation])


@every_option
@pytest.mark.parametrize("vocab, block", [(11, 1), (11, 4), (24, 16), (40, 100), (128, 8)])
def test_blocks_of_any_size_give_the_same(vocab, block, smoothing, z_loss):
    check(vocab, smoothing, z_loss, functools.partial(blocked.softmax_xent, block=block))


@every_implementation
def test_the_first_of_equal_logits_is_predicted(implementation):
    x, table, targets = jnp.ones((1, 1, 1)), jnp.ones((96, 1)), jnp.zeros((1, 1), jnp.int32)
    assert softmax_xent(x, table, targets, implementation=implementation).predicted.tolist() == [[0]]


@every_implementation
def test_a_target_outside_the_table_is_nan_and_harms_no_other(implementation):
    x, table, _ = (jnp.asarray(array, jnp.float32) for array in draw(24))
    targets = jnp.asarray([[0, 24, -1, 3], [-100, 5, 6, 7]], jnp.int32)
    outside = [[False, True, True, False], [True, False, False, False]]

    def kept(x, table):
        loss = softmax_xent(x, table, targets, implementation=implementation).loss
        return jnp.sum(jnp.where(jnp.asarray(outside), 0.0, loss)), loss

    gradients, loss = jax.grad(kept, argnums=(0, 1), has_aux=True)(x, table)
    assert jnp.isnan(loss).tolist() == outside
    assert all(bool(jnp.isfinite(gradient).all()) for gradient in gradients)
    np.testing.assert_array_equal(gradients[0][np.asarray(outside)], 0.0)


@every_implementation
def test_large_logits_and_bfloat16(implementation):
    """Products of bfloat16 numbers, summed in float32 and never rounded: as exact as float32 for the same numbers."""
    x, table, bias = (jnp.asarray(array, jnp.bfloat16) for array in draw(24))
    targets = jnp.arange(B * M, dtype=jnp.int32).reshape(B, M)

    def total(x, table, bias):
        out = softmax_xent(x * 100, table, targets, bias=bias, implementation=implementation)
        return jnp.sum(out.loss), out.loss

    gradients, loss = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(x, table, bias)
    whole = [array.astype(jnp.float32) for array in (x * 100, table, bias)]
    exact = softmax_xent(*whole[:2], targets, bias=whole[2], implementation=implementation).loss
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, exact, rtol=1e-5, atol=1e-4)
    assert all(bool(jnp.isfinite(gradient).all()) and gradient.dtype == jnp.bfloat16 for gradient in gradients)


@pytest.mark.parametrize(("name", "chosen"), [("cpu", "plain"), ("gpu", "blocked"), ("tpu", "blocked")])
def test_the_device_chooses(monkeypatch, name, chosen):
    seen = []
    for key, run in IMPLEMENTATIONS.items():
        monkeypatch.setitem(IMPLEMENTATIONS, key, lambda *a, key=key, run=run, **k: (seen.append(key), run(*a, **k))[1])
    monkeypatch.setattr(platform, "platform", lambda: name)
    softmax_xent(jnp.ones((1, 1, 2)), jnp.ones((9, 2)), jnp.zeros((1, 1), jnp.int32))
    assert seen == [chosen]


def test_an_unknown_implementation_is_refused():
    with pytest.raises(ConfigError, match="'fused' of the loss; choose one of blocked, plain"):
        softmax_xent(jnp.ones((1, 1, 2)), jnp.ones((9, 2)), jnp.zeros((1, 1), jnp.int32), implementation="fused")


def compiled(vocab: int, rows: int, mesh=None) -> str:
    shapes = ((2, rows // 2, 16), (vocab, 16), (2, rows // 2))
    places = [None] * 3 if mesh is None else [NamedSharding(mesh, P(axis)) for axis in ("data", "tensor", "data")]
    args = [
        jax.ShapeDtypeStruct(shape, dtype, sharding=place)
        for shape, dtype, place in zip(shapes, (jnp.float32, jnp.float32, jnp.int32), places, strict=True)
    ]
    run = jax.value_and_grad(lambda x, table, targets: blocked.softmax_xent(x, table, targets)[0].sum(), argnums=(0, 1))
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

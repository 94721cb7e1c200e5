# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every implementation against the loss written out in float64; what they hold and send, and which is chosen."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.kernels.tpu import for_tpu, on_tpu
from zoo.errors import ConfigError, InputError
from zoo.kernels import platform
from zoo.kernels.softmax_xent import IMPLEMENTATIONS, blocked, pallas_tpu, plain, softmax_xent
from zoo.kernels.softmax_xent.pallas_tpu import Blocks
from zoo.sharding.rules import partitioned

B, M, D = 2, 4, 5

every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


@pytest.fixture
def anywhere(monkeypatch):
    """The TPU's kernel, in interpret mode."""
    monkeypatch.setattr(pallas_tpu, "INTERPRET", True)
    monkeypatch.setitem(IMPLEMENTATIONS, "pallas_tpu", IMPLEMENTATIONS["plain"]._replace(run=pallas_tpu.softmax_xent))


def draw(vocab: int):
    rng = np.random.default_rng(vocab)
    return rng.standard_normal((B, M, D)), rng.standard_normal((vocab, D)), rng.standard_normal(vocab)


WEIGHTS = np.arange(1.0, B * M + 1).reshape(B, M)


def expected(x, table, bias, targets, smoothing, z_loss):
    """Loss, negative log-likelihood, and the gradients of the loss's sum weighted by WEIGHTS; all in float64."""
    vocab = len(table)
    logits = x @ table.T + bias
    normalizer = np.log(np.exp(logits).sum(-1, keepdims=True))
    wanted = np.eye(vocab)[targets] * (1 - smoothing) + smoothing / vocab
    nll = ((normalizer - logits) * np.eye(vocab)[targets]).sum(-1)
    loss = ((normalizer - logits) * wanted).sum(-1) + z_loss * normalizer[..., 0] ** 2
    dlogits = WEIGHTS[..., None] * (np.exp(logits - normalizer) * (1 + 2 * z_loss * normalizer) - wanted)
    return loss, nll, (dlogits @ table, np.einsum("bmv,bmd->vd", dlogits, x), dlogits.sum((0, 1)))


def check(vocab: int, smoothing: float, z_loss: float, run) -> None:
    x, table, bias = draw(vocab)
    targets = np.arange(B * M).reshape(B, M) * 3 % vocab
    loss, nll, gradients = expected(x, table, bias, targets, smoothing, z_loss)

    def total(x, table, bias):
        options = dict(bias=bias, label_smoothing=smoothing, z_loss=z_loss)
        found, predicted, nll = run(x, table, jnp.asarray(targets, jnp.int32), **options)
        return jnp.sum((found + nll) * WEIGHTS.astype(np.float32)), (found, predicted, nll)  # `nll` has no gradient

    arrays = [jnp.asarray(array, jnp.float32) for array in (x, table, bias)]
    with jax.default_matmul_precision("highest"):
        found, out = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(*arrays)
    np.testing.assert_allclose(out[0], loss, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(out[1], (x @ table.T + bias).argmax(-1))
    np.testing.assert_allclose(out[2], nll, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(found, gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


every_option = pytest.mark.parametrize("smoothing, z_loss", [(0.0, 0.0), (0.1, 0.0), (0.1, 0.01)])


@every_option
@pytest.mark.parametrize("vocab", [1, 37])
@every_implementation
def test_values_and_gradients_equal_float64(implementation, vocab, smoothing, z_loss, anywhere):
    check(vocab, smoothing, z_loss, IMPLEMENTATIONS[implementation].run)


@every_option
@pytest.mark.parametrize("vocab, block", [(11, 1), (11, 4), (24, 16), (40, 100), (128, 8)])
def test_blocks_of_any_size_give_the_same(vocab, block, smoothing, z_loss):
    check(vocab, smoothing, z_loss, functools.partial(blocked.softmax_xent, block=block))


@every_implementation
def test_the_first_of_equal_logits_is_predicted(implementation, anywhere):
    x, table, targets = jnp.ones((1, 1, 1)), jnp.ones((96, 1)), jnp.zeros((1, 1), jnp.int32)
    assert softmax_xent(x, table, targets, implementation=implementation).predicted.tolist() == [[0]]


@every_implementation
def test_a_target_outside_the_table_is_nan_and_harms_no_other(implementation, anywhere):
    x, table, _ = (jnp.asarray(array, jnp.float32) for array in draw(24))
    targets = jnp.asarray([[0, 24, -1, 3], [-100, 5, 6, 7]], jnp.int32)
    outside = [[False, True, True, False], [True, False, False, False]]

    def losses(x, table):
        found = softmax_xent(x, table, targets, implementation=implementation)
        return found.loss, found.nll

    loss, pull, nll = jax.vjp(losses, x, table, has_aux=True)
    assert jnp.isnan(loss).tolist() == jnp.isnan(nll).tolist() == outside
    left_out, all_of_them = pull(jnp.where(jnp.asarray(outside), 0.0, 1.0)), pull(jnp.ones((2, 4)))
    for gradients in (left_out, all_of_them):
        assert all(bool(jnp.isfinite(gradient).all()) for gradient in gradients)
        np.testing.assert_array_equal(gradients[0][np.asarray(outside)], 0.0)
    np.testing.assert_allclose(left_out[1], all_of_them[1], rtol=1e-6)


@every_implementation
def test_large_logits_and_bfloat16(implementation, anywhere):
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


CHOICES = [("cpu", 200, "plain"), ("gpu", 200, "blocked"), ("tpu", 200, "pallas_tpu"), ("tpu", 20, "blocked")]


@pytest.mark.parametrize(("name", "positions", "chosen"), CHOICES)
def test_the_device_chooses(monkeypatch, name, positions, chosen):
    seen = []

    def run(key, *args, **options):
        seen.append(key)
        return plain.softmax_xent(*args, **options)

    for key, found in IMPLEMENTATIONS.items():
        monkeypatch.setitem(IMPLEMENTATIONS, key, found._replace(run=functools.partial(run, key)))
    monkeypatch.setattr(platform, "platform", lambda: name)
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    softmax_xent(jnp.ones((1, positions, 2)), jnp.ones((9, 2)), jnp.zeros((1, positions), jnp.int32))
    assert seen == [chosen]


def test_an_unknown_implementation_is_refused():
    with pytest.raises(ConfigError, match="'fused' of the loss; choose one of blocked, pallas_tpu, plain"):
        softmax_xent(jnp.ones((1, 1, 2)), jnp.ones((9, 2)), jnp.zeros((1, 1), jnp.int32), implementation="fused")


X, TABLE, TARGETS = jnp.ones((2, 3, 8)), jnp.ones((11, 8)), jnp.zeros((2, 3), jnp.int32)
WRONG = {
    "rank": (dict(x=X[0]), r"x must be \[batch, positions, width\]"),
    "width": (dict(table=TABLE[:, :7]), r"found \[2, 3, 8\] and \[11, 7\]"),
    "empty vocabulary": (dict(table=TABLE[:0]), r"and \[0, 8\]"),
    "targets": (dict(targets=TARGETS[:1]), r"targets must be integers \[2, 3\]; found int32 \[1, 3\]"),
    "float targets": (dict(targets=TARGETS.astype(jnp.float32)), "found float32"),
    "bias": (dict(bias=jnp.zeros(1)), r"bias must be \[11\]; found \[1\]"),
    "smoothing": (dict(label_smoothing=2.0), "between 0 and 1"),
    "z-loss": (dict(z_loss=-0.1), "at least 0"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_inputs_are_refused(kind, unchecked_types):
    changes, message = WRONG[kind]
    with pytest.raises(InputError, match=message):
        softmax_xent(**(dict(x=X, table=TABLE, targets=TARGETS) | changes))


def test_the_kernel_is_refused_where_it_cannot_run():
    x, table, targets = jnp.ones((2, 100, 8)), jnp.ones((9, 8)), jnp.zeros((2, 100), jnp.int32)

    def run(x=x, table=table, positions=100):
        softmax_xent(x[:, :positions], table, targets[:, :positions], implementation="pallas_tpu")

    with pytest.raises(InputError, match=r"written for TPUs, not for 'cpu'. Use blocked or plain"):
        run()
    with on_tpu():
        for wrong, message in (
            (dict(x=x.astype(jnp.float16), table=table.astype(jnp.float16)), "bfloat16 or float32"),
            (dict(positions=20), "or more positions; found 40"),
            (dict(x=jnp.ones((2, 100, 16384)), table=jnp.ones((9, 16384))), "of width 16384 do not fit"),
        ):
            with pytest.raises(InputError, match=message):
                run(**wrong)


SMALL = Blocks(256, 128, 128)


def test_the_kernel_has_no_races():
    """Two blocks of the vocabulary, one of them half empty, and two of positions."""
    arrays = positions_and_table()
    wanted = value_and_gradients(plain.softmax_xent)(*arrays)
    with on_tpu():
        compare(value_and_gradients(pallas_tpu.softmax_xent, blocks=(SMALL, SMALL))(*arrays), wanted)


@pytest.mark.parametrize("block_bytes", [pallas_tpu._BLOCK_BYTES, 0], ids=["at once", "in parts"])
@pytest.mark.parametrize(
    ("rules", "other"), [("dp", "tensor"), ("tp", "tensor"), ("fsdp", "fsdp"), ("fsdp_cp", "context")]
)
def test_the_kernel_on_a_mesh_gives_what_one_device_gives(rules, other, block_bytes, monkeypatch):
    """Sequences are sharded, and with `tp` the vocabulary; positions whose gradients do not fit go in parts."""
    monkeypatch.setattr(pallas_tpu, "INTERPRET", True)
    monkeypatch.setattr(pallas_tpu, "_BLOCK_BYTES", block_bytes)
    mesh = jax.make_mesh((2, 4), ("data", other), axis_types=(AxisType.Auto,) * 2)
    arrays = positions_and_table()
    wanted = value_and_gradients(plain.softmax_xent)(*arrays)
    vocab = P("tensor") if rules == "tp" else P()
    shardings = [NamedSharding(mesh, spec) for spec in (P("data"), vocab, vocab, P("data"))]
    blocks = Blocks(64, 32, 128)
    with partitioned(mesh, rules), for_tpu(mesh):
        run = jax.jit(value_and_gradients(pallas_tpu.softmax_xent, blocks=(blocks, blocks)))
        compare(run(*map(jax.device_put, arrays, shardings)), wanted)


def positions_and_table():
    """Vectors, a table, its bias, and targets."""
    rng = np.random.default_rng(0)
    shapes = ((8, 152, 16), (384, 16), (384,))
    x, table, bias = (jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in shapes)
    return x, table, bias, jnp.asarray(rng.integers(0, 384, shapes[0][:2]), jnp.int32)


def value_and_gradients(run, **options):
    """Losses, predictions, log-likelihoods and the gradients of a weighted sum."""

    def total(x, table, bias, targets):
        loss, *others = run(x, table, targets, bias=bias, label_smoothing=0.1, z_loss=0.01, **options)
        return jnp.sum(loss * targets.astype(jnp.float32)), (loss, *others)

    return jax.grad(total, argnums=(0, 1, 2), has_aux=True)


def compare(found, wanted) -> None:
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * float(jnp.abs(theirs).max()))


def test_a_vocabulary_that_is_not_divisible_by_the_mesh_is_refused():
    mesh = jax.make_mesh((2, 4), ("data", "tensor"), axis_types=(AxisType.Auto,) * 2)
    x, table, targets = jnp.ones((2, 100, 8)), jnp.ones((9, 8)), jnp.zeros((2, 100), jnp.int32)
    with partitioned(mesh, "tp"), for_tpu(mesh), pytest.raises(InputError, match="vocab 9 is not divisible by the 4"):
        softmax_xent(x, table, targets, implementation="pallas_tpu")


def compiled(vocab: int, rows: int, mesh=None) -> str:
    shapes = ((2, rows // 2, 16), (vocab, 16), (2, rows // 2))
    shardings = [None] * 3 if mesh is None else [NamedSharding(mesh, P(axis)) for axis in ("data", "tensor", "data")]
    args = [
        jax.ShapeDtypeStruct(shape, dtype, sharding=place)
        for shape, dtype, place in zip(shapes, (jnp.float32, jnp.float32, jnp.int32), shardings, strict=True)
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


@pytest.mark.parametrize("vocab", [30522, 50257, 50265, 32128, 64000, 1161, 320, 37])
def test_blocks_are_aligned_and_cover_the_vocabulary(vocab):
    """Of GPT-2's vocabulary a block had 5,585, an odd number, which a GPU multiplies slowly."""
    parts, size = blocked.cut(vocab)
    assert parts * size % 128 == 0 or vocab < 8 * 128
    assert parts * size <= max(vocab / 8, parts)
    starts = blocked._starts(blocked._Options(size, 0.0, 0.0), jnp.zeros((parts, vocab // parts, 1)))
    assert set(range(vocab // parts)) == {int(start) + i for start in starts for i in range(size)}


def test_a_split_vocabulary_stays_where_it_is():
    """Sums over positions travel between devices; the table, its gradient and the logits do not."""
    mesh = jax.make_mesh((2, 4), ("data", "tensor"), axis_types=(AxisType.Auto,) * 2)
    text = compiled(4096, 64, mesh)
    assert "all-reduce(" in text
    assert not re.search(r"(all-gather|all-to-all|collective-permute)\(", text)
    assert largest(text) <= 4096 * 16 // 4  # a device's share of the table

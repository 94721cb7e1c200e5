# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Each small layer against values worked out by hand or in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo.nn.config import TransformerConfig
from zoo.nn.dropout import dropout
from zoo.nn.embed import Embedder, Embedding
from zoo.nn.linear import Linear
from zoo.nn.norm import Norm
from zoo.nn.positions import past_padding, sinusoids

CONFIG = TransformerConfig(
    family="bert", vocab_size=11, width=6, num_layers=1, num_heads=2, mlp_width=5, max_length=7, init_std=0.5
)
X = jnp.asarray(np.random.default_rng(0).standard_normal((2, 3, 6)), jnp.float32)


def test_linear_between_named_axes():
    layer = Linear({"embed": 6}, {"heads": 2, "kv": 5}, CONFIG, rngs=nnx.Rngs(0))
    layer.bias[...] = jnp.arange(10.0).reshape(2, 5)
    assert layer.kernel.shape == (6, 2, 5) and layer.kernel.get_metadata()["axes"] == ("embed", "heads", "kv")
    want = np.einsum("btd,dnh->btnh", X, layer.kernel[...]) + np.asarray(layer.bias[...])
    np.testing.assert_allclose(layer(X), want, atol=1e-5)
    back = Linear({"heads": 2, "kv": 5}, {"embed": 6}, CONFIG, bias=False, rngs=nnx.Rngs(1))
    np.testing.assert_allclose(back(layer(X)), np.einsum("btnh,nhd->btd", layer(X), back.kernel[...]), atol=1e-4)


@pytest.mark.parametrize("rows", [1, 5, 40])
def test_tuning_for_a_cpu_changes_no_result(rows):
    x = jnp.asarray(np.random.default_rng(1).standard_normal((rows, 2, 6)), jnp.float32)
    split = Linear({"embed": 6}, {"heads": 2, "kv": 5}, CONFIG, rngs=nnx.Rngs(0))
    merge = Linear({"heads": 2, "kv": 5}, {"embed": 7}, CONFIG, bias=False, rngs=nnx.Rngs(1))
    table = Embedding(11, "vocab", CONFIG, rngs=nnx.Rngs(2))
    want = split(x), merge(split(x)), table.attend(x)
    for _ in range(2):  # the second time changes nothing
        for layer in (split, merge, table):
            layer.tune_for_cpu()
    assert split.kernel.shape == (2, 5, 6) and split.kernel.get_metadata()["axes"] == ("heads", "kv", "embed")
    assert merge.kernel.shape == (7, 2, 5) and merge.kernel.get_metadata()["axes"] == ("embed", "heads", "kv")
    for found, expected in zip((split(x), merge(split(x)), table.attend(x)), want, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_padding_trains_no_position():
    for pad_embedding, rows in (("trained", [1, 2]), ("frozen", [2])):
        config = CONFIG.replace(pad_id=1, pad_positions="skipped", pad_embedding=pad_embedding)
        graphdef, params = nnx.split(Embedder(config, rngs=nnx.Rngs(0)))
        tokens, positions = jnp.asarray([[4, 1]], jnp.int32), jnp.asarray([[0, -1]], jnp.int32)
        grads = jax.grad(lambda p: nnx.merge(graphdef, p)(tokens, None, positions).sum())(params)  # noqa: B023
        assert np.flatnonzero(np.asarray(grads["position"]["embedding"][...]).any(axis=1)).tolist() == rows


def test_positions_that_padding_does_not_take():
    tokens = jnp.asarray([[1, 5, 1, 6, 7], [5, 6, 1, 1, 1]], jnp.int32)
    assert past_padding(tokens, 1).tolist() == [[-1, 0, -1, 1, 2], [0, 1, -1, -1, -1]]
    assert past_padding(tokens, 1, start=3).tolist() == [[-1, 3, -1, 4, 5], [3, 4, -1, -1, -1]]


def test_layer_norm_and_rms_norm():
    layer = Norm(6, CONFIG.replace(norm_eps=1e-3))
    layer.scale[...], layer.bias[...] = jnp.arange(6.0), jnp.arange(6.0) - 3
    x = np.asarray(X)
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    want = (x - mean) / np.sqrt(variance + 1e-3) * np.arange(6) + np.arange(6) - 3
    np.testing.assert_allclose(layer(X), want, atol=1e-5)
    rms = Norm(6, CONFIG.replace(norm="rms", norm_eps=1e-3))
    np.testing.assert_allclose(rms(X), x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-3), atol=1e-5)
    assert rms.bias is None


def test_embedding_outside_the_table_is_nan_and_never_a_neighbour():
    table = Embedding(11, "vocab", CONFIG, rngs=nnx.Rngs(0))
    rows = jax.jit(table)(jnp.array([[0, 10, 11, -1, 500]], jnp.int32))[0]
    np.testing.assert_array_equal(rows[:2], table.embedding[...][jnp.array([0, 10])])
    assert bool(jnp.isnan(rows[2:]).all())


def test_a_looked_up_pad_token_learns_or_not():
    tokens = jnp.array([[3, 5, 3]], jnp.int32)
    for pad_embedding, rows in (("trained", [3, 5]), ("frozen", [5])):
        embed = Embedder(CONFIG.replace(pad_id=3, pad_embedding=pad_embedding), rngs=nnx.Rngs(0))
        grads = nnx.grad(lambda embed: jnp.sum(jnp.sin(embed(tokens, None, jnp.zeros_like(tokens)))))(embed)
        np.testing.assert_array_equal(np.flatnonzero(np.abs(grads.token.embedding[...]).sum(1)), rows)


def test_factorized_embedding_is_projected():
    config = CONFIG.replace(embed_width=4, num_token_types=2, embed_norm=True)
    embed = Embedder(config, rngs=nnx.Rngs(0))
    tokens, types, positions = (jnp.array([row], jnp.int32) for row in ([3, 5, 3], [0, 1, 1], [0, 1, 2]))
    summed = embed.token(tokens) + embed.position(positions) + embed.token_type(types)
    assert summed.shape == (1, 3, 4)
    np.testing.assert_allclose(embed(tokens, types, positions), embed.projection(embed.norm(summed)), atol=1e-6)


def test_position_offset_moves_the_rows():
    embed = Embedder(CONFIG.replace(pad_id=1, pad_positions="skipped"), rngs=nnx.Rngs(0))
    assert embed.position.embedding.shape == (9, 6)
    tokens, positions = jnp.zeros((1, 7), jnp.int32), jnp.arange(7, dtype=jnp.int32)[None]
    rows = embed(tokens, None, positions) - embed.token(tokens)
    np.testing.assert_allclose(rows[0], embed.position.embedding[2:], atol=1e-6)


@pytest.mark.parametrize("width", [6, 7])
def test_sinusoids_follow_the_paper(width):
    table = sinusoids(5, width)
    half = (width + 1) // 2
    assert table.shape == (5, width)
    np.testing.assert_allclose(table[3, 1], np.sin(3 / 10_000 ** (2 / width)), atol=1e-6)
    np.testing.assert_allclose(table[3, half + 1], np.cos(3 / 10_000 ** (2 / width)), atol=1e-6)


def test_dropout_zeroes_its_share_and_scales_the_rest():
    ones = jnp.ones((100, 100))
    assert dropout(ones, 0.25, None) is ones
    dropped = dropout(ones, 0.25, jax.random.key(0))
    kept = dropped[dropped != 0]
    np.testing.assert_allclose(kept, 1 / 0.75, rtol=1e-6)
    # Five standard deviations of a binomial of 10,000 draws at 0.75.
    assert abs(kept.size - 7500) < 5 * np.sqrt(10_000 * 0.75 * 0.25)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Prefix language modelling: the lengths of prefixes, and what is predicted."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

import zoo
from tests.objectives.fakes import constant_model
from zoo.data.random import TRAINING, Key
from zoo.objectives import CausalLM, PrefixLM

OBJECTIVE = PrefixLM()


def key(rows, step=3, seed=1):
    return Key(seed=seed, stream=TRAINING, step=step, rows=np.asarray(rows))


def batch(segments):
    """Random tokens in such segments."""
    segments = np.asarray(segments, np.int32)
    starts = np.diff(segments, axis=1, prepend=0) != 0
    column = np.arange(segments.shape[1])
    positions = (column - np.maximum.accumulate(np.where(starts, column, 0), axis=1)) * (segments > 0)
    tokens = np.random.default_rng(0).integers(1, 37, segments.shape)
    return {"tokens": tokens.astype(np.int32), "segments": segments, "positions": positions.astype(np.int32)}


def test_prefixes_begin_their_segments():
    """Each segment of two tokens and more has tokens of both kinds, the prefix first; one of a single token is all."""
    rng = np.random.default_rng(2)
    rows = np.sort(rng.integers(1, 9, (200, 32)), axis=1)
    rows = np.cumsum(np.diff(rows, axis=1, prepend=0) > 0, axis=1)  # numbered from 1, without gaps
    rows[::3, -5:] = 0
    found = OBJECTIVE.arrange(batch(rows), key(range(200)))["prefix"]
    assert not found[rows == 0].any()
    for row, prefix in zip(rows, found, strict=True):
        for segment in range(1, row.max() + 1):
            inside = prefix[row == segment]
            assert (np.diff(inside) <= 0).all() and inside[0] == 1
            assert inside[-1] == (1 if len(inside) == 1 else 0)


def test_lengths_are_uniform():
    segments = np.repeat([[1] * 12 + [2] * 4], 6000, axis=0)
    found = OBJECTIVE.arrange(batch(segments), key(range(6000)))["prefix"]
    for part in (found[:, :12], found[:, 12:]):
        counts = np.bincount(part.sum(1), minlength=part.shape[1])[1:]
        assert len(counts) == part.shape[1] - 1
        assert stats.chisquare(counts).pvalue > 1e-3
    ends = found[:, :12].sum(1), found[:, 12:].sum(1)
    assert abs(np.corrcoef(*ends)[0, 1]) < 4 / math.sqrt(6000)


def test_a_row_does_not_depend_on_its_reader():
    """By seed, step and row alone, whatever other rows are there."""
    segments = np.repeat([[1] * 5 + [2] * 6 + [0]], 8, axis=0)
    whole = OBJECTIVE.arrange(batch(segments), key(range(8)))["prefix"]
    mine = OBJECTIVE.arrange({name: x[4:] for name, x in batch(segments).items()}, key(range(4, 8)))["prefix"]
    np.testing.assert_array_equal(mine, whole[4:])
    assert (whole != OBJECTIVE.arrange(batch(segments), key(range(8), step=4))["prefix"]).any()
    assert (whole != OBJECTIVE.arrange(batch(segments), key(range(8), seed=2))["prefix"]).any()


def test_predicts_what_follows_the_prefix():
    rows = batch([[1, 1, 1, 1, 2, 2, 3, 0]]) | {"prefix": np.array([[1, 1, 0, 0, 1, 0, 1, 0]], np.int32)}
    rows = {name: jnp.asarray(x) for name, x in rows.items()}
    weights = np.array([0, 1, 1, 0, 1, 0, 0, 0])
    logits = np.random.default_rng(3).standard_normal((1, 8, 37)).astype(np.float32)
    sums = OBJECTIVE.loss(constant_model(jnp.asarray(logits)), rows)
    losses = -np.asarray(jax.nn.log_softmax(logits))[0, np.arange(8), np.roll(rows["tokens"][0], -1)]
    assert float(sums["weight"]) == 3
    assert float(sums["loss"]) == pytest.approx(float((losses * weights).sum()), rel=1e-5)


def test_packed_equals_alone():
    """The loss and the gradient of a model of two texts in one row are those of the texts apart."""
    config = zoo.config("gpt2", vocab_size=37, width=12, num_layers=2, num_heads=3, mlp_width=20, max_length=16)
    model = zoo.create(config, head="causal_lm", seed=1)
    packed = batch([[1] * 6 + [2] * 9]) | {"prefix": np.array([[1] * 4 + [0] * 2 + [1] * 2 + [0] * 7], np.int32)}
    split = {name: np.zeros((2, 9), np.int32) for name in packed}
    for name, values in packed.items():
        split[name][0, :6], split[name][1] = values[0, :6], values[0, 6:]
    split["segments"] = np.minimum(split["segments"], 1)
    graphdef, state = nnx.split(model)

    def gradient(rows):
        rows = {name: jnp.asarray(x) for name, x in rows.items()}
        run = nnx.value_and_grad(lambda model: OBJECTIVE.loss(model, rows)["loss"])
        fast_compile = {"xla_backend_optimization_level": 0}
        return jax.jit(lambda state: run(nnx.merge(graphdef, state)), compiler_options=fast_compile)(state)

    (loss, found), (want, wanted) = gradient(packed), gradient(split)
    assert float(loss) == pytest.approx(float(want), rel=1e-5)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    rows = {name: jnp.asarray(x) for name, x in split.items()}
    assert abs(float(CausalLM().loss(model, rows)["loss"]) - float(want)) > 1

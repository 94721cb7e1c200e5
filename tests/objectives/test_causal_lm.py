# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Causal language modelling: what predicts what, and what does not."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.fakes import constant_model, info
from zoo.objectives import CausalLM

VOCAB = 11


def batch(tokens, segments):
    tokens, segments = jnp.array(tokens), jnp.array(segments)
    return {
        "tokens": tokens,
        "segments": segments,
        "positions": jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape),
    }


def test_predicts_the_next_token():
    rows = batch([[1, 2, 3, 4]], [[1, 1, 1, 1]])
    logits = jnp.eye(VOCAB)[jnp.array([[2, 3, 4, 0]])] * 100.0
    sums = CausalLM().loss(constant_model(logits), rows)
    assert float(sums["correct"]) == float(sums["weight"]) == 3.0
    assert float(sums["loss"]) == pytest.approx(0.0, abs=1e-6)


def test_no_prediction_across_segments_or_into_padding():
    rows = batch([[1, 2, 3, 4, 5, 0]], [[1, 1, 2, 2, 2, 0]])
    sums = CausalLM().loss(constant_model(jnp.zeros((1, 6, VOCAB))), rows)
    assert float(sums["weight"]) == 3.0
    assert float(sums["loss"]) == pytest.approx(3 * math.log(VOCAB), rel=1e-6)


def test_last_position_never_predicts_the_first():
    rows = batch([[7, 7], [8, 8]], [[1, 1], [1, 1]])
    sums = CausalLM().loss(constant_model(jnp.zeros((2, 2, VOCAB))), rows)
    assert float(sums["weight"]) == 2.0


def test_a_batch_of_padding_is_zero():
    rows = batch([[0, 0]], [[0, 0]])
    sums = CausalLM().loss(constant_model(jnp.zeros((1, 2, VOCAB))), rows)
    assert float(sums["loss"]) == 0.0
    assert CausalLM().metrics(sums) == {"loss": 0.0, "accuracy": 0.0, "perplexity": 1.0}


def test_metrics():
    sums = {"loss": 13.0, "nll": np.float32(4 * math.log(8)), "correct": np.float32(1), "weight": np.float32(4)}
    metrics = CausalLM().bind(info(bytes_per_token=3.0)).metrics(sums)
    assert metrics["perplexity"] == pytest.approx(8, rel=1e-6)
    assert metrics["bits_per_byte"] == pytest.approx(1.0, rel=1e-6)
    assert metrics["accuracy"] == 0.25 and metrics["loss"] == 3.25
    assert CausalLM().metrics({"loss": 1e6, "nll": 1e6, "correct": 0.0, "weight": 1.0})["perplexity"] == math.inf

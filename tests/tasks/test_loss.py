# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Cross entropy: hand values, weights, and nothing to count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.tasks.loss import cross_entropy


def test_hand_value():
    logits = jnp.log(jnp.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]))
    loss, sums = cross_entropy(logits, jnp.array([0, 2]), jnp.array([1.0, 3.0]))
    expected = -np.log(0.2) - 3 * np.log(0.8)
    assert float(sums["loss"]) == pytest.approx(expected, rel=1e-6)
    assert float(loss) == pytest.approx(expected / 4, rel=1e-6)
    assert float(sums["correct"]) == 3.0
    assert float(sums["weight"]) == 4.0


def test_ignored_position_adds_nothing_whatever_its_target():
    logits = jnp.ones((2, 3))
    with_ignored = cross_entropy(logits, jnp.array([1, -100]), jnp.array([1.0, 0.0]))
    alone = cross_entropy(logits[:1], jnp.array([1]), jnp.array([1.0]))
    assert jax.tree.map(float, with_ignored) == jax.tree.map(float, alone)


def test_no_weight_gives_zero_and_zero_gradient():
    def loss(logits):
        return cross_entropy(logits, jnp.array([5, 5]), jnp.zeros(2))[0]

    value, grad = jax.value_and_grad(loss)(jnp.ones((2, 3)))
    assert float(value) == 0.0
    np.testing.assert_array_equal(grad, np.zeros((2, 3)))


def test_bfloat16_logits_are_reduced_in_float32():
    logits = jax.random.normal(jax.random.key(0), (4, 1000)).astype(jnp.bfloat16)
    targets, weights = jnp.arange(4), jnp.ones(4)
    loss = cross_entropy(logits, targets, weights)[0]
    exact = cross_entropy(logits.astype(jnp.float32), targets, weights)[0]
    assert loss.dtype == jnp.float32
    assert float(loss) == float(exact)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The mean over positions: hand values, weights, and nothing to count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.objectives.loss import reciprocal, weighted_sums


def mean(losses, correct, weights):
    sums = weighted_sums(losses, correct, weights)
    return sums["loss"] * reciprocal(sums["weight"]), sums


def test_hand_value():
    losses = -jnp.log(jnp.array([0.2, 0.8]))
    loss, sums = mean(losses, jnp.array([False, True]), jnp.array([1.0, 3.0]))
    expected = -np.log(0.2) - 3 * np.log(0.8)
    assert float(sums["loss"]) == pytest.approx(expected, rel=1e-6)
    assert float(loss) == pytest.approx(expected / 4, rel=1e-6)
    assert float(sums["correct"]) == 3.0
    assert float(sums["weight"]) == 4.0


@pytest.mark.parametrize("ignored", [7.0, np.nan, np.inf])
@pytest.mark.parametrize("correct", [False, True])
def test_a_position_of_weight_zero_adds_nothing_whatever_its_loss(ignored, correct):
    losses, weights = jnp.array([1.5, ignored]), jnp.array([1.0, 0.0])
    with_ignored = mean(losses, jnp.array([True, correct]), weights)
    alone = mean(losses[:1], jnp.array([True]), weights[:1])
    assert jax.tree.map(float, with_ignored) == jax.tree.map(float, alone)
    gradient = jax.grad(lambda losses: mean(losses, jnp.array([True, correct]), weights)[0])(losses)
    assert gradient.tolist() == [1.0, 0.0]


def test_a_nan_that_counts_is_seen():
    assert np.isnan(mean(jnp.array([1.0, jnp.nan]), jnp.array([True, True]), jnp.ones(2))[0])


def test_no_weight_gives_zero_and_zero_gradient():
    def loss(losses):
        return mean(losses, jnp.array([False, False]), jnp.zeros(2))[0]

    value, grad = jax.value_and_grad(loss)(jnp.array([1.0, jnp.nan]))
    assert float(value) == 0.0
    np.testing.assert_array_equal(grad, np.zeros(2))

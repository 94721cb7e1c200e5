# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sums over the positions that count, and what follows from them."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from zoo.objectives.objective import Sums


def weighted_sums(
    losses: Float[Array, "*batch"], correct: Bool[Array, "*batch"], weights: Float[Array, "*batch"]
) -> Sums:
    """The sums `loss`, `correct` and `weight`. A position of weight 0 adds nothing, whatever its loss, NaN included."""
    return {
        "loss": weighted_sum(losses, weights),
        "correct": jnp.sum(correct.astype(jnp.float32) * weights),
        "weight": jnp.sum(weights),
    }


def weighted_sum(values: Float[Array, "*batch"], weights: Float[Array, "*batch"]) -> Float[Array, ""]:
    """The sum of values by weights, in which a value of weight 0 may be NaN."""
    return jnp.sum(jnp.where(weights > 0, values, 0.0) * weights)


def cross_entropy(logits: Float[Array, "*B C"], target: Int[Array, "*B"]) -> Float[Array, "*B"]:
    """The negative log-likelihood of a class, in nats."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), target[..., None], axis=-1).squeeze(-1)


def reciprocal(weight: Float[Array, ""]) -> Float[Array, ""]:
    """`1 / weight`, and 0 for a weight of 0: the mean over nothing is 0."""
    return jnp.where(weight > 0, 1.0 / jnp.where(weight > 0, weight, 1.0), 0.0)


def perplexity(loss: float) -> float:
    """The exponential of a mean loss in nats; infinity where a float64 ends."""
    return math.exp(loss) if loss < 709.0 else math.inf  # math.exp raises above the largest float64

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The mean over the positions that count."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from zoo.objectives.objective import Sums


def weighted_mean(
    losses: Float[Array, "*batch"], correct: Bool[Array, "*batch"], weights: Float[Array, "*batch"]
) -> tuple[Float[Array, ""], Sums]:
    """The mean of the losses, and the sums `loss`, `correct` and `weight`.

    A position of weight 0 adds nothing, whatever its loss, NaN included. No weight at all gives 0, not NaN.
    """
    sums = {
        "loss": jnp.sum(jnp.where(weights > 0, losses, 0.0) * weights),
        "correct": jnp.sum(correct.astype(jnp.float32) * weights),
        "weight": jnp.sum(weights),
    }
    return sums["loss"] * reciprocal(sums["weight"]), sums


def reciprocal(weight: Float[Array, ""]) -> Float[Array, ""]:
    """`1 / weight`, and 0 for a weight of 0: the mean over nothing is 0."""
    return jnp.where(weight > 0, 1.0 / jnp.where(weight > 0, weight, 1.0), 0.0)

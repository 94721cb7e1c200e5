# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Cross entropy over the positions that count."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from zoo.tasks.task import Sums


def cross_entropy(
    logits: Float[Array, "*batch V"], targets: Int[Array, "*batch"], weights: Float[Array, "*batch"]
) -> tuple[Float[Array, ""], Sums]:
    """Weighted softmax cross entropy in float32: its mean, and the sums `loss`, `correct` and `weight`.

    A position of weight 0 adds nothing, whatever its target says. No weight at all gives 0, not NaN.
    """
    counted = weights > 0
    losses = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), targets)
    correct = (jnp.argmax(logits, axis=-1) == targets).astype(jnp.float32)
    sums = {
        "loss": jnp.sum(jnp.where(counted, losses, 0.0) * weights),
        "correct": jnp.sum(correct * weights),
        "weight": jnp.sum(weights),
    }
    return sums["loss"] * reciprocal(sums["weight"]), sums


def reciprocal(weight: Float[Array, ""]) -> Float[Array, ""]:
    """`1 / weight`, and 0 for a weight of 0: the mean over nothing is 0."""
    return jnp.where(weight > 0, 1.0 / jnp.where(weight > 0, weight, 1.0), 0.0)

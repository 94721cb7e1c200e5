# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sums over the positions that count, and what follows from them."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from zoo.errors import ConfigError
from zoo.nn.inputs import LossOptions
from zoo.objectives.objective import Sums

TOKEN_SUMS = ("loss", "weight", "correct", "nll")


def weighted_sums(
    losses: Float[Array, "*batch"], correct: Bool[Array, "*batch"], weights: Float[Array, "*batch"]
) -> Sums:
    """The sums `loss`, `correct` and `weight`. A position of weight 0 adds nothing, whatever its loss, NaN included."""
    return {
        "loss": weighted_sum(losses, weights),
        "correct": jnp.sum(correct.astype(jnp.float32) * weights),
        "weight": jnp.sum(weights),
    }


def token_sums(out: Any, targets: Int[Array, "B M"], weights: Float[Array, "B M"]) -> Sums:
    """`TOKEN_SUMS` of a model that was given targets; `nll` is without what `LossOptions` add to the loss."""
    return weighted_sums(out.losses, out.predicted == targets, weights) | {"nll": weighted_sum(out.nll, weights)}


def mean_nll(sums: Mapping[str, Any]) -> float:
    """The mean negative log-likelihood, in nats, of `TOKEN_SUMS`."""
    return float(sums["nll"]) / (float(sums["weight"]) or 1.0)


def loss_options(z_loss: float, label_smoothing: float = 0.0) -> LossOptions:
    """What an objective's fields ask of the loss of a token.

    Raises:
      ConfigError: a factor below 0, or a fraction that is not below 1.
    """
    if not 0.0 <= z_loss < math.inf:
        raise ConfigError(f"objective.z_loss must be 0 (none) or more, such as 1e-4; found {z_loss}.")
    if not 0.0 <= label_smoothing < 1.0:
        raise ConfigError(
            f"objective.label_smoothing must be at least 0 and below 1, such as 0.1; found {label_smoothing}."
        )
    return LossOptions(label_smoothing=label_smoothing, z_loss=z_loss)


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

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""An exponential moving average of the parameters, which evaluations and the exported model then use.

It is the mean of the parameters after each step, that of a step `decay` times that of the one after: unlike an average
that starts at the initial parameters it holds nothing of these, however short the run. It is part of the optimizer's
state, so that a checkpoint holds it, and a step whose gradient is not finite leaves it as it was.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int


class AverageState(NamedTuple):
    """Attributes: count: steps averaged. averaged_params: float32, of the names of the parameters."""

    count: Int[Array, ""]
    averaged_params: Any


def average_parameters(decay: float) -> optax.GradientTransformation:
    """Averages the parameters that its updates lead to; the last of a chain, and leaves updates as they are."""

    def init(params):
        # Copies, since a step donates parameters and state, which may not be the same buffers.
        return AverageState(jnp.int32(0), jax.tree.map(lambda x: jnp.array(x, jnp.float32, copy=True), params))

    def update(updates, state, params: Any = None):
        count = state.count + 1
        # The weight of the newest parameters among decay ** 0, ..., decay ** (count - 1).
        share = (1 - decay) / -jnp.expm1(count.astype(jnp.float32) * math.log(decay))

        def move(average, param):
            return average + share * (param.astype(jnp.float32) - average)

        after = optax.apply_updates(params, updates)
        return updates, AverageState(count, jax.tree.map(move, state.averaged_params, after))

    return optax.GradientTransformation(init, update)

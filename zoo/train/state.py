# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Everything that a training step reads and writes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, UInt32


class TrainState(NamedTuple):
    """A pytree that the step donates and returns.

    Attributes:
      step: steps done, skipped ones included; the data has moved on by as many batches.
      skipped: steps whose gradient was not finite.
      params: nested dict of the arrays that train, by the module's attribute names.
      frozen: nested dict of those that stay as they are.
      opt_state: the optimizer's, of the names of `params`.
      key: data of the run's PRNG key; never changes, a step folds its own number in.
      carry: what the objective hands from batch to batch (`Objective.carry`), [B, ...] each.
    """

    step: Int[Array, ""]
    skipped: Int[Array, ""]
    params: Any
    frozen: Any
    opt_state: Any
    key: UInt32[Array, "..."]
    carry: Any

    @classmethod
    def create(
        cls,
        params: Any,
        frozen: Any,
        optimizer: optax.GradientTransformation,
        seed: int,
        carry: Mapping[str, Array] | None = None,
    ) -> "TrainState":
        """The state before the first step."""
        key = jax.random.key_data(jax.random.key(seed))
        return cls(jnp.int32(0), jnp.int32(0), params, frozen, optimizer.init(params), key, dict(carry or {}))

    @property
    def averaged(self) -> "TrainState":
        """The state with the averaged parameters, in the parameters' dtypes; itself if none are averaged."""
        average = optax.tree.get(self.opt_state, "averaged_params")
        if average is None:
            return self
        return self._replace(params=jax.tree.map(lambda mean, param: mean.astype(param.dtype), average, self.params))

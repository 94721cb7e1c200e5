# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The sharding constraint of an activation, and the name by which a remat policy finds it."""

from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from zoo.kernels import partition


def constrain(x: Float[Array, "..."], name: str, letters: str) -> Float[Array, "..."]:
    """`x` itself; `letters` are those of its axes in `zoo.kernels.partition`, and `D` and others are whole."""
    return checkpoint_name(partition.constrain(x, letters), name)

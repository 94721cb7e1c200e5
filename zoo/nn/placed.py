# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a layer computes on the way: how it lies on the mesh, and under which name a remat policy finds it."""

from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from zoo.kernels.partition import constrain


def placed(x: Float[Array, "..."], name: str, letters: str) -> Float[Array, "..."]:
    """`x` itself. `letters` are those of its axes, see `zoo.kernels.partition`; `D` and others are whole."""
    return checkpoint_name(constrain(x, letters), name)

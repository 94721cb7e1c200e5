# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A model's parameters by their dotted paths, as the weight tables name them."""

from flax import nnx


def parameters(state: nnx.State) -> dict[str, nnx.Variable]:
    """Path, such as `stack.blocks.mlp.up.kernel` -> parameter."""
    return {dotted(path): param for path, param in nnx.to_flat_state(state)}


def dotted(path: tuple) -> str:
    """The path as one string."""
    return ".".join(map(str, path))

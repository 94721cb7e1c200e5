# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Small models and the folders that they are saved to, for the tests of loading, saving and bad configs."""

import json

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import load_file, save_file

from zoo.models import registry

SIZES = dict(vocab_size=24, width=16, num_layers=2, num_heads=4, mlp_width=32, max_length=8)


def make(family: str, head: str | None = None, **changes):
    """A model with random parameters, drawn by numpy, which compiles nothing."""
    rng = np.random.default_rng(3)
    kind = registry.FAMILIES[family]
    config = kind.suit(next(iter(kind.sizes.values())).replace(**(SIZES | changes)), head)
    graphdef, state = nnx.split(kind.abstract(config, head=head))
    values = jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape), leaf.dtype), state)
    return nnx.merge(graphdef, values)


def edit(folder, change) -> None:
    """Rewrites the tensors of a folder."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(dict(tensors)), folder / "model.safetensors")


def edit_config(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    kept = {key: value for key, value in (config | changes).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(kept))


def assert_same(ours, theirs) -> None:
    jax.tree.map(np.testing.assert_array_equal, nnx.to_pure_dict(nnx.state(ours)), nnx.to_pure_dict(nnx.state(theirs)))

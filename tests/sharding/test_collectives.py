# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The collectives of a train step are those of theory, by kind, mesh axes and bytes; and its state is donated.

On a CPU, gradients that a TPU would reduce-scatter are all-reduced and then sliced, and those of a layer's input
by its queries, keys and values are summed each by itself.
"""

import collections
import dataclasses
import math

import jax
import jax.numpy as jnp
import pytest

from tests.aot.configs import tiny
from zoo.aot import Target
from zoo.cost import walk
from zoo.sharding.rules import PRESETS

BATCH, LENGTH, LAYERS, WIDTH, INNER, VOCAB = 16, 64, 3, 64, 256, 512
FLOAT = 4  # bytes
MESHES = {
    "dp": "data:8",
    "fsdp": "fsdp:8",
    "tp": "data:2,tensor:4",
    "fsdp_tp": "data:2,fsdp:2,tensor:2",
    "fsdp_cp": "data:2,fsdp:2,context:2",
}
SIZES = dict(name="gpt2", width=WIDTH, num_layers=LAYERS, num_heads=4, mlp_width=INNER, max_length=LENGTH)


def target(preset: str) -> Target:
    config = tiny(model=SIZES, batch_size=BATCH, mesh=MESHES[preset], rules=preset)
    return Target.create(dataclasses.replace(config, data=dataclasses.replace(config.data, seq_len=LENGTH)), "cpu:8")


def expected(found: Target) -> dict[tuple[str, tuple[str, ...]], float]:
    """Bytes of each kind and axes: outputs of an all-gather, inputs of others."""
    mesh, rules = dict(found.learner.mesh.shape), PRESETS[found.spec.config.rules]
    split, tensor = math.prod(mesh[axis] for axis in rules["embed"]), mesh["tensor"]
    tokens = BATCH * LENGTH // (mesh["data"] * mesh["fsdp"] * mesh["context"])
    vectors = tokens * WIDTH * FLOAT
    layers = LAYERS * (4 * WIDTH**2 + 2 * WIDTH * INNER) * FLOAT // tensor
    table, positions = VOCAB * WIDTH * FLOAT // tensor, LENGTH * WIDTH * FLOAT
    biases = LAYERS * (3 * WIDTH + INNER) * FLOAT // tensor
    short = biases + (LAYERS * 6 + 2) * WIDTH * FLOAT
    bytes_of: dict[tuple[str, tuple[str, ...]], float] = collections.defaultdict(float)

    def reduce(size: float, *axes: str) -> None:
        over = tuple(axis for axis in axes if mesh[axis] > 1)
        if over:
            bytes_of["all-reduce", over] += size

    if split > 1:
        bytes_of["all-gather", tuple(axis for axis in rules["embed"] if mesh[axis] > 1)] += layers + table + positions
        reduce(layers + table, *rules["embed"])
        reduce((layers + table) / split, "data")
        reduce(short + table + positions, "data", "fsdp")
        reduce(short + table + positions, "context")
    else:
        reduce(layers + 2 * table + positions + short, "data")
    if tensor > 1:  # a sum behind attention and network, one for each product before; the lookup and the loss
        reduce((6 * LAYERS + 2) * vectors, "tensor")
    if mesh["context"] > 1:  # keys and values, and their gradients
        bytes_of["all-gather", ("context",)] += 2 * LAYERS * vectors * mesh["context"]
        reduce(2 * LAYERS * vectors * mesh["context"], "context")
    return bytes_of


@pytest.mark.parametrize("preset", PRESETS)
def test_the_collectives_of_a_step(preset):
    at = target(preset)
    step = at.lower("train").compile()
    mesh = at.learner.mesh.shape
    found: dict[tuple[str, tuple[str, ...]], float] = collections.defaultdict(float)
    for times, _, one in walk.walk(step.as_text()).collectives():
        size = one.result_bytes if one.kind == "all-gather" else one.operand_bytes
        found[one.kind, one.axes(mesh)] += times * size
    wanted = expected(at)
    for key in wanted.keys() | found.keys():
        assert found[key] == pytest.approx(wanted.get(key, 0.0), rel=0.05, abs=0.01 * sum(wanted.values())), key
    state = sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * jnp.dtype(leaf.dtype).itemsize
        for leaf in jax.tree.leaves(at.learner.abstract)
    )
    assert step.memory_analysis().alias_size_in_bytes == state

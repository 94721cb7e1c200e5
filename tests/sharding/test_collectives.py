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

from tests.aot.configs import CONFIGS, tiny
from zoo.aot import Target
from zoo.aot.estimate import SizeModel
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


def sent(at: Target, step: jax.stages.Compiled) -> dict[tuple[str, tuple[str, ...]], float]:
    """Bytes of each kind and axes, as of `expected`."""
    found: dict[tuple[str, tuple[str, ...]], float] = collections.defaultdict(float)
    for times, _, one in walk.walk(step.as_text() or "").collectives():
        size = one.result_bytes if one.kind == "all-gather" else one.operand_bytes
        found[one.kind, one.axes(at.learner.mesh.shape)] += times * size
    return found


def compare(found, wanted) -> None:
    for key in wanted.keys() | found.keys():
        whole = sum(wanted.values())
        assert found.get(key, 0.0) == pytest.approx(wanted.get(key, 0.0), rel=0.05, abs=0.01 * whole), key


@pytest.mark.parametrize("preset", PRESETS)
def test_the_collectives_of_a_step(preset):
    at = target(preset)
    step = at.lower("train").compile()
    compare(sent(at, step), expected(at))
    state = sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * jnp.dtype(leaf.dtype).itemsize
        for leaf in jax.tree.leaves(at.learner.abstract)
    )
    assert step.memory_analysis().alias_size_in_bytes == state


def of_objective(name: str, preset: str) -> Target:
    config = tiny(name, mesh={"fsdp": "fsdp:8", "tp": "data:2,tensor:4"}[preset], rules=preset)
    if name == "rtd" and preset == "tp":  # a generator of its own has too few heads
        config = dataclasses.replace(config, objective=dataclasses.replace(config.objective, sharing="all"))
    return Target.create(config, "cpu:8")


def expected_of(at: Target, name: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """As of `expected`: each parameter is gathered once; its gradient is summed once for each place that uses it."""
    spec, mesh, heads = at.spec, dict(at.learner.mesh.shape), 4
    leaves, layers, rules = SizeModel.of(spec).leaves, spec.model.num_layers, spec.config.rules
    lengths = [*spec.objective.sequence_lengths.values()]
    source, target = lengths[0], lengths[-1]
    whole = FLOAT * sum(math.prod(leaf.shape) for leaf in leaves)
    layer = FLOAT * sum(math.prod(leaf.shape) for leaf in leaves if "layers" in leaf.axes) // spec.model.layers_stored
    again = VOCAB * WIDTH * FLOAT  # the table, as one and as a product
    if name == "mlm_sop":
        again += (layers - 1) * layer
    if name == "rtd":
        again += VOCAB * WIDTH * FLOAT + (64 * WIDTH * FLOAT if rules == "fsdp" else layers * layer)
    if name in ("seq2seq", "span_corruption"):
        again += VOCAB * WIDTH * FLOAT
    if name == "span_corruption":  # the bias of all layers is summed in each
        again += layers * heads * (source**2 + target**2) * FLOAT
    kept = source + getattr(spec.objective, "mem_len", 0)
    if name == "plm":  # all but keys and values is in both streams, and so are the distances, before their product
        again += layers * (2 * WIDTH**2 + 2 * WIDTH * 128 + (2 * (kept + source) - WIDTH) * WIDTH) * FLOAT
    if rules == "fsdp":
        gathered = FLOAT * sum(math.prod(leaf.shape) for leaf in leaves if "embed" in leaf.axes)
        return {("all-gather", ("fsdp",)): gathered, ("all-reduce", ("fsdp",)): whole + again}
    predicted = spec.objective.predictions or target
    passes = 2 if name == "rtd" else 1
    tokens = passes * (6 * layers + 1) * source + predicted
    if name in ("seq2seq", "span_corruption"):  # of the decoder, and the encoder's keys and values
        tokens += layers * (8 * target + 2 * source) + target
    if name == "plm":
        tokens += layers * (2 * (kept - source) + 4 * predicted)
    parts = FLOAT * sum(math.prod(leaf.part(rules, mesh)) for leaf in leaves)
    rows = spec.config.batch_size // mesh["data"]
    vectors = rows * tokens * WIDTH * FLOAT
    return {("all-reduce", ("tensor",)): vectors, ("all-reduce", ("data",)): parts + again / mesh["tensor"]}


QUICK = [("plm", "fsdp"), ("seq2seq", "tp")]
EVERY = [
    pytest.param(name, preset, marks=() if (name, preset) in QUICK else pytest.mark.slow)
    for name in CONFIGS
    for preset in ("fsdp", "tp")
]


@pytest.mark.parametrize(("name", "preset"), EVERY)
def test_the_collectives_of_an_objective(name, preset):
    """No activation of one device's rows goes to another, say."""
    at = of_objective(name, preset)
    compare(sent(at, at.lower("train").compile()), expected_of(at, name))

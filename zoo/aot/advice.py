# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What to change when a program does not fit the memory."""

import math
import re
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp

from zoo.aot import topology
from zoo.sharding.memory import device_bytes
from zoo.sharding.rules import ways
from zoo.train.learner import Learner
from zoo.train.run_spec import RunSpec

# libtpu's two messages about a program that is too large.
_OVERFLOWS = (
    re.compile(r"Used ([\d.]+)([KMGT]?) of ([\d.]+)([KMGT]?) hbm"),
    re.compile(r"\(([\d.]+)([KMGT]?)\) exceeds available HBM \(([\d.]+)([KMGT]?)\)"),
)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_GIB = 2**30


def overflowing(message: str) -> tuple[int, int] | None:
    """Bytes needed and allowed, if a compiler's message is about too little main memory."""
    for form in _OVERFLOWS:
        if found := form.search(message):
            return round(float(found[1]) * _UNITS[found[2]]), round(float(found[3]) * _UNITS[found[4]])
    return None


def advise(spec: RunSpec, learner: Learner, topology_name: str, step: str, needed: int, allowed: int) -> Iterator[str]:
    """Changes that make a program smaller, the cheapest first; sizes are estimates for one device.

    What is not training state is assumed to shrink with the sequences of a device.
    """
    config, model, mesh = spec.config, spec.model, learner.mesh
    micro_batches = 1 if step == "eval" else config.grad_accum_steps  # an evaluation takes the whole batch
    sequences = config.batch_size // micro_batches // ways(mesh.shape, config.rules, "batch")
    params = state_bytes(learner, only="params")
    state, gradients = (state_bytes(learner), params) if step == "train" else (params, 0)
    if step == "train" and model.execution.remat != "full":
        saved = (
            model.num_layers * sequences * config.data.seq_len * model.width * jnp.dtype(model.execution.dtype).itemsize
        )
        yield f"model.remat=full: only the input of each layer is saved, {_gib(saved)} in all; the rest is recomputed"
    if fewer := _fewer_sequences(sequences, state, gradients, needed, allowed, config.grad_accum_steps):
        factor, change = fewer
        times, whole = config.grad_accum_steps * factor, config.batch_size // factor
        yield f"batch_size={whole}: {change}" if step == "eval" else f"grad_accum_steps={times}: {change}"
    others = mesh.shape["data"] * (1 if "fsdp" in config.rules else mesh.shape["fsdp"])
    if others > 1 and not ("fsdp" in config.rules and mesh.shape["fsdp"] > 1):
        spread = config.rules if "fsdp" in config.rules else "fsdp_tp" if config.rules == "tp" else "fsdp"
        yield (
            f"rules={spread} with mesh={_spread(mesh.shape)}: the state of {_gib(state)} is sharded "
            f"up to {others} ways, to {_gib(state // others)}"
        )
    kind = topology_name.partition(":")[0]
    if kind != "cpu":
        wanted = math.ceil(topology.chips(topology_name) * needed / allowed)
        larger = [name for name in topology.nearest(f"{kind}:{wanted}", 99) if topology.chips(name) >= wanted]
        such = f", such as {min(larger, key=topology.chips)}" if larger else ""
        yield f"more chips: about {needed / allowed:.1f} times as many{such}"


def _fewer_sequences(
    sequences: int, state: int, gradients: int, needed: int, allowed: int, grad_accum_steps: int
) -> tuple[int, str] | None:
    """The smallest factor by which fewer sequences at a time fit, or else the greatest; None for a single sequence.

    From two micro-batches on, the sums of gradients are held as well as the gradients.
    """
    held = state + gradients
    whole = held + (gradients if grad_accum_steps == 1 else 0)
    sizes = {
        factor: whole + max(needed - held, 0) / factor for factor in range(2, sequences + 1) if sequences % factor == 0
    }
    if not sizes:
        return None
    factor = next((factor for factor, size in sizes.items() if size <= allowed), sequences)
    enough = "" if sizes[factor] <= allowed else ", which is not enough on its own"
    return factor, f"{sequences // factor} of {sequences} sequences at a time, about {_gib(sizes[factor])}{enough}"


def state_bytes(learner: Learner, only: str | None = None) -> int:
    """Bytes of one device's shard of the training state, or of one of its fields."""
    state = learner.abstract if only is None else getattr(learner.abstract, only)
    return sum(map(device_bytes, jax.tree.leaves(state)))


def _spread(mesh: Mapping[str, int]) -> str:
    """The mesh with its batch axes joined in fsdp."""
    sizes = {**mesh, "data": 1, "fsdp": mesh["data"] * mesh["fsdp"]}
    return ",".join(f"{axis}:{size}" for axis, size in sizes.items() if size > 1)


def _gib(size: float | int) -> str:
    return f"{size / _GIB:.2f} GiB"

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Memory per device of a training state on a mesh, by groups of parameters; the devices need not exist."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

_REST = "counters and keys"


class Held(NamedTuple):
    """One group: its number of parameters, and the bytes on one device of these and of their optimizer state."""

    parameters: int
    param_bytes: int
    optimizer_bytes: int


def memory_per_device(params: Any, opt_state: Any) -> dict[str, Held]:
    """What one device holds of each group of parameters, such as `embed` or `stack.mlp`.

    Args:
      params: a nested dict of arrays, or of shapes with shardings. opt_state: the optimizer's, with moments of the same
        names.
    """
    found: dict[str, Held] = {}
    for path, leaf in jax.tree.leaves_with_path(params):
        _add(found, _group(path), Held(leaf.size, device_bytes(leaf), 0))
    for path, leaf in jax.tree.leaves_with_path(opt_state):
        _add(found, _group(path), Held(0, 0, device_bytes(leaf)))
    return found


def describe(found: Mapping[str, Held], mesh: Mesh, rules: str) -> str:
    """A table for people, in MiB of one device."""
    axes = ",".join(f"{axis}:{size}" for axis, size in mesh.shape.items() if size > 1) or "alone"
    total = Held(*(sum(column) for column in zip(*found.values(), strict=True)))
    lines = [
        f"{total.parameters:,} parameters on {mesh.size} {mesh.devices.flat[0].platform} devices ({axes}), rules "
        f"{rules}; MiB of each device:",
        f"  {'':<22}{'parameters':>12}{'optimizer':>12}",
    ]
    for name, held in [*sorted(found.items(), key=lambda item: -item[1].optimizer_bytes), ("in all", total)]:
        lines.append(f"  {name:<22}{held.param_bytes / 2**20:>12,.1f}{held.optimizer_bytes / 2**20:>12,.1f}")
    return "\n".join(lines)


def _group(path: tuple[Any, ...]) -> str:
    """The first two modules on the way to a parameter; which layer it is in does not matter."""
    names = [str(key.key) for key in path if isinstance(key, jax.tree_util.DictKey)]
    return ".".join([name for name in names[:-1] if name != "blocks"][:2]) or _REST


def _add(found: dict[str, Held], group: str, held: Held) -> None:
    before = found.get(group, Held(0, 0, 0))
    found[group] = Held(*(a + b for a, b in zip(before, held, strict=True)))


def device_bytes(leaf: Any) -> int:
    """What one device holds of an array, or of a shape with a sharding; all of it where there is none."""
    shape = leaf.shape if leaf.sharding is None else leaf.sharding.shard_shape(leaf.shape)
    return math.prod(shape) * leaf.dtype.itemsize

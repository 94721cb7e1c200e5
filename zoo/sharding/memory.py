# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Memory per device of a training state on a mesh, by groups of parameters; the devices need not be present."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

_REST = "counters and keys"


class GroupMemory(NamedTuple):
    """One group: its number of parameters, and the bytes on one device of these and of their optimizer state."""

    parameters: int
    param_bytes: int
    optimizer_bytes: int


def memory_per_device(params: Any, opt_state: Any) -> dict[str, GroupMemory]:
    """The memory of each group of parameters, such as `embed` or `stack.mlp`, on one device.

    Args:
      params: a nested dict of arrays, or of shapes with shardings. opt_state: the optimizer's, with moments of the same
        names.
    """
    found: dict[str, GroupMemory] = {}
    for path, leaf in jax.tree.leaves_with_path(params):
        _add(found, _group(path), GroupMemory(leaf.size, device_bytes(leaf), 0))
    for path, leaf in jax.tree.leaves_with_path(opt_state):
        _add(found, _group(path), GroupMemory(0, 0, device_bytes(leaf)))
    return found


def describe(found: Mapping[str, GroupMemory], mesh: Mesh, rules: str) -> str:
    """The table as text, in MiB per device."""
    axes = ",".join(f"{axis}:{size}" for axis, size in mesh.shape.items() if size > 1) or "one device"
    total = GroupMemory(*(sum(column) for column in zip(*found.values(), strict=True)))
    lines = [
        f"{total.parameters:,} parameters on {mesh.size} {mesh.devices.flat[0].platform} devices ({axes}), rules "
        f"{rules}; MiB per device:",
        f"  {'':<22}{'parameters':>12}{'optimizer':>12}",
    ]
    for name, held in [*sorted(found.items(), key=lambda item: -item[1].optimizer_bytes), ("total", total)]:
        lines.append(f"  {name:<22}{held.param_bytes / 2**20:>12,.1f}{held.optimizer_bytes / 2**20:>12,.1f}")
    return "\n".join(lines)


def _group(path: tuple[Any, ...]) -> str:
    """The first two modules on the path to a parameter, without the layer."""
    names = [str(key.key) for key in path if isinstance(key, jax.tree_util.DictKey)]
    return ".".join([name for name in names[:-1] if name != "blocks"][:2]) or _REST


def _add(found: dict[str, GroupMemory], group: str, held: GroupMemory) -> None:
    before = found.get(group, GroupMemory(0, 0, 0))
    found[group] = GroupMemory(*(a + b for a, b in zip(before, held, strict=True)))


def device_bytes(leaf: Any) -> int:
    """Bytes of an array, or of a shape with a sharding, on one device; of all of it if it has no sharding."""
    shape = leaf.shape if leaf.sharding is None else leaf.sharding.shard_shape(leaf.shape)
    return math.prod(shape) * leaf.dtype.itemsize

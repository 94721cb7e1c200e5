# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The table from logical axes, which modules name, to mesh axes, which only this file knows."""

import contextlib
import math
from collections.abc import Iterator, Mapping

import jax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from zoo.errors import ConfigError
from zoo.kernels import partition
from zoo.kernels.partition import Axes, Partition

# Every logical axis has an entry in every preset: () means that it is replicated, on purpose. `batch` and `length` are
# axes of activations, which also have the `heads`, `mlp` and `vocab` of the parameters that produce them.
_REPLICATED: dict[str, Axes] = {
    "batch": ("data", "fsdp"),
    "length": (),
    "embed": (),
    "width": (),  # of vectors, such as a norm's: too short to be worth gathering
    "mlp": (),
    "heads": (),
    "kv": (),
    "vocab": (),
    "layers": (),
    "positions": (),
    "types": (),
    "buckets": (),
    "classes": (),
    "features": (),
}
_LANES = 128  # a vocabulary padded to a multiple of it fills a TPU's lanes
_TENSOR: dict[str, Axes] = {"mlp": ("tensor",), "heads": ("tensor",), "vocab": ("tensor",)}
PRESETS: dict[str, dict[str, Axes]] = {
    "dp": _REPLICATED,
    "fsdp": _REPLICATED | {"embed": ("fsdp",)},
    "tp": _REPLICATED | _TENSOR,
    "fsdp_tp": _REPLICATED | _TENSOR | {"embed": ("fsdp",)},
    "fsdp_cp": _REPLICATED | {"embed": ("fsdp", "context"), "length": ("context",)},
}


def preset(rules: str) -> dict[str, Axes]:
    """The table of a preset; an unknown name is a ConfigError."""
    if rules not in PRESETS:
        raise ConfigError(f"No sharding preset {rules!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[rules]


def check_axes(sizes: Mapping[str, int], rules: str) -> None:
    """ConfigError for a mesh axis, by size, that no rule of the preset uses: its devices would all do the same work."""
    used = {axis for axes in preset(rules).values() for axis in axes}
    for axis, size in sizes.items():
        if size > 1 and axis not in used:
            able = [name for name, table in PRESETS.items() if any(axis in axes for axes in table.values())]
            other = f"Set rules to {' or '.join(able)}, or give" if able else "No preset uses it; give"
            raise ConfigError(
                f"The mesh has {axis}:{size}, which the sharding preset {rules!r} does not use: {size} devices would "
                f"do the same work. {other} these devices to the data axis."
            )


def ways(mesh: Mapping[str, int], rules: str, axis: str) -> int:
    """How many devices a preset shards a logical axis over, on a mesh of these sizes."""
    return math.prod(mesh.get(name, 1) for name in preset(rules)[axis])


def part(axes: tuple[str, ...], shape: tuple[int, ...], mesh: Mapping[str, int], rules: str) -> tuple[int, ...]:
    """The shape of one device's shard of a parameter, on a mesh of these sizes.

    Raises:
      ConfigError: a logical axis without a rule, or a dimension that is not divisible by its mesh axes.
    """
    missing = [axis for axis in axes if axis not in preset(rules)]
    if missing:
        raise ConfigError(f"No rule for the logical axis {missing[0]!r} of a parameter {axes}; add it to PRESETS.")
    for axis, size in zip(axes, shape, strict=True):
        count = ways(mesh, rules, axis)
        if size % count:
            fits, multiple = math.gcd(size, count), math.lcm(_LANES, count)
            padded = f", or {axis} = {-(-size // multiple) * multiple}" if axis == "vocab" else ""
            raise ConfigError(
                f"A parameter {axes} of shape {shape}: {axis!r} = {size} is not divisible by the mesh's "
                f"{' x '.join(preset(rules)[axis])} = {count}; {fits} would{padded}. Change the mesh, or the preset "
                f"{rules!r}."
            )
    return tuple(size // ways(mesh, rules, axis) for axis, size in zip(axes, shape, strict=True))


def param_sharding(axes: tuple[str, ...], shape: tuple[int, ...], mesh: Mesh, rules: str) -> NamedSharding:
    """The sharding of one parameter; raises the errors of `part`."""
    part(axes, shape, mesh.shape, rules)
    return NamedSharding(mesh, PartitionSpec(*(_of(mesh, preset(rules)[axis]) or None for axis in axes)))


def shardings(params: nnx.State, mesh: Mesh, rules: str) -> nnx.State:
    """The tree of `params` with a sharding in place of each value; shapes are enough.

    Raises:
      ConfigError: a parameter that the rules cannot shard, or a mesh axis that they leave idle.
    """
    check_axes(mesh.shape, rules)

    def of(param):
        return param.replace(param_sharding(param.get_metadata()["axes"], param.shape, mesh, rules))

    return jax.tree.map(of, params, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))


@contextlib.contextmanager
def partitioned(mesh: Mesh, rules: str) -> Iterator[None]:
    """Sets the mesh of what is traced inside, and the sharding constraints of its activations.

    Kernels that the compiler cannot partition are then run under `shard_map`; without it, a program for several devices
    does not use them. Enter it inside the jitted function, since JAX caches traces without regard to it, and around
    `jax.grad`, whose backward pass is traced when it is called.
    """
    table = preset(rules)
    axes = Partition(
        batch=table["batch"],
        length=table["length"],
        heads=table["heads"],
        mlp=table["mlp"],
        vocab=table["vocab"],
        embed=table["embed"],
    )
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh), partition.use(axes):
        yield


def replicated(mesh: Mesh) -> NamedSharding:
    """Replicated on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The rows of a batch are sharded over the `data` and `fsdp` axes."""
    return NamedSharding(mesh, PartitionSpec(_of(mesh, _REPLICATED["batch"]) or None))


def _of(mesh: Mesh, axes: Axes) -> Axes:
    """Those that the mesh has; one that is not made by `make_mesh` may lack some."""
    return tuple(axis for axis in axes if axis in mesh.shape)

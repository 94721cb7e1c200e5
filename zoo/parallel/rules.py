# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one table from logical axes, which modules name, to mesh axes, which only this file knows."""

import contextlib
from collections.abc import Iterator

import jax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from zoo.errors import ConfigError
from zoo.kernels import partition
from zoo.kernels.partition import Partition

# Every logical axis has a row in every preset: None says that it is whole on each device, on purpose.
_WHOLE: dict[str, str | None] = dict.fromkeys(
    ("embed", "mlp", "heads", "kv", "vocab", "layers", "length", "types", "buckets", "classes", "features"), None
)
PRESETS: dict[str, dict[str, str | None]] = {
    "dp": _WHOLE,
    "fsdp": _WHOLE | {"embed": "fsdp"},
    "tp": _WHOLE | {"mlp": "tensor", "heads": "tensor", "vocab": "tensor"},
    "fsdp_tp": _WHOLE | {"embed": "fsdp", "mlp": "tensor", "heads": "tensor", "vocab": "tensor"},
}

_BATCH_AXES = ("data", "fsdp")


def preset(rules: str) -> dict[str, str | None]:
    """The table of a preset; an unknown name is a ConfigError."""
    if rules not in PRESETS:
        raise ConfigError(f"No sharding preset {rules!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[rules]


def param_sharding(axes: tuple[str, ...], shape: tuple[int, ...], mesh: Mesh, rules: str) -> NamedSharding:
    """Where one parameter lies.

    Raises:
      ConfigError: a logical axis without a rule, or a dimension that the mesh axis does not divide.
    """
    table = preset(rules)
    missing = [axis for axis in axes if axis not in table]
    if missing:
        raise ConfigError(f"No rule for the logical axis {missing[0]!r} of a parameter {axes}; add it to PRESETS.")
    spec = tuple(table[axis] for axis in axes)
    for axis, size, mesh_axis in zip(axes, shape, spec, strict=True):
        if mesh_axis is not None and size % mesh.shape[mesh_axis]:
            raise ConfigError(
                f"A parameter {axes} of shape {shape}: {axis!r} = {size} does not divide by the mesh axis "
                f"{mesh_axis!r} = {mesh.shape[mesh_axis]}. Change the mesh or the preset {rules!r}."
            )
    return NamedSharding(mesh, PartitionSpec(*spec))


def shardings(params: nnx.State, mesh: Mesh, rules: str) -> nnx.State:
    """The tree of `params` with a sharding in place of each value; shapes are enough."""

    def place(param):
        return param.replace(param_sharding(param.get_metadata()["axes"], param.shape, mesh, rules))

    return jax.tree.map(place, params, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))


@contextlib.contextmanager
def partitioned(mesh: Mesh, rules: str) -> Iterator[None]:
    """Tells what is traced inside which devices it is for, and how batches, heads and the vocabulary lie on them.

    Kernels that the compiler cannot split are chosen and run by it; without it, a program for several devices does
    without them.
    """
    heads, vocab = (() if axis is None else (axis,) for axis in (preset(rules)[name] for name in ("heads", "vocab")))
    axes = Partition(batch=_BATCH_AXES, heads=heads, vocab=vocab)
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh), partition.use(axes):
        yield


def replicated(mesh: Mesh) -> NamedSharding:
    """Whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Rows of a batch are spread over the `data` and `fsdp` axes."""
    return NamedSharding(mesh, PartitionSpec(_BATCH_AXES))

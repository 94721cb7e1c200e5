# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How rows and heads lie on a mesh, for kernels that the compiler cannot split by itself.

`zoo.parallel.rules.partitioned` says it while a program is traced. Mosaic kernels then run under `jax.shard_map`.
"""

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
from jax.sharding import AxisType, PartitionSpec

Axes = tuple[str, ...]


class Partition(NamedTuple):
    """The mesh axes over which rows of a batch, and heads, are spread."""

    batch: Axes
    heads: Axes


_UNKNOWN = "A kernel must be told how arrays lie on the devices. Trace in zoo.parallel.rules.partitioned(mesh, rules)."
_current: contextvars.ContextVar[Partition | None] = contextvars.ContextVar("partition", default=None)


@contextlib.contextmanager
def use(partition: Partition) -> Iterator[None]:
    """Says it for what is traced inside; the mesh is the one in context."""
    token = _current.set(partition)
    try:
        yield
    finally:
        _current.reset(token)


def lacks(rows: int, heads: int) -> str | None:
    """Why a kernel cannot run on the devices of the program, or None if it can."""
    sizes = _free_axes()
    if sizes is None:
        if jax.device_count() == 1:
            return None
        return _UNKNOWN
    if not sizes:
        return None
    partition = _current.get()
    if partition is None:
        return _UNKNOWN
    for name, size, axes in (("rows", rows, partition.batch), ("heads", heads, partition.heads)):
        ways = math.prod(sizes.get(axis, 1) for axis in axes)
        if size % ways:
            return f"{size} {name} do not divide by the {ways} devices over which the mesh spreads them."
    return None


def run(kernel: Callable[..., Any], arrays: Mapping[str, Any], dims: Mapping[str, str], out: str) -> Any:
    """`kernel(arrays)` on every device's own part.

    Args:
      dims: of each array, what its axes are: `B` rows, `N` heads, anything else whole; an axis of size 1 is shared.
      out: the same of the result.
    """
    sizes, partition = _free_axes(), _current.get()
    if not sizes or partition is None:
        return kernel(arrays)
    spread = {"B": _present(partition.batch, sizes), "N": _present(partition.heads, sizes)}

    def spec(letters: str, shape: tuple[int, ...] | None = None) -> PartitionSpec:
        shared = [shape is not None and size == 1 for size in shape or letters]
        return PartitionSpec(*(None if one else spread.get(x) for x, one in zip(letters, shared, strict=True)))

    specs = {name: spec(dims[name], array.shape) for name, array in arrays.items()}
    # The kernels' outputs do not say over which axes they vary, which the check would need.
    return jax.shard_map(kernel, in_specs=(specs,), out_specs=spec(out), check_vma=False)(arrays)


def _present(axes: Axes, sizes: Mapping[str, int]) -> Axes | None:
    return tuple(axis for axis in axes if axis in sizes) or None


def _free_axes() -> dict[str, int] | None:
    """Axes of the mesh in context that the compiler still may split, and their sizes; None if there is no mesh."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty and mesh.abstract_device is None:
        return None
    kinds = zip(mesh.axis_names, mesh.axis_sizes, mesh.axis_types, strict=True)
    return {name: size for name, size, kind in kinds if size > 1 and kind != AxisType.Manual}

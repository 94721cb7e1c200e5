# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How rows, heads and words lie on a mesh, for kernels that the compiler cannot split by itself.

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
    """The mesh axes over which rows of a batch, heads, and words of the vocabulary are spread."""

    batch: Axes
    heads: Axes
    vocab: Axes


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


_NAMES = {"B": "rows", "N": "heads", "V": "words"}


def lacks(sizes: Mapping[str, int]) -> str | None:
    """Why a kernel cannot run on the devices of the program, or None if it can.

    Args:
      sizes: how many `B` rows, `N` heads and `V` words there are, of those that the kernel can be spread over.
    """
    free = _free_axes()
    if free is None:
        return None if jax.device_count() == 1 else _UNKNOWN
    if not free:
        return None
    if _current.get() is None:
        return _UNKNOWN
    for letter, size in sizes.items():
        ways = math.prod(free[axis] for axis in spread()[letter])
        if size % ways:
            return f"{size} {_NAMES[letter]} do not divide by the {ways} devices over which the mesh spreads them."
    return None


def spread() -> dict[str, Axes]:
    """The mesh axes that the compiler still may split over which `B` rows, `N` heads and `V` words are spread."""
    free, partition = _free_axes(), _current.get()
    if not free or partition is None:
        return dict.fromkeys(_NAMES, ())
    axes = {"B": partition.batch, "N": partition.heads, "V": partition.vocab}
    return {letter: tuple(axis for axis in found if axis in free) for letter, found in axes.items()}


def run(
    kernel: Callable[..., Any], arrays: Mapping[str, Any], dims: Mapping[str, str], out: str | Mapping[str, str]
) -> Any:
    """`kernel(arrays)` on every device's own part.

    Args:
      dims: of each array, what its axes are: `B` rows, `N` heads, `V` words, anything else whole; an axis of size 1 is
        shared.
      out: the same of the result, or of each array in it.
    """
    if not _free_axes() or _current.get() is None:
        return kernel(arrays)
    axes = {letter: found or None for letter, found in spread().items()}

    def spec(letters: str, shape: tuple[int, ...] | None = None) -> PartitionSpec:
        shared = [shape is not None and size == 1 for size in shape or letters]
        return PartitionSpec(*(None if one else axes.get(x) for x, one in zip(letters, shared, strict=True)))

    specs = {name: spec(dims[name], array.shape) for name, array in arrays.items()}
    out_specs = spec(out) if isinstance(out, str) else {name: spec(letters) for name, letters in out.items()}
    # The kernels' outputs do not say over which axes they vary, which the check would need.
    return jax.shard_map(kernel, in_specs=(specs,), out_specs=out_specs, check_vma=False)(arrays)


def _free_axes() -> dict[str, int] | None:
    """Axes of the mesh in context that the compiler still may split, and their sizes; None if there is no mesh."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty and mesh.abstract_device is None:
        return None
    kinds = zip(mesh.axis_names, mesh.axis_sizes, mesh.axis_types, strict=True)
    return {name: size for name, size, kind in kinds if size > 1 and kind != AxisType.Manual}

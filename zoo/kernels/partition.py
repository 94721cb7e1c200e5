# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sharding constraints and kernels on a mesh, while a program is traced.

`zoo.sharding.rules.partitioned` sets the mesh axes of each logical axis. An axis of an array is named by its letter in
`AXES`; an axis with any other letter is replicated, and so is one of size 1. Mosaic kernels, which the compiler cannot
partition, run on each device's shard under `jax.shard_map`.
"""

import contextlib
import contextvars
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
from jax.core import Tracer
from jax.sharding import AxisType, PartitionSpec
from jaxtyping import Array, Shaped

from zoo.errors import InputError

Axes = tuple[str, ...]


class Partition(NamedTuple):
    """The mesh axes that each logical axis is sharded over; the names are those of `zoo.sharding.rules`."""

    batch: Axes
    length: Axes
    heads: Axes
    mlp: Axes
    vocab: Axes
    embed: Axes


# Letters of the logical axes. `W` is the model's width in parameters; in activations it is `D`, which is replicated.
AXES = {"B": "batch", "T": "length", "N": "heads", "F": "mlp", "V": "vocab", "W": "embed"}
LETTERS = {name: letter for letter, name in AXES.items()}
_UNKNOWN = "A kernel needs to know the sharding of its arrays. Trace it in zoo.sharding.rules.partitioned(mesh, rules)."
_current: contextvars.ContextVar[Partition | None] = contextvars.ContextVar("partition", default=None)


@contextlib.contextmanager
def use(partition: Partition) -> Iterator[None]:
    """Sets the partition of what is traced inside; the mesh is the one in context."""
    token = _current.set(partition)
    try:
        yield
    finally:
        _current.reset(token)


def constrain(x: Shaped[Array, "..."], letters: str) -> Shaped[Array, "..."]:
    """`x`, whose axes have these letters, with a sharding constraint; without a partition, `x` itself.

    Raises:
      InputError: an axis, other than `T`, that is not divisible by its devices.
    """
    if not _free_axes() or _current.get() is None or not isinstance(x, Tracer):
        return x
    check({letter: size for letter, size in zip(letters, x.shape, strict=True) if letter != "T"})
    return jax.lax.with_sharding_constraint(x, _spec(letters, x.shape))


def gather(x: Shaped[Array, "..."], letters: str, along: str) -> Shaped[Array, "..."]:
    """`x`, whose axes have these letters, all-gathered along one of them; its gradient is reduce-scattered."""
    return _gather(x, letters, along) if _free_axes() and _current.get() is not None else x


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _gather(x, letters, along):
    return constrain(x, letters.replace(along, "_"))


def _gather_forward(x, letters, along):
    return _gather(x, letters, along), None


def _gather_backward(letters, along, _, gradient):
    del along
    return (constrain(gradient, letters),)


_gather.defvjp(_gather_forward, _gather_backward)


def check(sizes: Mapping[str, int]) -> None:
    """InputError for axes, by letter, that are not divisible by the devices of the partition."""
    if _free_axes() and _current.get() is not None and (reason := lacks(sizes)):
        raise InputError(f"{reason} Change the mesh, the sharding preset or the size.")


def lacks(sizes: Mapping[str, int]) -> str | None:
    """Why arrays cannot be sharded over the devices of the program, or None if they can.

    Args:
      sizes: of the axes, by letter.
    """
    free = _free_axes()
    if free is None:
        return None if jax.device_count() == 1 else _UNKNOWN
    if not free:
        return None
    if _current.get() is None:
        return _UNKNOWN
    for letter, size in sizes.items():
        over = _axes(letter, size)
        ways = math.prod(free[axis] for axis in over)
        if size % ways:
            return (
                f"{AXES[letter]} {size} is not divisible by the {ways} devices that it is sharded over "
                f"({' x '.join(over)})."
            )
    return None


def axes(letter: str, size: int) -> Axes:
    """The mesh axes, among those that the compiler partitions, that an axis of an array is sharded over.

    A length that is not divisible by the devices, such as that of the few tokens that a head reads, is replicated.
    """
    found = _axes(letter, size)
    return () if letter == "T" and lacks({letter: size}) else found


def _axes(letter: str, size: int) -> Axes:
    free, partition = _free_axes(), _current.get()
    if not free or partition is None or size == 1:
        return ()
    return tuple(axis for axis in getattr(partition, AXES.get(letter, ""), ()) if axis in free)


def run(
    kernel: Callable[..., Any], arrays: Mapping[str, Any], dims: Mapping[str, str], out: str | Mapping[str, str]
) -> Any:
    """`kernel(arrays)` on each device's shard.

    Args:
      dims: the letters of each array's axes; `G` is sharded as `T` is, and all-gathered for the kernel.
      out: the letters of the result, or of each array in it; a width `D` may come back sharded, as `W`.
    """
    if not _free_axes() or _current.get() is None:
        return kernel(arrays)
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        for letter, size in zip(dims[name], array.shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))  # an axis of size 1 is broadcast
    sizes["W"] = sizes.get("D", 1)
    specs = {name: _spec(dims[name].replace("G", "T"), array.shape) for name, array in arrays.items()}

    def on_device(arrays: Mapping[str, Any]) -> Any:
        return kernel({name: _gathered(array, dims[name].find("G"), specs[name]) for name, array in arrays.items()})

    def of_result(letters: str) -> PartitionSpec:
        return _spec(letters, tuple(sizes.get(letter, 1) for letter in letters))

    out_specs = of_result(out) if isinstance(out, str) else {name: of_result(letters) for name, letters in out.items()}
    # The kernels' outputs do not declare the axes over which they vary, which the check would need.
    return jax.shard_map(on_device, in_specs=(specs,), out_specs=out_specs, check_vma=False)(arrays)


def _gathered(array: Array, axis: int, spec: PartitionSpec) -> Array:
    """The array with one of its axes all-gathered."""
    over = None if axis < 0 else spec[axis]
    return array if over is None else jax.lax.all_gather(array, over, axis=axis, tiled=True)


def _spec(letters: str, shape: tuple[int, ...]) -> PartitionSpec:
    return PartitionSpec(*(axes(letter, size) or None for letter, size in zip(letters, shape, strict=True)))


def _free_axes() -> dict[str, int] | None:
    """Sizes of the axes of the mesh in context that are not manual; None if there is no mesh."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty and mesh.abstract_device is None:
        return None
    kinds = zip(mesh.axis_names, mesh.axis_sizes, mesh.axis_types, strict=True)
    return {name: size for name, size, kind in kinds if size > 1 and kind != AxisType.Manual}

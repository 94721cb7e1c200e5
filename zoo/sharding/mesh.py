# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The mesh of devices, from one line such as `data:-1,fsdp:4,tensor:2`."""

import math

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh

from zoo.errors import ConfigError

AXES = ("data", "fsdp", "tensor", "context")


def make_mesh(spec: str = "data:-1", devices: list | None = None) -> Mesh:
    """A mesh with the axes of `AXES`; one size may be -1 (the remaining devices), an axis not named has size 1.

    With several slices of a pod, only the data axis spans slices: gradients alone cross the network between them, once
    per step.

    Raises:
      ConfigError: for an unknown axis, a size that is not a number, sizes that do not fill the devices, or a data axis
        that is not divisible by the number of slices.
    """
    sizes = parse_mesh(spec)
    devices = jax.devices() if devices is None else devices
    known = math.prod(size for size in sizes.values() if size != -1)
    if len(devices) % known or (-1 not in sizes.values() and known != len(devices)):
        needs = f"a multiple of {known}" if -1 in sizes.values() else f"{known}"
        raise ConfigError(
            f"mesh {spec!r} needs {needs} devices; there are {len(devices)}. {_advice(sizes, len(devices))}"
        )
    shape = tuple(len(devices) // known if size == -1 else size for size in sizes.values())
    # GPUs have a slice index as well, one per host, which does not matter to the mesh.
    slices = len({getattr(one, "slice_index", 0) for one in devices if getattr(one, "platform", "") == "tpu"} or {0})
    if shape[0] % slices:
        raise ConfigError(
            f"mesh {spec!r} has a data axis of {shape[0]} for {slices} slices; make data a multiple of {slices}."
        )
    within, between = (shape[0] // slices, *shape[1:]), (slices, *(1 for _ in shape[1:]))
    return Mesh(_arranged(within, between, devices), AXES, axis_types=(AxisType.Auto,) * len(AXES))


def _arranged(within: tuple[int, ...], between: tuple[int, ...], devices: list) -> np.ndarray:
    """Devices arranged so that neighbours in the mesh are neighbours on the chips' network, where possible."""

    if any(one.device_kind == "TPU v4" and one.core_on_chip for one in devices):
        # Two devices per chip, as a topology's name gives them, which JAX's own arrangement refuses.
        return np.array(devices).reshape([a * b for a, b in zip(within, between, strict=True)])

    def arranged(split: bool) -> np.ndarray:
        if between[0] == 1:
            return mesh_utils.create_device_mesh(within, devices, allow_split_physical_axes=split)
        return mesh_utils.create_hybrid_device_mesh(within, between, devices, allow_split_physical_axes=split)

    try:
        return arranged(False)
    except NotImplementedError:
        return arranged(True)


def _advice(sizes: dict[str, int], count: int) -> str:
    """A mesh line that fills the devices: axes reduced to divisors, and the rest in the open axis or in data."""
    rest = next((axis for axis, size in sizes.items() if size == -1), "data")
    found, left = dict(sizes), count
    for axis in reversed(AXES):
        if axis != rest:
            found[axis] = math.gcd(left, sizes[axis])
            left //= found[axis]
    found[rest] = left
    return f"This fills them: {','.join(f'{axis}:{size}' for axis, size in found.items() if size > 1) or 'data:1'}."


def parse_mesh(spec: str) -> dict[str, int]:
    """Axis sizes of a mesh line, in the order of `AXES`."""
    sizes: dict[str, int] = dict.fromkeys(AXES, 1)
    named: set[str] = set()
    for part in filter(None, (part.strip() for part in spec.split(","))):
        axis, _, size = part.partition(":")
        if axis not in AXES:
            raise ConfigError(f"mesh {spec!r} names the axis {axis!r}; known are {', '.join(AXES)}.")
        if axis in named:
            raise ConfigError(f"mesh {spec!r} names {axis!r} twice; name it once.")
        named.add(axis)
        try:
            sizes[axis] = int(size)
        except ValueError:
            raise ConfigError(f"mesh {spec!r}: the size of {axis!r} must be a whole number; found {size!r}.") from None
        if sizes[axis] < 1 and sizes[axis] != -1:
            raise ConfigError(f"mesh {spec!r}: the size of {axis!r} must be positive or -1.")
    if list(sizes.values()).count(-1) > 1:
        raise ConfigError(f"mesh {spec!r} leaves two sizes open; only one may be -1.")
    return sizes

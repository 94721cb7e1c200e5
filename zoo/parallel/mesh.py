# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The mesh of devices, from one line such as `data:-1,fsdp:4,tensor:2`."""

import math

import jax
from jax.sharding import AxisType, Mesh

from zoo.errors import ConfigError

AXES = ("data", "fsdp", "tensor", "context")


def make_mesh(spec: str = "data:-1", devices: list | None = None) -> Mesh:
    """A mesh with the axes of `AXES`; one size may be -1 (whatever is left), an axis not named has size 1.

    Raises:
      ConfigError: for an unknown axis, a size that is no number, or sizes that do not fill the devices.
    """
    sizes = parse_mesh(spec)
    devices = jax.devices() if devices is None else devices
    known = math.prod(size for size in sizes.values() if size != -1)
    if len(devices) % known or (-1 not in sizes.values() and known != len(devices)):
        raise ConfigError(
            f"mesh {spec!r} needs a multiple of {known} devices; there are {len(devices)}. Change a size."
        )
    shape = tuple(len(devices) // known if size == -1 else size for size in sizes.values())
    return jax.make_mesh(shape, AXES, axis_types=(AxisType.Auto,) * len(AXES), devices=devices)


def parse_mesh(spec: str) -> dict[str, int]:
    """Axis sizes of a mesh line, in the order of `AXES`."""
    sizes: dict[str, int] = dict.fromkeys(AXES, 1)
    for part in filter(None, (part.strip() for part in spec.split(","))):
        axis, _, size = part.partition(":")
        if axis not in AXES:
            raise ConfigError(f"mesh {spec!r} names the axis {axis!r}; known are {', '.join(AXES)}.")
        try:
            sizes[axis] = int(size)
        except ValueError:
            raise ConfigError(f"mesh {spec!r}: the size of {axis!r} must be a whole number; found {size!r}.") from None
        if sizes[axis] < 1 and sizes[axis] != -1:
            raise ConfigError(f"mesh {spec!r}: the size of {axis!r} must be positive or -1.")
    if list(sizes.values()).count(-1) > 1:
        raise ConfigError(f"mesh {spec!r} leaves two sizes open; only one may be -1.")
    return sizes

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The device that a program is traced for, by which a kernel is chosen; it need not be present on this machine.

For ahead-of-time compilation, a mesh in context sets it: `jax.set_mesh(mesh)` or `jax.sharding.use_abstract_mesh(...)`.
"""

from typing import Any, Literal, cast

import jax

Platform = Literal["tpu", "gpu", "cpu"]

_GPUS = ("gpu", "cuda", "rocm")  # JAX's own name for both, and the names of its backends


def platform() -> Platform:
    """The kind of device."""
    name = _device().platform
    return cast(Platform, "gpu" if name in _GPUS else name)


def device_kind() -> str:
    """The maker's name of the device, such as `TPU v5 lite` or `NVIDIA H100 80GB HBM3`."""
    return _device().device_kind


def _device() -> Any:
    in_context = jax.sharding.get_abstract_mesh().abstract_device
    if in_context is not None:
        return in_context
    default = cast(Any, jax.config).jax_default_device
    if isinstance(default, str):
        return jax.devices(default)[0]
    return jax.devices()[0] if default is None else default

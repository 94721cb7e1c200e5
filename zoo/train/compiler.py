# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one table of XLA options by chip: those that steps are compiled with and that are not the compiler's defaults.

They are passed with each compilation, so that LIBTPU_INIT_ARGS and XLA_FLAGS may stay empty. libtpu documents none of
them; those below are published (AI-Hypercomputer's MaxText, benchmarks/xla_flags_library.py, and its recipes for
Trillium and Ironwood; NVIDIA's JAX-Toolbox). benchmarks/records/plan.md has their effect by the TPU's compiler; none
has run on a TPU here.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from zoo.cost.chips import find
from zoo.errors import ConfigError

Options = dict[str, bool | int | str]

# A product whose weight is gathered or whose result is scattered stays one product with one collective: split into one
# for each device of an axis, its operand is first copied into another layout.
_WHOLE_PRODUCTS = {"xla_jf_spmd_threshold_for_windowed_einsum_mib": 1_000_000}
# A gradient that is summed and then cut is scattered while it is summed.
_SCATTERED_SUMS = {
    "xla_tpu_use_minor_sharding_for_major_trivial_input": True,
    "xla_tpu_relayout_group_size_threshold_for_reduce_scatter": 1,
    "xla_tpu_assign_all_reduce_scatter_layout": True,
}
# The SparseCores run collectives while the matrix units go on; libtpu's default there overlaps none.
_SPARSE_CORES = {
    "xla_tpu_enable_async_collective_fusion_fuse_all_gather": False,
    "xla_tpu_enable_async_collective_fusion_fuse_reduce_scatter": False,
    "xla_tpu_enable_async_collective_fusion_fuse_all_reduce": False,
    "xla_tpu_enable_sparse_core_collective_offload_all_gather": True,
    "xla_tpu_enable_sparse_core_collective_offload_reduce_scatter": True,
    "xla_tpu_enable_sparse_core_collective_offload_all_reduce": True,
    "xla_tpu_enable_all_gather_offload_tracing": True,
    "xla_tpu_enable_reduce_scatter_offload_tracing": True,
    "xla_tpu_enable_all_reduce_offload_tracing": True,
    "xla_tpu_use_tc_device_shape_on_sc": True,
    "xla_sc_disable_megacore_partitioning": True,
}
_TPU: Options = {**_WHOLE_PRODUCTS, **_SCATTERED_SUMS}
# Collectives start early and are waited for late; it takes memory only where there are any.
_SEVERAL_GPUS: Options = {"xla_gpu_enable_latency_hiding_scheduler": True}

OPTIONS: dict[str, Options] = {
    "v4": _TPU,
    "v5e": _TPU,
    "v5p": _TPU,
    # The windows of a product may take three quarters of VMEM.
    "v6e": _TPU | _SPARSE_CORES | {"xla_tpu_scoped_vmem_limit_kib": 96 * 1024},
    "tpu7x": _TPU | _SPARSE_CORES,
    "a100": _SEVERAL_GPUS,
    "h100": _SEVERAL_GPUS,
    "h200": _SEVERAL_GPUS,
}


def compiler_options(mesh: Mesh, changes: str = "") -> Options:
    """What a step on these devices is compiled with: the chip's row of the table, with `changes`.

    Args:
      changes: "name=value,name=value", over the table; "name=" leaves that one to the compiler.

    Raises:
      ConfigError: a change that is not so written, or an option or value that the devices' compiler does not know.
    """
    row, changed = defaults(mesh.devices.flat[0].device_kind, mesh.size), parse_options(changes)
    for name, value in changed.items():
        if value == "" and name not in row:
            known = f"the table gives {', '.join(row)}" if row else "the table gives these devices none"
            raise ConfigError(f"xla_options leaves out {name}, which is not given: {known}.")
    options = {**row, **changed}
    options = {name: value for name, value in options.items() if value != ""}
    if options:
        _check(mesh, tuple(sorted(options.items())))
    return options


def defaults(device_kind: str, count: int) -> Options:
    """The table's row for so many devices of this kind."""
    chip = find(device_kind)
    if chip is None or (OPTIONS[chip.name] is _SEVERAL_GPUS and count == 1):
        return {}
    return OPTIONS[chip.name]


def parse_options(changes: str) -> Options:
    """The options of a line "name=value,name=value"."""
    found: Options = {}
    for part in filter(None, (part.strip() for part in changes.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name.startswith("xla_"):
            raise ConfigError(
                f"xla_options {changes!r}: {part!r} is not an option; write xla_NAME=VALUE, or xla_NAME= to leave it "
                "to the compiler, with commas between."
            )
        if name in found:
            raise ConfigError(f"xla_options {changes!r} names {name} twice; name it once.")
        found[name] = {"true": True, "false": False}.get(value.lower(), _number(value))
    return found


def _number(value: str) -> int | str:
    return int(value) if value.removeprefix("-").isdecimal() else value


@functools.cache
def _check(mesh: Mesh, options: tuple[tuple[str, bool | int | str], ...]) -> None:
    """Compiles next to nothing with them, before a step takes minutes."""
    number = jax.ShapeDtypeStruct((), jnp.float32, sharding=NamedSharding(mesh, PartitionSpec()))
    step: Any = jax.jit(jnp.negative, compiler_options=dict(options))
    try:
        step.lower(number).compile()
    except jax.errors.JaxRuntimeError as error:
        message = str(error).splitlines()[0]
        raise ConfigError(
            f"The compiler of {mesh.devices.flat[0].device_kind} refuses an option ({message}). Correct it in "
            "xla_options, where switches are true or false; one of the table in zoo/train/compiler.py, "
            "--config.xla_options=NAME= leaves out."
        ) from error

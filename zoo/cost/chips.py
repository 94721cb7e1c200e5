# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one table of chips: peak FLOPs, memory and links of each, by its maker's figures.

Google Cloud's pages (docs.cloud.google.com/tpu/docs/v4, /v5e, /v5p, /v6e, /tpu7x) give peaks, memories and each chip's
ICI bandwidth in both directions over all its ports; a link's one way is that by twice the ports. The sizes of the
matrix units, the networks of hosts and where a torus closes are those of the JAX scaling book ("How to think about
TPUs", jax-ml.github.io/scaling-book/tpus) and of the same pages. NVIDIA's are those of the SXM data sheets,
without sparsity; their NVLink is one switch that every GPU reaches, one "axis" that always closes.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from zoo.errors import ConfigError

_GIB = 2**30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chip:
    """One chip, of `devices` JAX devices; all figures are of the whole chip.

    Attributes:
      kinds: the `device_kind`s by which JAX names it.
      flops_per_second: of products of bfloat16 numbers.
      hbm_bytes: memory that a program may take, which is what the compiler counts against.
      cycles_per_second: a core's clock: its peak over the operations per cycle that libtpu's estimates assume.
      matrix_unit: rows and columns of one systolic array; shorter sides of a product are padded to it.
      link_bytes_per_second: of one link to one neighbour, one way. link_axes: axes of the torus, each with two links.
      wrap_multiple: an axis of the slice is a ring where its length is a multiple of this; 0 means always.
      network_bytes_per_second: between slices, one way.
      vmem_bytes: VMEM of one JAX device that libtpu allows a kernel.
    """

    name: str
    kinds: tuple[str, ...]
    flops_per_second: float
    hbm_bytes: int
    hbm_bytes_per_second: float
    matrix_unit: int
    link_bytes_per_second: float
    link_axes: int
    wrap_multiple: int
    network_bytes_per_second: float
    devices: int = 1
    cycles_per_second: float | None = None
    vmem_bytes: int = 0

    def closes(self, lengths: Sequence[int], axis: int) -> bool:
        """Whether an axis of a slice of these lengths is a ring; of cubes of chips, whole cubes alone have rings."""
        if not self.wrap_multiple:
            return True
        of = lengths if self.link_axes == 3 else lengths[axis : axis + 1]
        return all(length % self.wrap_multiple == 0 for length in of)


# Usable memory is what libtpu's own out-of-memory message allows a program, a little below the nominal size.
CHIPS = {
    chip.name: chip
    for chip in (
        Chip(
            # 275 TFLOP/s, 32 GiB at 1,200 GB/s; six links of 50 GB/s (arXiv:2304.01433, section 2).
            # A topology's name gives its two cores as two devices; on the machine they are one, unless asked otherwise.
            name="v4", kinds=("TPU v4",), flops_per_second=275e12, hbm_bytes=int(30.5 * _GIB),
            hbm_bytes_per_second=1.2e12, matrix_unit=128, link_bytes_per_second=50e9, link_axes=3, wrap_multiple=4,
            network_bytes_per_second=6.25e9, devices=2, cycles_per_second=1.05e9, vmem_bytes=16 * 2**20,
        ),
        Chip(
            # 197 TFLOP/s, 16 GB at 819 GB/s; 400 GB/s both ways over 4 ports; 6.4 Tbit/s for 256 chips.
            name="v5e", kinds=("TPU v5 lite", "TPU v5e"), flops_per_second=197e12, hbm_bytes=int(15.75 * _GIB),
            hbm_bytes_per_second=819e9, matrix_unit=128, link_bytes_per_second=50e9, link_axes=2, wrap_multiple=16,
            network_bytes_per_second=3.125e9, cycles_per_second=1.5e9, vmem_bytes=128 * 2**20,
        ),
        Chip(
            # 459 TFLOP/s, 95 GiB at 2,765 GB/s; 1,200 GB/s both ways over 6 ports; 50 Gbit/s per chip.
            name="v5p", kinds=("TPU v5", "TPU v5p"), flops_per_second=459e12, hbm_bytes=int(95.74 * _GIB),
            hbm_bytes_per_second=2.765e12, matrix_unit=128, link_bytes_per_second=100e9, link_axes=3, wrap_multiple=4,
            network_bytes_per_second=6.25e9, cycles_per_second=1.75e9, vmem_bytes=64 * 2**20,
        ),
        Chip(
            # 918 TFLOP/s, 32 GB at 1,638 GB/s; 800 GB/s both ways over 4 ports.
            name="v6e", kinds=("TPU v6 lite", "TPU v6e"), flops_per_second=918e12, hbm_bytes=int(31.25 * _GIB),
            hbm_bytes_per_second=1.638e12, matrix_unit=256, link_bytes_per_second=100e9, link_axes=2, wrap_multiple=16,
            network_bytes_per_second=12.5e9, cycles_per_second=1.75e9, vmem_bytes=128 * 2**20,
        ),
        Chip(
            # 2,307 TFLOP/s, 192 GiB at 7,380 GB/s; 1,200 GB/s both ways over 6 ports; two cores, a JAX device each.
            name="tpu7x", kinds=("TPU7x",), flops_per_second=2307e12, hbm_bytes=int(189.5 * _GIB),
            hbm_bytes_per_second=7.38e12, matrix_unit=256, link_bytes_per_second=100e9, link_axes=3, wrap_multiple=4,
            network_bytes_per_second=12.5e9, devices=2, cycles_per_second=2.2e9, vmem_bytes=64 * 2**20,
        ),
        Chip(
            # NVIDIA A100 SXM 80 GB: 312 TFLOP/s, 2,039 GB/s, NVLink 600 GB/s both ways.
            name="a100", kinds=("NVIDIA A100-SXM4-80GB",), flops_per_second=312e12, hbm_bytes=80 * 10**9,
            hbm_bytes_per_second=2.039e12, matrix_unit=16, link_bytes_per_second=150e9, link_axes=1, wrap_multiple=0,
            network_bytes_per_second=25e9,
        ),
        Chip(
            # NVIDIA H100 SXM: 989 TFLOP/s, 80 GB at 3,350 GB/s, NVLink 900 GB/s both ways, 400 Gbit/s a GPU.
            name="h100", kinds=("NVIDIA H100 80GB HBM3",), flops_per_second=989e12, hbm_bytes=80 * 10**9,
            hbm_bytes_per_second=3.35e12, matrix_unit=64, link_bytes_per_second=225e9, link_axes=1, wrap_multiple=0,
            network_bytes_per_second=50e9,
        ),
        Chip(
            # NVIDIA H200 SXM: an H100 with 141 GB at 4,800 GB/s.
            name="h200", kinds=("NVIDIA H200",), flops_per_second=989e12, hbm_bytes=141 * 10**9,
            hbm_bytes_per_second=4.8e12, matrix_unit=64, link_bytes_per_second=225e9, link_axes=1, wrap_multiple=0,
            network_bytes_per_second=50e9,
        ),
    )
}  # fmt: skip


def peak_flops_per_second(devices: Sequence[Any]) -> float | None:
    """Of all `jax.Device`s together; None if the table lacks them, as CPUs. A chip counts once for all its cores."""
    chip, is_tpu = find(devices[0].device_kind), devices[0].platform == "tpu"
    chips = {(getattr(one, "slice_index", 0), *one.coords) if is_tpu else one.id for one in devices}
    return None if chip is None else len(chips) * chip.flops_per_second


def find(device_kind: str) -> Chip | None:
    """The chip that JAX calls `device_kind`, if the table has it."""
    return next((chip for chip in CHIPS.values() if device_kind in chip.kinds), None)


def lookup(device_kind: str) -> Chip:
    """The chip that JAX calls `device_kind`; one that is not in the table is a ConfigError."""
    chip = find(device_kind)
    if chip is None:
        known = ", ".join(kind for chip in CHIPS.values() for kind in chip.kinds)
        raise ConfigError(
            f"The chip {device_kind!r} is not in the table; known are {known}. Add it to zoo/cost/chips.py."
        )
    return chip

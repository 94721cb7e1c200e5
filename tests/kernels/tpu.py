# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Programs for a TPU on a machine without one."""

import contextlib
from collections.abc import Iterator

import jax
from jax.experimental.pallas import tpu as pltpu
from jax.sharding import AbstractDevice, AbstractMesh, Mesh

TPU = AbstractDevice(device_kind="TPU v5 lite", num_cores=1, platform="tpu")


@contextlib.contextmanager
def on_tpu() -> Iterator[None]:
    """Programs traced inside are for a TPU, and JAX's interpreter runs them as one would; a race is an error."""
    mesh = AbstractMesh((), (), abstract_device=TPU)
    params = pltpu.InterpretParams(detect_races=True)
    with jax.sharding.use_abstract_mesh(mesh), pltpu.force_tpu_interpret_mode(params):
        yield
    assert not _races_found()


def for_tpu(mesh: Mesh) -> contextlib.AbstractContextManager:
    """The mesh's devices as a TPU's, for the choice of kernels."""
    found = mesh.abstract_mesh
    device = AbstractMesh(found.axis_sizes, found.axis_names, axis_types=found.axis_types, abstract_device=TPU)
    return jax.sharding.use_abstract_mesh(device)


def _races_found() -> bool:
    from jax._src.pallas.mosaic.interpret import interpret_pallas_call

    races = interpret_pallas_call.races
    return bool(races and races.races_found)

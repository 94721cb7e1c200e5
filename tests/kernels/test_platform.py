# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Which device a kernel is chosen for: that of the mesh in context, the default one, or the first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, AxisType, Mesh

from zoo.kernels.platform import device_kind, platform

GPU = AbstractDevice(device_kind="NVIDIA H100 80GB HBM3", num_cores=132, platform="gpu")


def abstract_mesh(name: str, kind: str) -> AbstractMesh:
    device = AbstractDevice(device_kind=kind, num_cores=1, platform=name)
    return AbstractMesh((2,), ("data",), (AxisType.Auto,), abstract_device=device)


def traced() -> tuple[str, str]:
    """What a program sees while it is traced."""
    seen = []
    jax.jit(lambda x: (seen.append((platform(), device_kind())), x)[1]).trace(jnp.zeros(4))
    return seen[0]


def test_the_first_device_without_anything_else():
    assert traced() == ("cpu", jax.devices()[0].device_kind)


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("tpu", "TPU v5 lite", "tpu"),
        ("gpu", "NVIDIA A100-SXM4-80GB", "gpu"),
        ("cuda", "NVIDIA A100-SXM4-80GB", "gpu"),
        ("rocm", "gfx942", "gpu"),
        ("cpu", "cpu", "cpu"),
    ],
)
def test_the_device_of_an_abstract_mesh(name, kind, found):
    with jax.sharding.use_abstract_mesh(abstract_mesh(name, kind)):
        assert traced() == (found, kind)


def test_the_device_of_a_mesh_of_devices(monkeypatch):
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",), axis_types=(AxisType.Auto,))
    monkeypatch.setattr(jax, "devices", lambda: [GPU])
    with jax.set_mesh(mesh):
        assert (platform(), device_kind()) == ("cpu", "cpu")


def test_a_mesh_goes_before_the_default_device_and_that_before_the_first(monkeypatch):
    cpu = jax.devices()[0]
    monkeypatch.setattr(jax, "devices", lambda: [GPU])
    assert (platform(), device_kind()) == ("gpu", GPU.device_kind)
    with jax.default_device(cpu):
        assert (platform(), device_kind()) == ("cpu", "cpu")
        with jax.sharding.use_abstract_mesh(abstract_mesh("tpu", "TPU v6 lite")):
            assert (platform(), device_kind()) == ("tpu", "TPU v6 lite")


@pytest.mark.parametrize("default", ["cpu", jax.devices("cpu")[3]])
def test_the_default_device_by_name_or_itself(default):
    with jax.default_device(default):
        assert traced() == ("cpu", "cpu")


def test_a_mesh_without_a_device_does_not_decide():
    with jax.sharding.use_abstract_mesh(AbstractMesh((2,), ("data",), (AxisType.Auto,))):
        assert platform() == "cpu"

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Devices that are only named: what is refused says how to fix it. Compiling needs libtpu and is not done here."""

import importlib.util
import sys

import jax
import pytest

from zoo.aot import topology
from zoo.errors import ConfigError


def test_cpu_devices():
    assert topology.devices("cpu:3") == jax.devices("cpu")[:3]
    with pytest.raises(ConfigError, match="xla_force_host_platform_device_count=999"):
        topology.devices("cpu:999")


@pytest.mark.parametrize("name", ["v5e", "v5e:", "v5e:4", "cpu:0", "cpu", "gpu:2x2", "v5e:2x2;x", ""])
def test_unknown_names(name):
    with pytest.raises(ConfigError, match=r"such as v5e:2x2, .* or cpu:8"):
        topology.devices(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("v5e:3x3", "v5e:2x4, v5e:4x4"),
        ("v5e:4x4x4", "v5e:8x8"),
        ("v5p:4x4x7", "v5p:4x4x8"),
        ("v6:2x2", "v6e:2x2"),
        ("tpu7x:0x2x2", "tpu7x:2x2x1"),
    ],
)
def test_a_slice_that_is_not_offered_names_the_nearest(name, near):
    with pytest.raises(ConfigError, match=near):
        topology.devices(name)


def test_every_slice_that_is_named_is_offered():
    for name in topology.NAMES:
        assert topology.nearest(name)[0] == name


def test_library_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("TPU_LIBRARY_PATH", raising=False)
    with pytest.raises(ConfigError, match=r"pip install --no-deps --target .* 'libtpu==[\d.*]+'"):
        topology.devices("v5e:2x2")
    file = tmp_path / "libtpu" / "libtpu" / "libtpu.so"
    file.parent.mkdir(parents=True)
    file.touch()
    assert topology.library() == file
    assert topology.environment()["TPU_LIBRARY_PATH"] == str(file)
    monkeypatch.setenv("TPU_LIBRARY_PATH", str(tmp_path / "elsewhere.so"))
    with pytest.raises(ConfigError, match=r"elsewhere\.so, which is not a file"):
        topology.library()

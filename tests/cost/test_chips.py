# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The table of chips against what the compiler and the makers' pages say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from zoo.aot import topology
from zoo.cost import chips
from zoo.errors import ConfigError

TOPOLOGIES = {"v4": "v4:2x2x1", "v5e": "v5e:2x2", "v5p": "v5p:2x2x1", "v6e": "v6e:2x2", "tpu7x": "tpu7x:2x2x1"}
ASK = """
import json, sys
from zoo.aot import topology
found = {}
for name in sys.argv[1:]:
    devices = topology.devices(name)
    found[name] = [devices[0].device_kind, len(devices), len({tuple(device.coords) for device in devices})]
print(json.dumps(found))
"""


def test_every_kind_names_one_chip():
    kinds = [kind for chip in chips.CHIPS.values() for kind in chip.kinds]
    assert len(kinds) == len(set(kinds))
    assert all(chips.lookup(kind).kinds.count(kind) == 1 for kind in kinds)


def test_an_unknown_chip_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'TPU v99'.*TPU v5 lite"):
        chips.lookup("TPU v99")


@pytest.mark.parametrize(
    "name, both_ways_over_all_ports", [("v5e", 400e9), ("v5p", 1200e9), ("v6e", 800e9), ("tpu7x", 1200e9)]
)
def test_links_make_up_the_published_bandwidth(name, both_ways_over_all_ports):
    chip = chips.CHIPS[name]
    assert 2 * 2 * chip.link_axes * chip.link_bytes_per_second == both_ways_over_all_ports


def test_rings():
    assert [length for length in range(1, 17) if chips.CHIPS["v5p"].closes((4, 4, length), 2)] == [4, 8, 12, 16]
    assert not chips.CHIPS["v5p"].closes((2, 2, 4), 2)  # less than a cube
    assert not chips.CHIPS["v5e"].closes((8, 16), 0) and chips.CHIPS["v5e"].closes((8, 16), 1)
    assert chips.CHIPS["h100"].closes((8,), 0)


def test_the_compiler_names_and_counts_them_so():
    try:
        environment = topology.environment()
    except ConfigError as missing:
        pytest.skip(str(missing))
    flags = {**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", ASK, *TOPOLOGIES.values()]
    done = subprocess.run(command, env=flags, capture_output=True, text=True, check=True)
    for name, (kind, devices, count) in json.loads(done.stdout).items():
        chip = chips.CHIPS[name.partition(":")[0]]
        assert chips.lookup(kind) is chip
        assert devices == chip.devices * count


def test_peaks_are_of_chips_and_not_of_their_cores():
    def device(kind: str, *coords: int):
        return SimpleNamespace(device_kind=kind, platform="tpu", coords=coords, id=0)

    assert chips.peak_flops_per_second([device("TPU v5 lite", n, 0, 0) for n in range(4)]) == 4 * 197e12
    assert chips.peak_flops_per_second([device("TPU7x", 0, 0, 0), device("TPU7x", 0, 0, 0)]) == 2307e12
    assert chips.peak_flops_per_second(jax.devices()) is None

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Host memory that loading takes beyond the model itself, as a share of the largest shard.

    python -m benchmarks.load_memory [--size=bert-base-uncased] [--shard_mb=100] [--devices=1]

On a CPU the model lies in host memory, too: its own bytes are taken off the peak, so that what is left is what loading
adds (arrays on their way, pages of the files that stay mapped). Each load is a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags

import zoo

SIZE = flags.DEFINE_string("size", "bert-base-uncased", "a registry name, drawn at random")
SHARD_MB = flags.DEFINE_integer("shard_mb", 100, "largest shard, in 10^6 bytes")
DEVICES = flags.DEFINE_integer("devices", 1, "CPU devices to load onto, by the rules of fsdp")
LIMIT = 1.3

LOAD = """
import json, resource, sys
import jax
import zoo
from flax import nnx
from zoo.sharding.mesh import make_mesh

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

warm = zoo.create(zoo.config("bert-tiny"))  # what the first model of a process costs is not the loading's
mesh = make_mesh("fsdp:-1") if jax.device_count() > 1 else None
open("/proc/self/clear_refs", "w").write("5")  # resets the peak
before = resident()
model = zoo.load(sys.argv[1], head=None, mesh=mesh)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
size = sum(leaf.nbytes for leaf in jax.tree.leaves(nnx.state(model)))
print(json.dumps({"before": before, "peak": peak, "model": size}))
"""


def beyond_model(folder: Path, devices: int = 1) -> int:
    """Bytes at the peak of loading a folder, less what the process had before, and the model's own."""
    environment = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", LOAD, str(folder)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    return found["peak"] - found["before"] - found["model"]


def main(_) -> None:
    with tempfile.TemporaryDirectory() as folder:
        zoo.save(zoo.create(zoo.config(SIZE.value)), folder, max_shard_bytes=SHARD_MB.value * 10**6)
        shards = [file.stat().st_size for file in Path(folder).glob("*.safetensors")]
        beyond = beyond_model(Path(folder), DEVICES.value)
    print(
        f"{SIZE.value} onto {DEVICES.value} CPU devices: {len(shards)} shards, the largest {max(shards) / 1e6:.0f} MB"
    )
    print(f"beyond the model {beyond / 1e6:.0f} MB: {beyond / max(shards):.2f} of the largest shard (limit {LIMIT})")


if __name__ == "__main__":
    app.run(main)

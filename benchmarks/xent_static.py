# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What the TPU's compiler says of the vocabulary loss, as our kernel and as XLA's loop: estimates, not timings.

    python -m benchmarks.xent_static [--chips=v5e,v5p,v6e] [--out=FILE.md]

Both are put beside the cycles that the matrix units need at least for the products: one forward, three backward.
"""

import json
import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tqdm import tqdm

from benchmarks import bundles
from benchmarks.tpu_compile import CHIPS, dumping, versions
from zoo.aot import topology
from zoo.kernels.softmax_xent import blocked, pallas_tpu

WANTED = flags.DEFINE_list("chips", ["v5e", "v5p", "v6e"], "of v5e, v5p, v6e, tpu7x")
flags.register_validator("chips", lambda chips: set(chips) <= set(CHIPS), f"must be of {', '.join(CHIPS)}")
OUT = flags.DEFINE_string("out", "benchmarks/records/xent_static.md", "where the table goes")


class Row(NamedTuple):
    """A loss: sequences of a batch, predicted positions of each, vocabulary size, and width."""

    B: int
    M: int
    V: int
    D: int


ROWS = {"BERT-base, 77 of 512": Row(32, 77, 30522, 768), "GPT-2, 1,024": Row(8, 1024, 50257, 768)}
PASSES = ("forward", "backward")
KERNELS = {"forward": "softmax_xent_forward", "backward": "softmax_xent_backward"}
# Multiplications and additions of a JAX device in a cycle: FLOP/s by clock. A tpu7x chip is two devices.
PER_CYCLE = {"v5e": 197e12 / 1.5e9, "v5p": 459e12 / 1.75e9, "v6e": 918e12 / 1.75e9, "tpu7x": 2307e12 / 2 / 1.9e9}


def compiled(row: Row, chip: str, which: str, kernel: bool) -> str:
    """The program of one pass; the backward one begins at what the forward one saves."""
    mesh = Mesh(np.array(topology.devices(CHIPS[chip])[:1]), ("device",))
    place = NamedSharding(mesh, PartitionSpec())
    x, table = (jax.ShapeDtypeStruct(shape, jnp.bfloat16, sharding=place) for shape in ((row.B, row.M, row.D), row[2:]))
    targets = jax.ShapeDtypeStruct((row.B, row.M), jnp.int32, sharding=place)
    run = pallas_tpu.softmax_xent if kernel else blocked.softmax_xent

    def forward(x, table, targets):
        return run(x, table, targets)[0]

    def saved(x, table, targets):
        return jax.vjp(lambda x, table: forward(x, table, targets), x, table)

    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        if which == "forward":
            return jax.jit(forward).lower(x, table, targets).compile().as_text()
        out, pull = jax.eval_shape(saved, x, table, targets)
        out, pull = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), (out, pull))
        return jax.jit(lambda pull, out: pull(out)).lower(pull, out).compile().as_text()


def of_kernel(row: Row, which: str, folder: Path) -> float:
    """Bundles that must run: the first of the two large regions is for all blocks of the vocabulary but the last."""
    dump = bundles.newest(folder, KERNELS[which], "-final_bundles.txt")
    if dump is None:
        raise FileNotFoundError(f"no bundles of {KERNELS[which]}")
    body = bundles.body(dump)
    blocks = pallas_tpu.choose(row.D, 2)[PASSES.index(which)]
    vocab, positions = math.ceil(row.V / blocks.vocab), math.ceil(row.B * row.M / blocks.positions)
    large = sorted(body.regions)[-2:]
    inner, last = (size for size in body.regions if size in large)
    edges = positions if which == "forward" else (vocab + positions) / 2
    always = (body.size - sum(body.regions)) * vocab * positions
    return always + (inner * (vocab - 1) + last) * positions + (sum(body.regions) - inner - last) * edges


def of_xla(row: Row, text: str) -> float:
    """Cycles that XLA reckons for its operations, those of a loop as often as there are blocks."""
    parts, size = blocked.cut(row.V)
    trips = math.ceil(row.V / parts / size)
    loops, total, times = set(re.findall(r"body=%?([\w.\-]+)", text)), 0.0, 1
    for line in text.splitlines():
        head = re.match(r"(?:ENTRY )?%?([\w.\-]+) .*\{$", line)
        if head:
            times = trips if head[1] in loops else 1
        found = re.search(r'"estimated_cycles":"(\d{1,11})"', line)  # more digits stand for no estimate
        total += times * int(found[1]) if found else 0
    return total


def measure(request: dict[str, Any]) -> float:
    row, which, kernel = ROWS[request["row"]], request["which"], request["kernel"]
    with dumping(simulate=False) as folder:
        text = compiled(row, request["chip"], which, kernel)
        return of_kernel(row, which, folder) if kernel else of_xla(row, text)


def apart(**request: Any) -> float:
    """In a process of its own, for what libtpu dumps."""
    command = [sys.executable, "-m", "benchmarks.xent_static", json.dumps(request)]
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
        if done.returncode:
            errors.seek(0)
            raise RuntimeError(errors.read()[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


PREAMBLE = """# The vocabulary loss on a TPU by the compiler's estimate

{versions}. `python -m benchmarks.xent_static`, on a machine without a TPU: **no figure here is a timing.**

Thousands of cycles, or of bundles, for bfloat16 vectors and table, without a bias. Products: what the matrix units need
at their peak, for one product forward and three backward. Kernel: the bundles that must run, of which a core issues one
a cycle at most; a product takes several cycles of a matrix unit, for which a bundle may wait, so that the kernel needs
at least the larger of both. On v5p, whose two cores share the work, bundles are halved. XLA: its own estimate of the
operations of the loop over blocks of the vocabulary (`blocked.py`), another model than bundles.

"""


def main(arguments: list[str]) -> None:
    if len(arguments) > 1:
        print(json.dumps(measure(json.loads(arguments[1]))))
        return
    lines = [
        ["loss", "chip", "pass", "products", "kernel", "XLA", "kernel / products", "XLA / more of the two"],
        ["---"] * 8,
    ]
    cells = [(name, chip, which) for name in ROWS for chip in WANTED.value for which in PASSES]
    for name, chip, which in tqdm(cells, disable=None):
        row = ROWS[name]
        least = 2 * row.B * row.M * row.V * row.D / PER_CYCLE[chip] * (1 if which == "forward" else 3)
        ours = apart(row=name, chip=chip, which=which, kernel=True) / (2 if chip == "v5p" else 1)
        xla = apart(row=name, chip=chip, which=which, kernel=False)
        numbers = [f"{value / 1e3:,.0f}" for value in (least, ours, xla)]
        lines.append([name, chip, which, *numbers, f"{ours / least:.2f}", f"{xla / max(ours, least):.2f}"])
    text = PREAMBLE.format(versions=versions())
    Path(OUT.value).write_text(text + "".join("| " + " | ".join(cells) + " |\n" for cells in lines))


if __name__ == "__main__":
    app.run(main)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What the TPU's compiler says of our attention kernels beside JAX's own, without a TPU: estimates, not timings.

    python -m benchmarks.tpu_static [--chips=v5e,v5p,v6e] [--rows=...] [--out=FILE.md] [--sweep] [--memo=FILE]

Of each kernel it counts the instruction bundles that must run for one head of queries; a core issues one a cycle at
most, so that they bound time from below, but stalls and copies come on top. JAX's splash kernel is compiled in many
settings, and the best by bundles stands for it in each row and pass; what it computes outside its kernels (sums of
partial gradients, products of outputs and their gradients) is not counted, where ours is inside. Simulated cycles are
libtpu's static profile, kept where they can be true. `--sweep` looks for our kernels' best blocks.
"""

import dataclasses
import functools
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from absl import app, flags
from tqdm import tqdm

from benchmarks import bundles, tpu_compile
from zoo.errors import ConfigError
from zoo.kernels.attention.pallas_tpu import blocks
from zoo.kernels.attention.specs import CASES, AttentionCase, case

CHIPS = flags.DEFINE_list("chips", ["v5e", "v5p", "v6e"], "of v5e, v5p, v6e, tpu7x")
ROWS = flags.DEFINE_list("rows", [row.name for row in CASES], "names in zoo/kernels/attention/specs.py")
OUT = flags.DEFINE_string("out", "benchmarks/records/tpu_static.md", "where the table goes")
SWEEP = flags.DEFINE_bool("sweep", False, "look for our kernels' best blocks, and print them, in place of the table")
CYCLES = flags.DEFINE_bool("cycles", True, "simulate, too")
MEMO = flags.DEFINE_string("memo", None, "a file of measurements, of this version of all, that need not be repeated")

PASSES = ("forward", "backward")
CORES = {"v5e": 1, "v5p": 2, "v6e": 1, "tpu7x": 1}  # that share a parallel grid
KINDS = {"v5e": "TPU v5 lite", "v5p": "TPU v5", "v6e": "TPU v6 lite", "tpu7x": "TPU7x"}  # jax.Device.device_kind
SECONDS, SIMULATION_SECONDS = 300, 60  # at most; the simulation of some kernels takes memory without end
_COUNTS = [1, 2, 3, 4, 6, 8, 12]  # of heads
Result = dict[str, Any]


class Measurements:
    """One process for each, since libtpu may abort; `bar` counts them."""

    def __init__(self, memo: str | None):
        self.file = Path(memo) if memo else None
        self.known: dict[str, Result] = {}
        self.bar = tqdm(unit=" compiled", disable=None)
        if self.file and self.file.exists():
            self.known = dict(json.loads(line) for line in self.file.read_text().splitlines())

    def __call__(self, **request: Any) -> Result:
        key = json.dumps(request, sort_keys=True)
        if key not in self.known:
            self.known[key] = self._run(key, SIMULATION_SECONDS if request.get("simulate") else SECONDS)
            self.bar.update()
            if self.file:
                with self.file.open("a") as file:
                    file.write(json.dumps([key, self.known[key]]) + "\n")
        return self.known[key]

    def _run(self, request: str, seconds: int) -> Result:
        command = [sys.executable, "-m", "benchmarks.tpu_compile", request]
        environment = os.environ | {"JAX_PLATFORMS": "cpu"}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return {"error": f"not done in {seconds} s"}
        if done.returncode == 0:
            return json.loads(done.stdout.splitlines()[-1])
        if done.returncode < 0:
            return {"error": "libtpu aborted"}
        if memory := re.search(r"Ran out of memory in memory space (\w+)", done.stderr):
            return {"error": f"out of {memory[1]}"}
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return {"error": lines[-1][:200] if lines else f"exit status {done.returncode}"}


def choice(row: AttentionCase, which: Any, chip: str) -> list[int]:
    """The blocks that our kernel chooses itself."""
    itemsize = 2 if row.dtype == "bfloat16" else 4
    has_plane, relative = row.bias is not None, row.bias == "relative"
    shape = blocks.shape(row.T, row.keys, row.N, row.key_heads, row.H, itemsize, row.causal, has_plane, relative)
    generator = "hardware" if row.dropout_bits == "fastest" else "hash"
    return list(blocks.choose_both(shape, KINDS[chip], row.dropout, generator)[PASSES.index(which)])


def shared(row: AttentionCase) -> AttentionCase:
    """The first row whose kernels are the same for one head: splash takes a head in a step, however many there are."""
    kind = dataclasses.replace(row, name="", B=1, N=1)
    return next(other for other in CASES if dataclasses.replace(other, name="", B=1, N=1) == kind)


def splash_settings(row: AttentionCase) -> Iterator[list[Any]]:
    """Sizes of blocks of queries, of keys, and of keys computed at once."""
    sizes = [size for size in (128, 256, 384, 512, 1024) if row.T % size == 0]
    large = [size for size in sizes if min(row.T, 1024) <= 2 * size or row.T == 384]
    for queries, keys, compute in itertools.product(large, large, sizes):
        if compute >= keys // 4 and keys % compute == 0:
            yield [queries, keys, compute, "fused", "HEAD_DIM_MINOR"]


def best_splash(measure: Measurements, row: AttentionCase, chip: str, which: str) -> tuple[list[Any] | None, Result]:
    """Blocks first; then, with the best two, the other layout, and the backward pass in two kernels."""
    ask = functools.partial(measure, case=shared(row).name, chip=chip, side="splash", which=which)
    if row.bias or row.dropout:
        return None, {"error": "has no " + ("bias" if row.bias else "dropout")}
    found = [(ask(setting=setting), setting) for setting in splash_settings(row)]
    for _, setting in sorted((f for f in found if "per_head" in f[0]), key=_bundles)[:2]:
        found.append((ask(setting=[*setting[:4], "SEQ_MINOR"]), [*setting[:4], "SEQ_MINOR"]))
        if which == "backward":
            split = [*setting[:2], setting[1], "split", setting[4]]
            found.append((ask(setting=split), split))
    result, setting = min(found, key=_bundles)
    return setting, result


def best_flash(measure: Measurements, row: AttentionCase, chip: str, which: str) -> tuple[list[Any] | None, Result]:
    ask = functools.partial(measure, case=shared(row).name, chip=chip, side="flash", which=which)
    if row.dropout or row.bias == "relative":
        return None, {"error": "has no " + ("dropout" if row.dropout else "relative terms")}
    found = [(ask(setting=[size]), [size]) for size in (row.T, 512) if row.T % size == 0 and size <= 1024]
    result, setting = min(found, key=_bundles)
    return setting, result


def _bundles(found: tuple[Result, Any]) -> float:
    return found[0].get("per_head", float("inf"))


def best_ours(
    measure: Measurements, row: AttentionCase, chip: str, which: str, start: list[int]
) -> tuple[list[int], Result]:
    """Changes one size of the blocks at a time for as long as that saves bundles."""
    ask = functools.partial(measure, case=row.name, chip=chip, side="ours", which=which)
    setting, result = start, ask(setting=start)
    better = True
    while better:
        better = False
        for other in filter(functools.partial(fits, row), neighbours(row, setting)):
            tried = ask(setting=other)
            if _bundles((tried, None)) < _bundles((result, None)):
                setting, result, better = other, tried, True
    return setting, result


def neighbours(row: AttentionCase, setting: list[int]) -> Iterator[list[int]]:
    """Blocks that differ in one size; (heads, overlap, step, queries, keys)."""
    for place, value in enumerate(setting):
        if place == 2 and row.T <= blocks.WHOLE:
            continue  # a row is taken as a whole
        choices = _COUNTS if place < 2 else sorted({128, 256, 512, 1024, row.T, row.keys})
        at = choices.index(value)
        for other in (*choices[max(at - 1, 0) : at], *choices[at + 1 : at + 2]):
            found = [*setting[:place], other, *setting[place + 1 :]]
            yield [found[0], min(found[:2]), found[2], min(found[2:4]), found[4]]


def fits(row: AttentionCase, setting: list[int]) -> bool:
    heads, overlap, step, queries, keys = setting
    lengths = (step, row.T), (queries, step), (keys, row.keys)
    whole = all(small >= 128 and small % 128 == 0 and large % small == 0 for small, large in lengths)
    return whole and row.key_heads % heads == 0 and overlap <= heads


def cycles(
    measure: Measurements, row: AttentionCase, must_run: float | None, **request: Any
) -> tuple[str, float | None]:
    """Simulated cycles of the whole call, in words and, where they can be true, as a number.

    Args:
      must_run: bundles for one head; None where they cannot be counted, for XLA alone.
    """
    if not CYCLES.value:
        return ""
    result = measure(case=row.name, simulate=True, **request)
    if "error" in result:
        return result["error"]
    if result.get("missing") or not all(result["cycles"].values()):
        return "not simulated"
    total = sum(result["cycles"].values())
    if must_run is not None and not bundles.believable(total, must_run * row.B * row.N, CORES[request["chip"]]):
        return "rejected"
    return f"{total / 1000:,.0f}k"


def line(measure: Measurements, row: AttentionCase, chip: str, which: str) -> list[str]:
    """The cells of one row, chip and pass."""
    setting = choice(row, which, chip)
    request = {"chip": chip, "which": which}
    mine = measure(case=row.name, side="ours", setting=setting, **request)
    theirs_setting, theirs = best_splash(measure, row, chip, which)
    _, older = best_flash(measure, row, chip, which)
    mine_cycles = cycles(measure, row, mine.get("per_head"), side="ours", setting=setting, **request)
    their_cycles = ""
    if "per_head" in theirs:
        their_cycles = cycles(measure, row, theirs["per_head"], side="splash", setting=theirs_setting, **request)
    xla_cycles = cycles(measure, row, None, side="xla", **request)
    kernel = next(iter(mine.get("kernels", {"": {}}).values()))
    return [
        row.name, chip, which, words(setting), number(mine), f"{kernel.get('spills', '')}",
        f"{kernel['vmem'] / 2**20:.1f}" if kernel.get("vmem") else "", number(theirs),
        words(theirs_setting) if "per_head" in theirs else "", ratio(mine, theirs), number(older), mine_cycles,
        their_cycles, xla_cycles,
    ]  # fmt: skip


def number(found: Result) -> str:
    return f"{found['per_head']:,.0f}" if "per_head" in found else found["error"]


def ratio(mine: Result, theirs: Result) -> str:
    if "per_head" not in mine or "per_head" not in theirs:
        return ""
    return f"{theirs['per_head'] / mine['per_head']:.2f}"


def words(setting: list[Any] | None) -> str:
    return "" if setting is None else " ".join(str(part).replace("_MINOR", "").lower() for part in setting)


HEADINGS = (
    "row", "chip", "pass", "blocks", "bundles", "spills", "VMEM MiB", "splash bundles", "splash setting",
    "splash / ours", "flash bundles", "cycles", "splash cycles", "XLA cycles",
)  # fmt: skip

PREAMBLE = """# TPU attention by the compiler's estimate

{versions}. `python -m benchmarks.tpu_static`, on a machine without a TPU: **no figure here is a timing.**

Bundles: what libtpu schedules and must run for one head of queries of one row of the batch, in our kernel, in JAX's
splash kernel at the best of the settings tried, and in its flash kernel. A core issues one bundle a cycle at most;
waits and copies come on top. Blocks: heads, heads that overlap, queries in a step, queries and keys in a tile. Splash
setting: block_q, block_kv, block_kv_compute, backward pass in one kernel (fused) or two (split), layout. Spills:
registers stored for want of room, in the code of a step. Splash gets no credit or blame for what XLA does around it
(scaling of the query, products of outputs with their gradients, sums of partial gradients); ours does that inside.
Cycles: libtpu's static simulation of the whole batch. They are "rejected" where they are fewer than the bundles that
must run, as where a kernel branches on data; "not simulated" where an operation came out as 0; "libtpu aborted" where
it did; "out of vmem" where only the simulated program did not fit. XLA has no bundles that compare.

"""


def table(lines: list[list[str]]) -> str:
    rows = [list(HEADINGS), ["---"] * len(HEADINGS), *lines]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in rows)


def main(_: Any) -> None:
    unknown = [f"--rows={name}" for name in ROWS.value if name not in {row.name for row in CASES}]
    unknown += [f"--chips={chip}" for chip in CHIPS.value if chip not in CORES]
    if unknown:
        raise ConfigError(
            f"Unknown: {', '.join(unknown)}; rows are in zoo/kernels/attention/specs.py, chips {list(CORES)}."
        )
    measure, lines = Measurements(MEMO.value), []
    text = PREAMBLE.format(versions=tpu_compile.versions())
    for name, chip, which in itertools.product(ROWS.value, CHIPS.value, PASSES):
        measure.bar.set_description(f"{name} {chip} {which}")
        if SWEEP.value:
            start = choice(case(name), which, chip)
            setting, result = best_ours(measure, case(name), chip, which, start)
            print(name, chip, which, setting, number(result), flush=True)
            continue
        lines.append(line(measure, case(name), chip, which))
        Path(OUT.value).write_text(text + table(lines))  # as far as it is


if __name__ == "__main__":
    app.run(main)

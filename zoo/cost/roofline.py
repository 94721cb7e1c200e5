# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How long a step should take on a chip, from what its compiled program does: a prediction, never a measurement.

The program's operations are simulated in schedule order, on one device. Each takes the longest of three times: its
products on the matrix units, with short sides padded to the unit's 128 or 256 rows and at `MATRIX` of the peak; its
bytes at `MEMORY` of the main memory's bandwidth; and, unless it is one of our kernels, the TPU compiler's own cycle
estimate, which alone accounts for the vector unit and layouts. Attention kernels run at the fraction of the peak that
the instruction bundles in benchmarks/records/tpu_static.md give, by pass and head width, without dropout; those of
the LM head's loss likewise (benchmarks/records/xent_static.md).

The time of a collective comes from `zoo.cost.torus`. An asynchronous one overlaps with the operations scheduled between
its start and its end, after those started before it, and costs only what is left when it is waited for; a synchronous
one costs all of its time. Asynchronous copies between memories get the bandwidth that the operations meanwhile leave.
"Exposed" is the time that the schedule does not overlap. A loop is one pass through its body times its trip count;
nothing overlaps across iterations.

Not modelled: the host, the input, jitter, the time between operations (a few hundred nanoseconds each), memory refresh,
throttling. The compiler's cycle counts are conservative: for plain copies they are twice the time that the memory
needs. `roofline_seconds` ignores them and nothing else; `bound_seconds` also assumes full peaks, so that no run with
that schedule can be faster. MFU is the model's operations (`zoo.cost.flops`, three forward passes, a mask saves
nothing) over what the chips could do in that time at their peak.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.cost.chips import Chip
from zoo.cost.products import Product
from zoo.cost.program import Kernel, Loop, Op, Program
from zoo.cost.torus import Torus

# libtpu's own estimate of large products alone: 0.88 of the peak on v5e, 0.90 on v5p and v4, 0.70 to 0.90 on v6e.
MATRIX = 0.9
# Its estimate of one long fusion that reads and writes: 0.81 of v5e's bandwidth; copies on GPUs reach 0.9.
MEMORY = 0.85
_SUBLANES = 8  # sublanes of a tile
# Fraction of the peak by size of the matrix unit and pass, at head widths of 64 and 128: the operations that are needed
# over those that the bundles take, from the rows of GPT-3 in benchmarks/records/tpu_static.md (v5e, v6e).
_ATTENTION = {
    (128, "forward"): (0.58, 0.94),
    (128, "backward"): (0.75, 1.0),
    (256, "forward"): (0.27, 0.49),
    (256, "backward"): (0.31, 0.56),
}
_LOSS = {(128, "forward"): 1.0, (128, "backward"): 1.0, (256, "forward"): 0.6, (256, "backward"): 0.81}

CATEGORIES = ("matmul", "attention kernel", "loss kernel", "elementwise and memory", "exposed collectives")
_MATMUL, _ATTENTION_KERNEL, _LOSS_KERNEL, _OTHER, _EXPOSED = CATEGORIES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """How long a step is predicted to take.

    Attributes:
      seconds: of a step. roofline_seconds: from products, memory and links alone, without the compiler's cycle counts.
      bound_seconds: a lower bound.
      mfu, roofline_mfu: the model's operations as a fraction of the chips' peak, in `seconds` and `roofline_seconds`.
      by_category: seconds of each of `CATEGORIES`; they add up to `seconds`.
      collective_seconds: of all collectives, overlapped ones included.
    """

    seconds: float
    roofline_seconds: float
    bound_seconds: float
    mfu: float
    roofline_mfu: float
    by_category: Mapping[str, float]
    collective_seconds: float


def predict(program: Program, chip: Chip, devices: Sequence[Any], model_flops: int) -> Prediction:
    """Predicts a step's time.

    Args:
      devices: in the order of the flattened mesh. model_flops: of one step, on all devices.
    """
    torus = Torus.create(chip, devices)
    by_category = _Clock(torus, Rates(chip)).run(program.steps)
    bound = _Clock(torus, Rates(chip, matrix=1.0, memory=1.0, estimates=False)).run(program.steps)
    plain = _Clock(torus, Rates(chip, estimates=False)).run(program.steps)
    seconds, peak = sum(by_category.values()), chip.flops_per_second / chip.devices * len(devices)
    roofline_seconds = sum(plain.values())
    return Prediction(
        seconds=seconds,
        roofline_seconds=roofline_seconds,
        bound_seconds=sum(bound.values()),
        mfu=model_flops / (seconds * peak),
        roofline_mfu=model_flops / (roofline_seconds * peak),
        by_category=by_category,
        collective_seconds=math.fsum(times * torus.seconds(found) for times, _, found in program.collectives()),
    )


@dataclasses.dataclass(frozen=True)
class Rates:
    """How fast one device is assumed to be.

    Attributes:
      matrix, memory: fractions of the peaks that are reached; a `matrix` of 1 puts kernels at the peak as well.
      estimates: whether the compiler's cycle estimates count.
    """

    chip: Chip
    matrix: float = MATRIX
    memory: float = MEMORY
    estimates: bool = True

    def seconds(self, op: Op) -> float:
        """Of one operation, without collectives."""
        return max(self.compute_seconds(op), self.memory_seconds(op), self._estimated(op))

    def compute_seconds(self, op: Op) -> float:
        """On the matrix units."""
        peak = self.chip.flops_per_second / self.chip.devices
        products = sum(padded_flops(product, self.chip.matrix_unit) for product in op.products) / self.matrix
        kernels = sum(kernel.flops / self._efficiency(kernel) for kernel in op.kernels)
        return (products + kernels) / peak

    def memory_seconds(self, op: Op) -> float:
        """To and from the main memory."""
        return op.bytes / (self.chip.hbm_bytes_per_second / self.chip.devices * self.memory)

    def _estimated(self, op: Op) -> float:
        if not self.estimates or op.cycles is None or op.kernels or self.chip.cycles_per_second is None:
            return 0.0
        return op.cycles / self.chip.cycles_per_second

    def _efficiency(self, kernel: Kernel) -> float:
        """The fraction of the peak that a kernel reaches."""
        if self.matrix == 1.0:
            return 1.0
        key = (self.chip.matrix_unit, "backward" if kernel.name.endswith("backward") else "forward")
        if "attention" in kernel.name and key in _ATTENTION and len(kernel.shapes[0]) == 4:
            narrow, wide = _ATTENTION[key]
            width = kernel.shapes[0][2]  # [B, N, H, T]
            return narrow + (wide - narrow) * min(max((width - 64) / 64, 0.0), 1.0)
        return _LOSS.get(key, self.matrix) if "softmax_xent" in kernel.name else self.matrix


def padded_flops(product: Product, unit: int) -> int:
    """Operations with padded sides: the depth and one free side to the unit's size, the other to 8 sublanes."""

    def padded(size: float | int, to: int) -> int:
        return math.ceil(size / to) * to

    sides = (product.rows, product.columns)
    free = min(padded(a, unit) * padded(b, _SUBLANES) for a, b in (sides, sides[::-1]))
    return 2 * product.batch * free * padded(product.depth, unit)


def category(op: Op) -> str:
    """The category that the time of an operation counts in."""
    names = [kernel.name for kernel in op.kernels]
    if any("attention" in name for name in names):
        return _ATTENTION_KERNEL
    if any("softmax_xent" in name for name in names):
        return _LOSS_KERNEL
    return _MATMUL if op.products else _OTHER


class _Clock:
    """Simulates steps in order, with two queues of asynchronous transfers: collectives and copies."""

    def __init__(self, torus: Torus, rates: Rates):
        self.torus, self.rates = torus, rates
        self.links, self.copies = _Queue(), _Queue()
        self.spent: dict[str, float] = dict.fromkeys(CATEGORIES, 0.0)

    def run(self, steps: Sequence[Op | Loop]) -> dict[str, float]:
        """Seconds by category, until the last transfer has finished."""
        for step in steps:
            if isinstance(step, Loop):
                self._loop(step)
            else:
                self._wait(step.ends)
                self._do(step)
        self._pass(_EXPOSED, self.links.finish())
        self._pass(_OTHER, self.copies.finish())
        return self.spent

    def _loop(self, loop: Loop) -> None:
        for name, seconds in _Clock(self.torus, self.rates).run(loop.steps).items():
            self._pass(name, loop.times * seconds)

    def _wait(self, name: str | None) -> None:
        if name is not None:
            self._pass(_EXPOSED, self.links.finish(name))
            self._pass(_OTHER, self.copies.finish(name))

    def _do(self, op: Op) -> None:
        if op.begins is None:
            if op.collective is not None:  # after those already on the links
                self._pass(_EXPOSED, self.links.finish() + self.torus.seconds(op.collective))
                op = dataclasses.replace(op, read_bytes=0, written_bytes=0)
            self._pass(category(op), self.rates.seconds(op), busy=self.rates.memory_seconds(op))
        elif op.collective is not None:
            self.links.begin(op.begins, self.torus.seconds(op.collective))
            self._pass(category(op), self.rates.compute_seconds(op))  # of the work that the start is fused with
        else:
            self.copies.begin(op.begins, self.rates.memory_seconds(op))

    def _pass(self, name: str, seconds: float, busy: float = 0.0) -> None:
        """Lets time pass; for `busy` seconds of it the memory is in use."""
        self.spent[name] += seconds
        self.links.advance(seconds)
        self.copies.advance(max(seconds - busy, 0.0))


class _Queue:
    """Asynchronous transfers, one after another."""

    def __init__(self):
        self._left: dict[str, float] = {}

    def begin(self, name: str, seconds: float) -> None:
        self._left[name] = seconds

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        for name in list(self._left):
            if seconds < self._left[name]:
                self._left[name] -= seconds
                return
            seconds -= self._left.pop(name)

    def finish(self, name: str | None = None) -> float:
        """Seconds until `name`, or all, is done, which it then is; 0 if it was before, or never here."""
        if name is not None and name not in self._left:
            return 0.0
        total = 0.0
        for key in list(self._left):
            total += self._left.pop(key)
            if key == name:
                break
        return total

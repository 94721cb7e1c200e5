# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Where a step's time goes, by the operations of its program: the predicted time of each, and the least it needs.

Collectives are not included; `zoo.cost.roofline` has the time of those that the schedule does not overlap.
"""

import collections
import dataclasses
import re

from zoo.cost.chips import Chip
from zoo.cost.program import Op, Program
from zoo.cost.roofline import Rates, category

# Parts of a path that JAX adds around the name of the operation itself.
_AROUND = re.compile(
    r"(jit|jvp|transpose)\(.*\)|checkpoint|rematted_computation|while|body|closed_call|shard_map|cond|branch_\d+_fun"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operations:
    """The operations of one category and phase that come from one operation of the traced program.

    Attributes:
      phase: forward, backward, recomputed (in the backward pass), or outside: the update of a training step, or all of
        another step.
      count: how often they run in a step, all together.
      seconds: predicted, all together.
      matrix_seconds, memory_seconds: what their products and their bytes need at the full peaks, without padding.
    """

    category: str
    phase: str
    name: str
    count: int
    seconds: float
    matrix_seconds: float
    memory_seconds: float

    @property
    def idle_seconds(self) -> float:
        """The time in which the matrix units are idle."""
        return self.seconds - self.matrix_seconds


def operations(program: Program, chip: Chip) -> list[Operations]:
    """All operations of a step but collectives and asynchronous copies, by idle matrix units, the longest first."""
    taken, needed, peak = Rates(chip), Rates(chip, memory=1.0), chip.flops_per_second / chip.devices
    alike: dict[tuple[str, str, str], list[tuple[int, Op]]] = collections.defaultdict(list)
    for times, op in program.executed():
        if op.collective is not None:  # the work it is fused with takes time as well; its bytes are the collective's
            op = dataclasses.replace(op, read_bytes=0, written_bytes=0, cycles=None if op.begins else op.cycles)
        elif op.begins is not None:
            continue
        if taken.seconds(op) > 0:
            alike[category(op), phase(op.source), name(op)].append((times, op))
    found = [
        Operations(
            category=kind,
            phase=when,
            name=called,
            count=sum(times for times, _ in group),
            seconds=sum(times * taken.seconds(op) for times, op in group),
            matrix_seconds=sum(times * op.flops for times, op in group) / peak,
            memory_seconds=sum(times * needed.memory_seconds(op) for times, op in group),
        )
        for (kind, when, called), group in alike.items()
    ]
    return sorted(found, key=lambda one: -one.idle_seconds)


def phase(source: str) -> str:
    """The phase of the step, from a path in the traced program."""
    if "rematted_computation" in source:
        return "recomputed"
    if "transpose(" in source:
        return "backward"
    return "forward" if "jvp(" in source else "outside"


def name(op: Op) -> str:
    """The operation's name in the traced program, or its opcode if the compiler has added it."""
    if op.kernels:
        return op.kernels[0].name
    parts = [part for part in op.source.partition(";")[0].split("/") if part and not _AROUND.fullmatch(part)]
    return re.sub(r"\.\d+$", "", parts[-1]) if parts else op.opcode

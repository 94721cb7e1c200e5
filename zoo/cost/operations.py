# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Where a step's time goes, by the operations of its program: what each is predicted to take, and what it needs.

Exchanges are not among them; `zoo.cost.roofline` says what they cost beyond what the schedule hides.
"""

import collections
import dataclasses
import re

from zoo.cost.chips import Chip
from zoo.cost.roofline import Rates, category
from zoo.cost.walk import Op, Program

# What JAX writes around the name of the operation itself.
_AROUND = re.compile(
    r"(jit|jvp|transpose)\(.*\)|checkpoint|rematted_computation|while|body|closed_call|shard_map|cond|branch_\d+_fun"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operations:
    """Those of one category and phase that come from one operation of the traced program.

    Attributes:
      phase: forward, backward, recomputed (in the backward pass), or outside: of a training step the update, of others
        all of it.
      count: how often they run in a step, all together.
      seconds: that they are predicted to take.
      matrix_seconds, memory_seconds: that their products and their bytes need at the full peaks, nothing filled up.
    """

    category: str
    phase: str
    name: str
    count: int
    seconds: float
    matrix_seconds: float
    memory_seconds: float

    @property
    def lost_seconds(self) -> float:
        """In which the matrix units do nothing."""
        return self.seconds - self.matrix_seconds


def operations(program: Program, chip: Chip) -> list[Operations]:
    """All that a step does beside exchanges and copies under way, those that lose most first."""
    taken, needed, peak = Rates(chip), Rates(chip, memory=1.0), chip.flops_per_second / chip.devices
    alike: dict[tuple[str, str, str], list[tuple[int, Op]]] = collections.defaultdict(list)
    for times, op in program.executed():
        if op.collective is not None:  # what it is fused with takes time as well; its bytes are those of the exchange
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
    return sorted(found, key=lambda one: -one.lost_seconds)


def phase(source: str) -> str:
    """Of the step, from a place in the traced program."""
    if "rematted_computation" in source:
        return "recomputed"
    if "transpose(" in source:
        return "backward"
    return "forward" if "jvp(" in source else "outside"


def name(op: Op) -> str:
    """What it was in the traced program; of what the compiler has added, its opcode."""
    if op.kernels:
        return op.kernels[0].name
    parts = [part for part in op.source.partition(";")[0].split("/") if part and not _AROUND.fullmatch(part)]
    return re.sub(r"\.\d+$", "", parts[-1]) if parts else op.opcode

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a compiled program does on one device: operations in schedule order, and loops with their trip counts."""

import dataclasses
from collections.abc import Callable, Iterator

from zoo.cost.collectives import Collective
from zoo.cost.products import Product


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kernel:
    """A call of one of our Pallas kernels.

    Attributes:
      flops: from its cost estimate. shapes: of its operands.
    """

    name: str
    flops: int
    shapes: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Op:
    """One operation that takes time; a whole fusion is one.

    Attributes:
      source: its path in the traced program (`op_name`).
      read_bytes, written_bytes: in the main memory.
      begins, ends: the name of an asynchronous transfer that this operation starts, or whose end it waits for; what is
        scheduled between the two overlaps with it.
      cycles: the TPU compiler's own estimate; None where it gives none.
    """

    name: str
    opcode: str
    source: str = ""
    products: tuple[Product, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    collective: Collective | None = None
    read_bytes: int = 0
    written_bytes: int = 0
    begins: str | None = None
    ends: str | None = None
    cycles: int | None = None

    @property
    def flops(self) -> int:
        """Of its matrix products, and of kernels by their cost estimates."""
        return sum(product.flops for product in self.products) + sum(kernel.flops for kernel in self.kernels)

    @property
    def bytes(self) -> int:
        return self.read_bytes + self.written_bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
    """Steps that run `times` times."""

    name: str
    times: int
    steps: "tuple[Op | Loop, ...]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """What one of `devices` devices does."""

    steps: tuple[Op | Loop, ...]
    devices: int

    def executed(self) -> Iterator[tuple[int, Op]]:
        """Every operation, with how often it runs."""
        return _executed(self.steps, 1)

    def total(self, of: Callable[[Op], int]) -> int:
        """The sum of `of(op)` over all operations that run."""
        return sum(times * of(op) for times, op in self.executed())

    @property
    def flops(self) -> int:
        """Of one device."""
        return self.total(lambda op: op.flops)

    @property
    def kernel_flops(self) -> int:
        """Those of `flops` that our own kernels compute, by their cost estimates."""
        return self.total(lambda op: sum(kernel.flops for kernel in op.kernels))

    @property
    def bytes(self) -> int:
        """Read and written in one device's main memory."""
        return self.total(lambda op: op.bytes)

    def collectives(self) -> Iterator[tuple[int, Op, Collective]]:
        """Every collective once, where it starts, with how often it runs."""
        return ((times, op, op.collective) for times, op in self.executed() if op.collective is not None)


def _executed(steps: tuple[Op | Loop, ...], times: int) -> Iterator[tuple[int, Op]]:
    for step in steps:
        if isinstance(step, Loop):
            yield from _executed(step.steps, times * step.times)
        else:
            yield times, step

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The contents of a fusion in an HLO program (products, kernels, a collective) and the bytes that cross its edges."""

import re

from zoo.cost import collectives
from zoo.cost.collectives import Collective
from zoo.cost.hlo import Computation, Instruction, Module
from zoo.cost.opcodes import FREE, PRODUCTS, SLICES, UPDATES, WHOLE_ARRAY, custom_call, is_collective, target
from zoo.cost.products import Product, product
from zoo.cost.program import Kernel
from zoo.errors import InputError

_CHAIN = re.compile(r'chain_id="(\w+)"')


class Contents:
    """What a fusion computes, with the fusions in it.

    Attributes:
      begins, ends: the name of the asynchronous collective that it starts, or whose end it waits for.
    """

    def __init__(self, module: Module, fused: Computation):
        self.module = module
        self.products: list[Product] = []
        self.kernels: list[Kernel] = []
        self.collective: Collective | None = None
        self.begins: str | None = None
        self.ends: str | None = None
        self._add(fused)

    def _add(self, fused: Computation) -> None:
        targets = [target(one) for one in fused.instructions.values() if one.opcode == "custom-call"]
        for instruction in fused.instructions.values():
            opcode = instruction.opcode
            if opcode == "fusion":
                self._add(self.module.called(instruction, "calls"))
            elif opcode in PRODUCTS:
                self.products.append(product(instruction, fused))
            elif opcode == "custom-call":
                self.kernels += custom_call(instruction, fused.operands(instruction))[0]
            elif opcode in collectives.KINDS:
                self._add_collective(instruction, fused, targets)
            elif opcode in ("while", "call", "conditional") or not (
                opcode in FREE or opcode in WHOLE_ARRAY or opcode in SLICES or opcode in UPDATES
            ):
                raise InputError(f"The HLO operation {opcode!r} ({instruction.name}) is unknown inside a fusion.")

    def _add_collective(self, instruction: Instruction, fused: Computation, targets: list[str]) -> None:
        chain = _CHAIN.search(instruction.attributes)
        name = f"chain {chain[1]}" if chain else f"channel {instruction.attribute('channel_id')}"
        if "AsyncCollectiveDone" in targets:
            self.ends = name
        elif "AsyncCollectiveStart" in targets or fused.name.partition(".")[0] != "async_collective_fusion":
            self.begins = name if "AsyncCollectiveStart" in targets else None
            kind = instruction.opcode
            if kind == "all-reduce" and any(user.opcode == "dynamic-slice" for user in fused.users[instruction.name]):
                kind = "reduce-scatter"  # how a TPU's compiler fuses one
            self.collective = collectives.collective(kind, instruction, fused, self.module.partitions)


def read_bytes(module: Module, fused: Computation, operands: list[Instruction]) -> int:
    """Bytes that a fusion reads in the main memory: of an operand that is only sliced, those of the slices."""
    return sum(_read(module, fused, index, operand) for index, operand in enumerate(operands))


def written_bytes(fused: Computation, instruction: Instruction) -> int:
    """Bytes that a fusion writes in the main memory: of an update in place, those of the update."""
    root = fused.root
    parts = fused.operands(root) if root.opcode == "tuple" else [root]
    if len(parts) != len(instruction.shapes):
        return sum(shape.main_bytes for shape in instruction.shapes)
    return sum(min(shape.main_bytes, _new(fused, part)) for shape, part in zip(instruction.shapes, parts, strict=True))


def _read(module: Module, fused: Computation, index: int, operand: Instruction) -> int:
    shape = operand.shapes[0]
    if shape.space or len(operand.shapes) > 1:
        return sum(shape.main_bytes for shape in operand.shapes)
    return min(shape.stored_bytes, _used(module, fused, fused.parameters[index].name, shape.stored_bytes))


def _used(module: Module, fused: Computation, name: str, whole: int) -> int:
    """How many bytes of an array of `whole` bytes the users of `name` read."""
    total = 0
    for user in fused.users[name]:
        is_first = user.operands[0] == name
        if user.opcode == "bitcast":
            total += _used(module, fused, user.name, whole)
        elif user.opcode in SLICES and is_first:
            total += user.shapes[0].stored_bytes
        elif user.opcode == "fusion":
            inner = module.called(user, "calls")
            numbers = [number for number, operand in enumerate(user.operands) if operand == name]
            total += sum(_used(module, inner, inner.parameters[number].name, whole) for number in numbers)
        elif not (user.opcode == "tuple" or (user.opcode in UPDATES and is_first) or is_collective(user)):
            return whole
    return total


def _new(fused: Computation, part: Instruction) -> int:
    """Bytes of one of a fusion's results that it does not merely pass on."""
    while part.opcode == "bitcast":
        part = fused.operands(part)[0]
    if part.opcode == "parameter" or is_collective(part):
        return 0
    if part.opcode in UPDATES:
        return fused.operands(part)[UPDATES[part.opcode]].shapes[0].stored_bytes
    return sum(shape.stored_bytes for shape in part.shapes)

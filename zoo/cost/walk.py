# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Walks through an optimised HLO program and counts what it does on one device.

Loops count as often as they run, by the compiler's `known_trip_count` or by their condition; of a conditional, the
branch with the most products counts. Bytes are those that cross the edges of fusions in the main memory: arrays in a
TPU's VMEM count nothing, a slice counts what it reads, and an update in place what it writes. Where a TPU's compiler
splits a collective into parts that it fuses with other work, it is counted once, from its start to its end. What is
not understood is an error: an unknown operation, custom call, or trip count.
"""

import dataclasses
import re
from typing import Any

from zoo.cost import collectives, fusion, hlo
from zoo.cost.hlo import Computation, Instruction, Module
from zoo.cost.opcodes import FREE, PRODUCTS, SLICES, UPDATES, WHOLE_ARRAY, custom_call
from zoo.cost.products import product
from zoo.cost.program import Loop, Op, Program
from zoo.cost.trip_count import trip_count
from zoo.errors import InputError

_CYCLES = re.compile(r'"estimated_cycles":"?(-?\d+)"?')
_START, _UPDATE, _DONE = "start", "update", "done"  # suffixes of asynchronous opcodes


def walk(text: str) -> Program:
    """Reads `compiled.as_text()`.

    Raises:
      InputError: for a text, an operation or a loop that is not understood.
    """
    module = hlo.parse(text)
    return Program(steps=_Walker(module).steps(module.entry), devices=module.partitions)


class _Walker:
    def __init__(self, module: Module):
        self.module = module
        self._known: dict[str, tuple[Op | Loop, ...]] = {}

    def steps(self, computation: Computation) -> tuple[Op | Loop, ...]:
        if computation.name not in self._known:
            found: list[Op | Loop] = []
            for instruction in computation.instructions.values():
                found += self._steps(instruction, computation)
            self._known[computation.name] = tuple(found)
        return self._known[computation.name]

    def _steps(self, instruction: Instruction, computation: Computation) -> tuple[Op | Loop, ...]:
        opcode = instruction.opcode
        if opcode in FREE:
            return ()
        if opcode == "while":
            times = trip_count(self.module, instruction, computation)
            inside = (*self.steps(self.module.called(instruction, "condition")),
                      *self.steps(self.module.called(instruction, "body")))  # fmt: skip
            return (Loop(name=instruction.name, times=times, steps=inside),)
        if opcode == "call":
            return self.steps(self.module.called(instruction, "to_apply"))
        if opcode == "conditional":
            return max(map(self.steps, self._branches(instruction)), key=_cost)
        if opcode == "fusion":
            return (self._fusion(instruction, computation),)
        base, _, phase = opcode.rpartition("-")
        if phase in (_START, _UPDATE, _DONE) and base:
            return self._asynchronous(base, phase, instruction, computation)
        return (self._single(opcode, instruction, computation),)

    def _branches(self, instruction: Instruction) -> list[Computation]:
        found = re.search(r"branch_computations=\{([^}]*)\}", instruction.attributes)
        if found:
            return [self.module.computations[name] for name in re.findall(r"%([\w.\-]+)", found[1])]
        return [self.module.called(instruction, f"{side}_computation") for side in ("true", "false")]

    def _op(self, instruction: Instruction, **fields: Any) -> Op:
        cycles = _CYCLES.search(instruction.attributes)
        known = int(cycles[1]) if cycles and int(cycles[1]) >= 0 else None
        return Op(name=instruction.name, opcode=instruction.opcode, source=instruction.source, cycles=known, **fields)

    def _single(self, opcode: str, instruction: Instruction, computation: Computation) -> Op:
        operands = computation.operands(instruction)
        written = sum(shape.main_bytes for shape in instruction.shapes)
        read = sum(shape.main_bytes for operand in operands for shape in operand.shapes)
        if opcode in collectives.KINDS:
            found = collectives.collective(opcode, instruction, computation, self.module.partitions)
            return self._op(instruction, collective=found, read_bytes=read, written_bytes=written)
        if opcode in PRODUCTS:
            products = (product(instruction, computation),)
            return self._op(instruction, products=products, read_bytes=read, written_bytes=written)
        if opcode in SLICES:
            used = sum(shape.stored_bytes for shape in instruction.shapes) if operands[0].shapes[0].space == 0 else 0
            return self._op(instruction, read_bytes=min(used, read), written_bytes=written)
        if opcode in UPDATES:
            update = operands[UPDATES[opcode]].shapes[0]
            return self._op(instruction, read_bytes=update.main_bytes, written_bytes=min(update.stored_bytes, written))
        if opcode == "custom-call":
            kernels, is_free = custom_call(instruction, operands)
            if is_free:
                return self._op(instruction)
            return self._op(instruction, kernels=kernels, read_bytes=read, written_bytes=written)
        if opcode not in WHOLE_ARRAY:
            raise InputError(
                f"The HLO operation {opcode!r} ({instruction.name}) is unknown; add it to zoo/cost/opcodes.py."
            )
        return self._op(instruction, read_bytes=read, written_bytes=written)

    def _asynchronous(
        self, base: str, phase: str, instruction: Instruction, computation: Computation
    ) -> tuple[Op | Loop, ...]:
        if phase == _DONE:
            return (self._op(instruction, ends=_started_by(instruction, computation)),)
        if phase == _UPDATE:
            return ()
        begins = instruction.name
        if base == "copy":
            source, target = computation.operands(instruction)[0].shapes[0], instruction.shapes[0]
            return (
                self._op(instruction, read_bytes=source.main_bytes, written_bytes=target.main_bytes, begins=begins),
            )
        if base in SLICES or base in UPDATES:
            operands = [shape for operand in computation.operands(instruction) for shape in operand.shapes]
            target = instruction.shapes[len(operands)]
            part = operands[UPDATES[base]] if base in UPDATES else target
            read, written = (part.stored_bytes * (not shape.space) for shape in (operands[0], target))
            return (self._op(instruction, read_bytes=read, written_bytes=written, begins=begins),)
        if base in collectives.KINDS:
            return (dataclasses.replace(self._single(base, instruction, computation), begins=begins),)
        if base in ("async", "call", "fusion"):
            key = "calls" if instruction.attribute("calls") else "to_apply"
            inside = self.steps(self.module.called(instruction, key))
            if len(inside) == 1 and isinstance(inside[0], Op):
                return (dataclasses.replace(inside[0], begins=begins),)
        raise InputError(f"The asynchronous operation {instruction.opcode!r} ({instruction.name}) is unknown.")

    def _fusion(self, instruction: Instruction, computation: Computation) -> Op:
        fused = self.module.called(instruction, "calls")
        inside = fusion.Contents(self.module, fused)
        return self._op(
            instruction,
            products=tuple(inside.products),
            kernels=tuple(inside.kernels),
            collective=inside.collective,
            read_bytes=fusion.read_bytes(self.module, fused, computation.operands(instruction)),
            written_bytes=fusion.written_bytes(fused, instruction),
            begins=inside.begins and f"{computation.name} {inside.begins}",
            ends=inside.ends and f"{computation.name} {inside.ends}",
        )


def _started_by(instruction: Instruction, computation: Computation) -> str:
    """The name of the operation that started what this one waits for, or of the parameter that carries it in."""
    while instruction.operands and not instruction.opcode.endswith(f"-{_START}"):
        instruction = computation.operands(instruction)[0]
    return instruction.name


def _cost(steps: tuple[Op | Loop, ...]) -> tuple[int, int]:
    program = Program(steps=steps, devices=1)
    return program.flops, program.bytes

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How often a loop of an HLO program runs."""

import functools
import re
from typing import Any

from zoo.cost.hlo import Computation, Instruction, Module
from zoo.errors import InputError

_KNOWN = re.compile(r'"known_trip_count":\{"n":"?(\d+)"?\}')


def trip_count(module: Module, loop: Instruction, computation: Computation) -> int:
    """The compiler's `known_trip_count`, else counted from the loop's condition, its start and its step.

    Raises:
      InputError: neither gives a number.
    """
    if known := _KNOWN.search(loop.attributes):
        return int(known[1])
    condition, body = (module.called(loop, key) for key in ("condition", "body"))
    test = _value(module, condition, condition.root, {})
    start = None
    if isinstance(test, tuple) and test[0] == "compare" and isinstance(test[2], tuple) and isinstance(test[3], int):
        (_, slot, shift), bound = test[2], test[3]
        carried = computation.operands(loop)[0]
        if carried.opcode == "tuple":
            start = _value(module, computation, computation.operands(carried)[slot], {})
        step = _value(module, body, body.operands(body.root)[slot], {}) if body.root.opcode == "tuple" else None
        if isinstance(start, int) and isinstance(step, tuple) and step[:2] == ("slot", slot) and step[2] > 0:
            bound += {"LT": 0, "LE": 1}.get(test[1], 0) - shift
            if test[1] in ("LT", "LE"):
                return max(0, -(-(bound - start) // step[2]))
    raise InputError(
        f"The loop {loop.name} runs an unknown number of times; a program can be counted if its loops are scans."
    )


def _value(module: Module, computation: Computation, instruction: Instruction, bound: dict[int, Any]) -> Any:
    """A number; `("slot", i, n)`, what the loop carries at `i` plus n; `("compare", how, left, right)`; or None."""
    value = functools.partial(_value, module, computation, bound=bound)
    operands = computation.operands(instruction)
    if instruction.opcode == "constant":
        return int(instruction.literal) if re.fullmatch(r"-?\d+", instruction.literal) else None
    if instruction.opcode == "parameter":
        return bound.get(int(instruction.literal))
    if instruction.opcode == "get-tuple-element" and operands[0].opcode == "parameter" and not bound:
        return ("slot", int(instruction.attribute("index") or 0), 0)
    if instruction.opcode in ("copy", "bitcast", "convert", "reshape", "broadcast"):
        return value(operands[0])
    if instruction.opcode == "add":
        left, right = (value(operand) for operand in operands)
        if isinstance(left, int) and isinstance(right, tuple):
            left, right = right, left
        if isinstance(left, tuple) and left[0] == "slot" and isinstance(right, int):
            return (*left[:2], left[2] + right)
        return left + right if isinstance(left, int) and isinstance(right, int) else None
    if instruction.opcode == "compare":
        return ("compare", instruction.attribute("direction"), *(value(operand) for operand in operands))
    if instruction.opcode in ("fusion", "call"):
        inner = module.called(instruction, "calls" if instruction.opcode == "fusion" else "to_apply")
        return _value(module, inner, inner.root, {number: value(operand) for number, operand in enumerate(operands)})
    return None

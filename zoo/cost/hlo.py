# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The text of an optimised HLO module, `compiled.as_text()`, as computations of instructions.

Only the syntax is understood here; `zoo.cost.walk` knows what instructions cost. A line that does not parse is an
error, since its instruction would be missing from every sum.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from zoo.errors import InputError

# Sections of tables that the text may hold beside the computations.
_TABLES = ("FileNames", "FunctionNames", "FileLocations", "StackFrames")
_HEADER = re.compile(r"(ENTRY )?%?([\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(
    r"\s+(?P<root>ROOT )?%?(?P<name>[\w.\-]+) = (?P<shape>\(.*?\)|\S+) (?P<opcode>[a-z][\w\-]*)"
    r"\((?P<operands>.*?)\)(?P<attributes>(?:, .*)?)$"
)
_ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,<=]*)\](?:\{([^}]*)\})?")
_OPERAND = re.compile(r"%([\w.\-]+)")
_TILE = re.compile(r"T\((\d+)(?:,(\d+))?\)")
_SPACE = re.compile(r"S\((\d+)\)")
_BITS = re.compile(r"[a-z]+?(\d+)")


class Shape(NamedTuple):
    """An array of a result.

    Attributes:
      space: memory space; 0 is the main memory (HBM), 1 a TPU's VMEM, others hold flags and scalars.
      stored_bytes: including the padding of the layout's tiles.
    """

    dtype: str
    dims: tuple[int, ...]
    space: int
    stored_bytes: int

    @property
    def bytes(self) -> int:
        """Without padding."""
        return _bytes(self.dtype, self.dims)

    @property
    def main_bytes(self) -> int:
        """Bytes in the main memory, padding included."""
        return 0 if self.space else self.stored_bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Instruction:
    """One line.

    Attributes:
      shapes: the arrays of the result, those of nested tuples one after another.
      literal: the text between the parentheses. attributes: the text after them.
    """

    name: str
    opcode: str
    shapes: tuple[Shape, ...]
    operands: tuple[str, ...]
    literal: str
    attributes: str
    root: bool

    def attribute(self, key: str) -> str | None:
        """The value of `key=`, up to the next comma, a leading % dropped."""
        found = re.search(rf"\b{key}=%?([^,\s]+)", self.attributes)
        return found[1] if found else None

    def numbers(self, key: str) -> tuple[int, ...]:
        """The numbers of `key={1,2}`; none where it is absent."""
        found = re.search(rf"\b{key}=\{{([\d,]*)\}}", self.attributes)
        return tuple(int(n) for n in found[1].split(",") if n) if found else ()

    @property
    def source(self) -> str:
        """The path in the traced program that it comes from: the metadata's op_name."""
        found = re.search(r'op_name="([^"]*)"', self.attributes)
        return found[1] if found else ""


@dataclasses.dataclass(frozen=True)
class Computation:
    """Instructions in the order in which they run, if the module is scheduled."""

    name: str
    instructions: Mapping[str, Instruction]

    @functools.cached_property
    def root(self) -> Instruction:
        return next(found for found in self.instructions.values() if found.root)

    @functools.cached_property
    def parameters(self) -> dict[int, Instruction]:
        """By their numbers."""
        found = self.instructions.values()
        return {int(one.literal): one for one in found if one.opcode == "parameter"}

    @functools.cached_property
    def users(self) -> dict[str, list[Instruction]]:
        """The instructions that read each instruction."""
        found: dict[str, list[Instruction]] = {name: [] for name in self.instructions}
        for instruction in self.instructions.values():
            for operand in dict.fromkeys(instruction.operands):
                found[operand].append(instruction)
        return found

    def operands(self, instruction: Instruction) -> list[Instruction]:
        return [self.instructions[name] for name in instruction.operands]


@dataclasses.dataclass(frozen=True)
class Module:
    """Attributes: partitions: devices that run it together."""

    computations: Mapping[str, Computation]
    entry: Computation
    partitions: int

    def called(self, instruction: Instruction, key: str) -> Computation:
        """The computation that an attribute such as `calls` names.

        Raises:
          InputError: there is none.
        """
        name = instruction.attribute(key)
        if name is None or name not in self.computations:
            raise InputError(
                f"The instruction {instruction.name} ({instruction.opcode}) names no computation as {key}=."
            )
        return self.computations[name]


def parse(text: str) -> Module:
    """Reads a module's text.

    Raises:
      InputError: a line that is not an instruction, or a text without an entry.
    """
    computations: dict[str, Computation] = {}
    entry = current = None
    table = False
    partitions = re.search(r"^HloModule .*\bnum_partitions=(\d+)", text, re.MULTILINE)
    for number, line in enumerate(text.splitlines(), 1):
        if current is not None:
            if line.startswith("}"):
                current = None
            elif line.strip():
                instruction = _instruction(line, number)
                current[instruction.name] = instruction
        elif line in _TABLES:
            table = True
        elif not line.strip() or line.startswith("HloModule "):
            table = False
        elif header := _HEADER.match(line):
            current = {}
            computations[header[2]] = Computation(header[2], current)
            entry = computations[header[2]] if header[1] else entry
        elif not table:
            raise InputError(f"Line {number} of the HLO text does not begin a computation: {line[:200]!r}.")
    if entry is None or current is not None:
        raise InputError("The HLO text has no complete entry computation; pass the result of compiled.as_text().")
    return Module(computations, entry, int(partitions[1]) if partitions else 1)


def _instruction(line: str, number: int) -> Instruction:
    found = _INSTRUCTION.match(line)
    if found is None:
        raise InputError(f"Line {number} of the HLO text is not an instruction that is understood: {line[:200]!r}.")
    operands = found["operands"]
    return Instruction(
        name=found["name"],
        opcode=found["opcode"],
        shapes=_shapes(found["shape"]),
        operands=tuple(_OPERAND.findall(operands)),
        literal=operands,
        attributes=found["attributes"],
        root=found["root"] is not None,
    )


@functools.lru_cache(maxsize=4096)
def _shapes(text: str) -> tuple[Shape, ...]:
    found = []
    for dtype, sizes, layout in _ARRAY.findall(text):
        dims = tuple(int(size.lstrip("<=")) for size in sizes.split(",") if size)
        space = _SPACE.search(layout)
        found.append(Shape(dtype, dims, int(space[1]) if space else 0, _bytes(dtype, _padded(dims, layout))))
    return tuple(found)


def _padded(dims: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """The sizes padded to the layout's first tile, `T(8,128)`: the two minor-most axes in memory order."""
    tile = _TILE.search(layout)
    if tile is None or not dims:
        return dims
    sizes = [int(size) for size in tile.groups() if size]
    padded = list(dims)
    minor_to_major = [int(axis) for axis in layout.partition(":")[0].split(",") if axis]
    for axis, size in zip(minor_to_major, reversed(sizes), strict=False):
        padded[axis] = -(-padded[axis] // size) * size
    return tuple(padded)


def _bytes(dtype: str, dims: tuple[int, ...]) -> int:
    if dtype == "pred":
        bits = 8
    elif found := _BITS.match(dtype):
        bits = int(found[1])
    else:  # tokens and opaque handles
        bits = 0
    return -(-math.prod(dims) * bits // 8)

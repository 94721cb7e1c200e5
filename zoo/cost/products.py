# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The matrix products of an HLO program: `dot`, and the `convolution` that a TPU's compiler makes of every product."""

import math
import re
from typing import NamedTuple

from zoo.cost.hlo import Computation, Instruction, Shape
from zoo.errors import InputError

_LABELS = re.compile(r"\bdim_labels=(\w+)_(\w+)->(\w+)")
_WINDOW = re.compile(r"\bwindow=\{([^}]*)\}")


class Product(NamedTuple):
    """`batch` products of [rows, depth] with [depth, columns]; of a convolution, depth may be a mean."""

    batch: int
    rows: int
    columns: int
    depth: float
    dtype: str

    @property
    def flops(self) -> int:
        """A multiplication and an addition count as two."""
        return round(2 * self.batch * self.rows * self.columns * self.depth)


def product(instruction: Instruction, computation: Computation) -> Product:
    """What a `dot` or a `convolution` computes.

    Raises:
      InputError: a convolution whose axes are not named.
    """
    left, right = (operand.shapes[0] for operand in computation.operands(instruction)[:2])
    if instruction.opcode == "dot":
        return _dot(instruction, left, right)
    return _convolution(instruction, left, right, instruction.shapes[0])


def _dot(instruction: Instruction, left: Shape, right: Shape) -> Product:
    shared, summed = (instruction.numbers(f"lhs_{kind}_dims") for kind in ("batch", "contracting"))
    batch, depth = (math.prod(left.dims[axis] for axis in axes) for axes in (shared, summed))
    rows, columns = (math.prod(shape.dims) // max(batch * depth, 1) for shape in (left, right))
    return Product(batch, rows, columns, depth, left.dtype)


def _convolution(instruction: Instruction, left: Shape, right: Shape, out: Shape) -> Product:
    """Window positions over padding or between the elements of a dilated input are not counted."""
    labels = _LABELS.search(instruction.attributes)
    if labels is None:
        raise InputError(f"The convolution {instruction.name} does not name its axes (dim_labels).")
    inputs, kernel, outputs = (dict(zip(found, shape.dims, strict=True)) for found, shape in
                               zip(labels.groups(), (left, right, out), strict=True))  # fmt: skip
    rows, columns, depth, batch = outputs["b"], outputs["f"], float(kernel["i"]), 1
    windows = _windows(instruction.attributes, sum(label.isdigit() for label in kernel))
    for axis, window in enumerate(windows):
        positions, size, given = outputs[str(axis)], kernel[str(axis)], inputs[str(axis)]
        covered = _covered(positions, size, given, window)
        if size == 1:  # an axis of the left side alone
            rows *= positions
        elif given == 1 and covered == positions:  # of the right side alone: the window slides over one position
            columns *= positions
        elif covered == positions:  # of both: each position meets one of the window's
            batch *= positions
        else:
            rows, depth = rows * positions, depth * covered / positions
    return Product(batch, rows, columns, depth, left.dtype)


class _Window(NamedTuple):
    stride: int
    before: int
    left_dilation: int
    right_dilation: int


def _windows(attributes: str, axes: int) -> list[_Window]:
    found = _WINDOW.search(attributes)
    fields = dict(part.split("=") for part in found[1].split()) if found else {}

    def values(name: str, default: str) -> list[str]:
        return fields[name].split("x") if name in fields else [default] * axes

    columns = (values("stride", "1"), values("pad", "0_0"), values("lhs_dilate", "1"), values("rhs_dilate", "1"))
    return [
        _Window(int(stride), int(pad.partition("_")[0]), int(left), int(right))
        for stride, pad, left, right in zip(*columns, strict=True)
    ]


def _covered(positions: int, size: int, given: int, window: _Window) -> int:
    """Pairs of an output position and a window position that hit an element of the input."""
    last, step, count = (given - 1) * window.left_dilation, window.left_dilation, 0
    for shift in range(size):
        first = shift * window.right_dilation - window.before
        if step == 1:
            low = max(0, -(first // window.stride))
            count += max(0, min(positions, (last - first) // window.stride + 1) - low)
        else:
            hit = (first + position * window.stride for position in range(positions))
            count += sum(0 <= position <= last and position % step == 0 for position in hit)
    return count

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Where time goes, against sums done by hand."""

import pytest

from zoo.cost.chips import CHIPS
from zoo.cost.collectives import Collective
from zoo.cost.operations import name, operations, phase
from zoo.cost.products import Product
from zoo.cost.program import Kernel, Loop, Op, Program
from zoo.cost.roofline import MATRIX, MEMORY

V5E = CHIPS["v5e"]
FORWARD = "jit(train_step)/jvp()/while/body/closed_call/dot_general"
BACKWARD = "jit(train_step)/transpose(jvp())/while/body/closed_call/checkpoint/reduce_sum"
AGAIN = "jit(train_step)/transpose(jvp())/while/body/closed_call/checkpoint/rematted_computation/reduce_sum"


def op(opcode: str, source: str = "", **fields) -> Op:
    return Op(name=opcode, opcode=opcode, source=source, **fields)


def test_equal_operations_are_one_row_and_the_worst_comes_first():
    product = Product(batch=1, rows=1024, columns=1024, depth=1024, dtype="bf16")
    multiply = op("fusion", FORWARD, products=(product,))
    add = op("fusion", BACKWARD, read_bytes=10**9)
    steps = (multiply, Loop(name="while", times=3, steps=(add, multiply)), op("copy", read_bytes=10**6))
    first, second, last = operations(Program(steps=steps, devices=1), V5E)
    assert (first.category, first.phase, first.name) == ("elementwise and memory", "backward", "reduce_sum")
    assert first.count == 3 and first.matrix_seconds == 0
    assert first.seconds == pytest.approx(3e9 / 819e9 / MEMORY) == first.idle_seconds
    assert first.memory_seconds == pytest.approx(3e9 / 819e9)
    assert (second.category, second.phase, second.name, second.count) == ("matmul", "forward", "dot_general", 4)
    ideal = 4 * 2 * 1024**3 / 197e12
    assert second.matrix_seconds == pytest.approx(ideal) and second.seconds == pytest.approx(ideal / MATRIX)
    assert (last.phase, last.name) == ("outside", "copy")


def test_collectives_and_asynchronous_copies_are_left_out():
    collective = Collective(kind="all-reduce", operand_bytes=8, groups=((0, 1),))
    steps = (op("all-reduce", collective=collective, read_bytes=8), op("copy-start", read_bytes=8, begins="copy"))
    assert operations(Program(steps=steps, devices=2), V5E) == []


@pytest.mark.parametrize(("begins", "seconds"), [(None, 10**6 / 1.5e9), ("chain", 2 * 1024**3 / 197e12 / MATRIX)])
def test_a_product_fused_with_a_collective_counts(begins, seconds):
    """As `roofline` takes it: the compiler's cycles count where the step waits for the whole of it."""
    collective = Collective(kind="reduce-scatter", operand_bytes=8, groups=((0, 1),))
    product = Product(batch=1, rows=1024, columns=1024, depth=1024, dtype="bf16")
    fused = op(
        "fusion", FORWARD, products=(product,), collective=collective, begins=begins, read_bytes=10**9, cycles=10**6
    )
    (found,) = operations(Program(steps=(fused,), devices=2), V5E)
    assert found.seconds == pytest.approx(seconds)


def test_padding_of_a_unit_is_idle_time():
    half = Product(batch=1, rows=1024, columns=1024, depth=64, dtype="bf16")
    (found,) = operations(Program(steps=(op("fusion", FORWARD, products=(half,)),), devices=1), V5E)
    assert found.seconds == pytest.approx(2 / MATRIX * found.matrix_seconds)


@pytest.mark.parametrize(
    ("source", "when", "called"),
    [
        (FORWARD, "forward", "dot_general"),
        (BACKWARD, "backward", "reduce_sum"),
        (AGAIN, "recomputed", "reduce_sum"),
        ("jit(train_step)/mul", "outside", "mul"),
        ("jit(train_step)/jit(_where)/select_n", "outside", "select_n"),
        ("", "outside", "fusion"),
        ("jit(f)/jvp()/transpose", "forward", "transpose"),
        ("jit(f)/reshape.17", "outside", "reshape"),
        ("jit(f)/mul;jit(train_step)", "outside", "mul"),
    ],
)
def test_a_path_in_the_program(source, when, called):
    assert (phase(source), name(op("fusion", source))) == (when, called)


def test_a_kernel_is_called_by_its_name():
    kernel = Kernel(name="attention_forward", flops=8, shapes=((1, 1, 64, 8),))
    assert name(op("custom-call", "jit(f)/attention_forward/pallas_call", kernels=(kernel,))) == "attention_forward"

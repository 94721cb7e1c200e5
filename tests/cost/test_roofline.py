# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Predicted times against sums done by hand: collectives on a torus, one operation, and what a schedule overlaps."""

import dataclasses
import itertools
from types import SimpleNamespace

import pytest

from zoo.cost import roofline
from zoo.cost.chips import CHIPS
from zoo.cost.collectives import Collective
from zoo.cost.products import Product
from zoo.cost.program import Kernel, Loop, Op, Program
from zoo.cost.roofline import Rates, padded_flops, predict
from zoo.cost.torus import HOP_SECONDS, Torus

V5E, V5P, TPU7X = CHIPS["v5e"], CHIPS["v5p"], CHIPS["tpu7x"]
MB = 10**6


def slice_of(chip, *lengths: int) -> Torus:
    """Every device of a slice, the last axis fastest; the cores of a chip one after another."""
    positions = itertools.product(*map(range, lengths))
    return Torus(chip=chip, coordinates=tuple(each for each in positions for _ in range(chip.devices)))


def collective(kind: str, *groups: tuple[int, ...], operand_bytes: int = 64 * MB) -> Collective:
    return Collective(kind=kind, operand_bytes=operand_bytes, groups=groups)


def test_a_ring_sends_both_ways():
    torus = slice_of(V5P, 4, 4, 8)
    found = torus.seconds(collective("all-gather", tuple(range(8)), operand_bytes=8 * MB))
    assert found == pytest.approx(64 * MB * 7 / 8 / (2 * 100e9) + 4 * HOP_SECONDS)


def test_a_line_has_one_link():
    torus = slice_of(V5E, 1, 8)
    found = torus.seconds(collective("all-gather", tuple(range(8)), operand_bytes=8 * MB))
    assert found == pytest.approx(64 * MB * 7 / 8 / 50e9 + 7 * HOP_SECONDS)


def test_two_axes_have_the_links_of_both():
    torus = slice_of(V5E, 2, 2)
    found = torus.seconds(collective("reduce-scatter", (0, 1, 2, 3)))
    assert found == pytest.approx(64 * MB * 3 / 4 / (2 * 50e9) + 2 * HOP_SECONDS)


def test_an_all_reduce_is_a_scatter_and_a_gather():
    torus, group = slice_of(V5E, 4, 4), tuple(range(16))
    whole, parts = torus.seconds(collective("all-reduce", group)), torus.seconds(collective("reduce-scatter", group))
    assert whole == pytest.approx(2 * parts)


def test_groups_that_interleave_share_links():
    torus = slice_of(V5E, 1, 8)
    near = torus.seconds(collective("all-gather", (0, 1, 2, 3), (4, 5, 6, 7)))
    apart = torus.seconds(collective("all-gather", (0, 2, 4, 6), (1, 3, 5, 7)))
    assert apart == pytest.approx(2 * near)


def test_an_all_to_all_passes_the_middle():
    torus = slice_of(V5P, 4, 4, 8)
    found = torus.seconds(collective("all-to-all", tuple(range(8))))
    assert found == pytest.approx(64 * MB * 8 / 4 / (2 * 100e9) + 4 * HOP_SECONDS)


def test_a_permutation_takes_hops_the_short_way():
    pairs = tuple((place, (place + 7) % 8) for place in range(8))
    ring, line = slice_of(V5P, 4, 4, 8), slice_of(V5E, 1, 8)
    once = 64 * MB / 100e9 + HOP_SECONDS
    assert ring.seconds(collective("collective-permute", *pairs)) == pytest.approx(once)
    assert line.seconds(collective("collective-permute", *pairs)) == pytest.approx(7 * (64 * MB / 50e9 + HOP_SECONDS))


def test_cores_of_a_chip():
    torus = slice_of(TPU7X, 1, 1, 4)
    inside = torus.seconds(collective("all-gather", (0, 1)))
    assert inside < 0.1 * torus.seconds(collective("all-gather", (0, 2)))
    # Groups of the first cores and of the second have the same links; one group of all has them to itself.
    halves = torus.seconds(collective("reduce-scatter", (0, 2, 4, 6), (1, 3, 5, 7)))
    whole = torus.seconds(collective("reduce-scatter", tuple(range(8))))
    assert halves == pytest.approx(2 * whole, rel=0.05)


@pytest.mark.parametrize(
    "product, unit, padded",
    [
        (Product(1, 1024, 768, 768, "bf16"), 128, 2 * 1024 * 768 * 768),
        (Product(1, 1024, 768, 64, "bf16"), 128, 2 * 1024 * 768 * 128),
        (Product(12, 1024, 64, 1024, "bf16"), 128, 12 * 2 * 1024 * 64 * 1024),  # either side may be the short one
        (Product(1, 5, 64, 130, "bf16"), 256, 2 * 8 * 256 * 256),
    ],
)
def test_short_sides_are_padded(product, unit, padded):
    assert padded_flops(product, unit) == padded


MATMUL = Op(name="m", opcode="dot", products=(Product(1, 8192, 8192, 8192, "bf16"),), read_bytes=2 * 8192**2 * 2)
COPY = Op(name="c", opcode="copy", read_bytes=400 * MB, written_bytes=400 * MB)


def test_an_operation_is_as_slow_as_its_slowest_part():
    rates = Rates(V5E)
    assert rates.seconds(MATMUL) == pytest.approx(2 * 8192**3 / 197e12 / roofline.MATRIX)
    assert rates.seconds(COPY) == pytest.approx(800 * MB / 819e9 / roofline.MEMORY)
    assert rates.seconds(dataclasses.replace(COPY, cycles=int(1.5e9))) == pytest.approx(1.0)
    assert rates.seconds(dataclasses.replace(COPY, cycles=10)) == rates.seconds(COPY)
    bound = Rates(V5E, matrix=1.0, memory=1.0, estimates=False)
    assert bound.seconds(dataclasses.replace(COPY, cycles=int(1.5e9))) == pytest.approx(800 * MB / 819e9)


def test_kernels_of_attention_depend_on_their_pass_and_head_width():
    def seconds(name: str, width: int) -> float:
        kernel = Kernel(name=name, flops=10**12, shapes=((4, 12, width, 1024),))
        return Rates(V5E).seconds(Op(name="k", opcode="custom-call", kernels=(kernel,)))

    assert seconds("attention_forward", 64) == pytest.approx(1e12 / 197e12 / 0.58)
    assert seconds("attention_forward", 64) > seconds("attention_forward", 96) > seconds("attention_forward", 128)
    assert seconds("attention_backward", 128) == pytest.approx(1e12 / 197e12)


DEVICES = [SimpleNamespace(coords=(x, y, 0)) for x in range(2) for y in range(2)]
REDUCE = Op(name="r", opcode="all-reduce", collective=collective("all-reduce", (0, 1, 2, 3)))
REDUCE_SECONDS = slice_of(V5E, 2, 2).seconds(collective("all-reduce", (0, 1, 2, 3)))
MATMUL_SECONDS = Rates(V5E).seconds(MATMUL)


def predicted(*steps: Op | Loop) -> roofline.Prediction:
    found = predict(Program(steps=steps, devices=4), V5E, DEVICES, model_flops=4 * 2 * 8192**3)
    assert sum(found.by_category.values()) == pytest.approx(found.seconds)
    assert found.bound_seconds <= found.roofline_seconds <= found.seconds
    assert found.roofline_mfu >= found.mfu
    return found


def test_a_synchronous_collective_is_exposed():
    found = predicted(MATMUL, REDUCE)
    assert found.seconds == pytest.approx(MATMUL_SECONDS + REDUCE_SECONDS)
    assert found.by_category["exposed collectives"] == pytest.approx(found.collective_seconds)


def test_a_collective_that_overlaps_a_product_costs_nothing():
    begun, ended = dataclasses.replace(REDUCE, begins="x"), Op(name="e", opcode="all-reduce-done", ends="x")
    assert MATMUL_SECONDS > REDUCE_SECONDS
    found = predicted(begun, MATMUL, ended)
    assert found.seconds == pytest.approx(MATMUL_SECONDS)
    assert found.by_category["exposed collectives"] == 0 and found.collective_seconds == pytest.approx(REDUCE_SECONDS)


def test_what_does_not_overlap_is_exposed():
    begun, ended = dataclasses.replace(REDUCE, begins="x"), Op(name="e", opcode="all-reduce-done", ends="x")
    short = dataclasses.replace(MATMUL, products=(Product(1, 256, 8192, 8192, "bf16"),), read_bytes=0)
    found = predicted(begun, short, ended, MATMUL)
    assert found.by_category["exposed collectives"] == pytest.approx(REDUCE_SECONDS - Rates(V5E).seconds(short))


def test_a_copy_begun_early_has_the_bandwidth_that_is_left():
    begun, ended = dataclasses.replace(COPY, begins="x"), Op(name="e", opcode="copy-done", ends="x")
    assert MATMUL_SECONDS > 2 * Rates(V5E).seconds(COPY)
    assert predicted(begun, MATMUL, ended).seconds == pytest.approx(MATMUL_SECONDS)
    assert predicted(begun, COPY, ended).seconds == pytest.approx(2 * Rates(V5E).seconds(COPY))


def test_a_loop_is_its_body_so_many_times():
    once, often = predicted(MATMUL, COPY, REDUCE), predicted(Loop(name="w", times=7, steps=(MATMUL, COPY, REDUCE)))
    assert often.seconds == pytest.approx(7 * once.seconds)
    assert often.collective_seconds == pytest.approx(7 * once.collective_seconds)


def test_model_flops_utilization():
    """Half of the program being recomputation, the model's operations count once."""
    found = predicted(MATMUL, MATMUL)
    assert found.mfu == pytest.approx(roofline.MATRIX / 2)


def test_slices_are_joined_by_the_network():
    """Two slices of four chips: each chip sends its quarter over the network, after what the slice does by itself."""
    chip = CHIPS["v5e"]
    coordinates = tuple((x, y, 0) for x in range(2) for y in range(2))
    both = Torus(chip=chip, coordinates=coordinates * 2, slices=(0,) * 4 + (1,) * 4)
    everyone = Collective(kind="all-reduce", operand_bytes=4 * 10**9, groups=(tuple(range(8)),))
    within = Collective(kind="all-reduce", operand_bytes=4 * 10**9, groups=(tuple(range(4)),))
    network = 2 * (4e9 / 4) / 2 / chip.network_bytes_per_second
    assert both.seconds(everyone) == pytest.approx(both.seconds(within) + network)
    across = Collective(kind="collective-permute", operand_bytes=10**9, groups=((0, 4),))
    assert both.seconds(across) == pytest.approx(1e9 / chip.network_bytes_per_second)

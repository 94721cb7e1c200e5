# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The table of attention's shapes: names that are unique, and sizes that are those of the models named."""

import pytest

import zoo
from zoo.kernels.attention.pallas_tpu import blocks
from zoo.kernels.attention.specs import CASES, case


def test_names_are_unique():
    names = [row.name for row in CASES]
    assert len(names) == len(set(names))
    assert all(case(name).name == name for name in names)


@pytest.mark.parametrize("row", CASES, ids=lambda row: row.name)
def test_sizes(row):
    assert row.N % row.key_heads == 0
    assert f"-{row.T}" in row.name
    assert (row.bias_shape is None) == (row.bias != "heads")
    assert (row.relative_shapes is None) == (row.bias != "relative")
    if row.name.startswith("gpt3"):
        config = zoo.config(row.name.rpartition("-")[0])
        assert (config.num_heads, config.width // config.num_heads, config.max_length) == (row.N, row.H, row.T)
        assert row.causal


@pytest.mark.parametrize("chip", ["TPU v5 lite", "TPU v5", "TPU v6 lite", "TPU7x", "TPU of tomorrow"])
@pytest.mark.parametrize("which", ["forward", "backward"])
def test_blocks_of_the_tpu_kernel_divide(which, chip):
    for queries, keys in [(row.T, row.keys) for row in CASES] + [(7, 300), (640, 640), (896, 1000), (5000, 1025)]:
        for heads, key_heads, causal, itemsize in (
            (12, 12, True, 2),
            (16, 16, False, 2),
            (20, 5, True, 4),
            (25, 1, False, 2),
        ):
            shape = blocks.shape(queries, keys, heads, key_heads, 64, itemsize, causal, has_plane=False)
            found = blocks.choose(which, shape, chip)
            assert all(size % 128 == 0 for size in (found.step, found.queries, found.keys))
            assert shape.queries % found.step == found.step % found.queries == shape.keys % found.keys == 0
            assert key_heads % found.heads == found.heads * shape.group % found.overlap == 0
            assert found.heads == 1 or itemsize == 2


def test_blocks_of_the_tpu_kernel_leave_room_for_a_bias():
    for length, heads in ((512, 4), (1024, 1), (2048, 1)):
        shape = blocks.shape(length, length, 16, 16, 64, 2, False, has_plane=True)
        assert [blocks.choose(which, shape, "TPU v5").heads for which in ("forward", "backward")] == [heads] * 2
        grouped = blocks.shape(length, length, 16, 8, 64, 2, False, has_plane=True)
        assert blocks.choose("forward", grouped, "TPU v5").heads == max(1, heads // 2)


@pytest.mark.parametrize("length", [512, 1024])
def test_blocks_for_relative_terms_are_large(length):
    shape = blocks.shape(length, length, 12, 12, 64, 2, False, has_plane=True, relative=True)
    for chip, which, size in (("TPU v5", "forward", 512), ("TPU v5", "backward", 256), ("TPU7x", "backward", 512)):
        found = blocks.choose(which, shape, chip)
        assert (found.step, found.queries, found.keys) == (length, size, size)


def test_a_causal_row_is_taken_as_a_whole_for_longer():
    for causal, step in ((True, 2048), (False, 512)):
        shape = blocks.shape(2048, 2048, 12, 12, 64, 2, causal, has_plane=False)
        assert blocks.choose("forward", shape, "TPU v6 lite").step == step

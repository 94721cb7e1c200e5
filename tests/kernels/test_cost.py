# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What the TPU kernels tell the compiler that they cost: the tiles that they compute, and no others."""

import dataclasses

import pytest

from zoo.kernels.attention.pallas_tpu.spec import Blocks, Spec

SPEC = Spec(
    causal=True, window=None, scale=1.0, rate=0.0, generator="hash", group=1, offset=0, queries=1024, keys=1024,
    real_keys=1024, hides_padding=False, blocks=Blocks(4, 4, 1024, 256, 256), precision=None, bias_gradient=False,
)  # fmt: skip


@pytest.mark.parametrize(
    "changes, tiles",
    [
        ({}, 4 + 3 + 2 + 1),
        ({"causal": False}, 16),
        ({"window": 256}, 1 + 2 + 2 + 2),
        ({"causal": False, "window": 256}, 2 + 3 + 3 + 2),
        ({"offset": None}, 16),
        ({"queries": 256, "offset": 256}, 2),
    ],
)
def test_scores_in_whole_tiles(changes, tiles):
    assert dataclasses.replace(SPEC, **changes).scores() == tiles * 256 * 256

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The table of attention's shapes: names that are unique, and sizes that are those of the models named."""

import pytest

import zoo
from zoo.kernels.attention.specs import CASES, case


def test_names_are_unique():
    names = [row.name for row in CASES]
    assert len(names) == len(set(names))
    assert all(case(name).name == name for name in names)


@pytest.mark.parametrize("row", CASES, ids=lambda row: row.name)
def test_sizes(row):
    assert row.N % row.key_heads == 0
    assert f"-{row.T}" in row.name
    assert row.bias_shape is None or row.bias_shape in ((1, row.N, row.T, row.keys), (row.B, row.N, row.T, row.keys))
    if row.name.startswith("gpt3"):
        config = zoo.config(row.name.rpartition("-")[0])
        assert (config.num_heads, config.width // config.num_heads, config.max_length) == (row.N, row.H, row.T)
        assert row.causal

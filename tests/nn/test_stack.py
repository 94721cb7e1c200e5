# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Windows, shared layers and depth-scaled initial values: what the families to come rest on."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo.kernels.attention import AttentionMask
from zoo.nn.config import AttentionConfig, TransformerConfig
from zoo.nn.stack import Stack

CONFIG = TransformerConfig(
    family="bert", vocab_size=11, width=6, num_layers=4, num_heads=2, mlp_width=5, max_length=9, init_std=0.5
)
X = jnp.asarray(np.random.default_rng(0).standard_normal((2, 9, 6)), jnp.float32)


@pytest.mark.parametrize(
    "changes", [{}, {"unique_layers": 1}, {"unique_layers": 2}, {"unique_layers": 3}, {"norm_order": "pre"}]
)
def test_scan_equals_loop_equals_unstacked(changes):
    config = CONFIG.replace(attention=AttentionConfig(causal=True, window=(None, 2)), **changes)
    outputs = []
    run = jax.jit(lambda stack: stack(X, AttentionMask(causal=True), return_hidden_states=True).hidden_states)
    for kind in ("scan", "loop", "unstacked"):
        stack = Stack(config.replace(stack="scan" if kind == "scan" else "loop"), rngs=nnx.Rngs(0))
        if kind == "unstacked":
            stack.unstack()
            assert stack.blocks[0].mlp.up.kernel.get_metadata()["axes"] == ("embed", "mlp")
        hidden_states = run(stack)
        assert len(hidden_states) == 4
        outputs.append(np.stack(hidden_states))
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-5)
    np.testing.assert_array_equal(outputs[1], outputs[2])


def test_shared_layers_repeat_their_group():
    shared = Stack(CONFIG.replace(unique_layers=2), rngs=nnx.Rngs(0))
    assert shared.blocks.mlp.up.kernel.shape == (2, 6, 5)
    full = Stack(CONFIG, rngs=nnx.Rngs(1))
    nnx.update(full.blocks, jax.tree.map(lambda leaf: jnp.repeat(leaf, 2, axis=0), nnx.state(shared.blocks)))
    np.testing.assert_allclose(shared(X, AttentionMask()).hidden, full(X, AttentionMask()).hidden, atol=1e-5)


def test_window_bounds_how_far_a_change_reaches():
    """With windows of 2 tokens and four causal layers, a change reaches four tokens ahead and no further."""
    config = CONFIG.replace(attention=AttentionConfig(causal=True, window=(2,)))
    stack = Stack(config, rngs=nnx.Rngs(0))
    before = stack(X, AttentionMask(causal=True)).hidden
    after = stack(X.at[:, 2].add(1.0), AttentionMask(causal=True)).hidden
    moved = np.flatnonzero(np.abs(np.asarray(after - before)).max((0, 2)) > 1e-6)
    np.testing.assert_array_equal(moved, [2, 3, 4, 5, 6])


def test_residual_kernels_start_smaller_with_depth():
    config = dataclasses.replace(CONFIG, width=64, num_layers=8, mlp_width=256, init_std=0.02)
    plain, scaled = (Stack(config.replace(init_depth_scaled=flag), rngs=nnx.Rngs(0)).blocks for flag in (False, True))
    for part in ("mlp.down", "attention.out"):
        room, name = part.split(".")
        ratio = jnp.std(getattr(getattr(scaled, room), name).kernel[...]) / jnp.std(
            getattr(getattr(plain, room), name).kernel[...]
        )
        assert abs(float(ratio) - 0.25) < 0.01  # 1 / sqrt(2 * 8)
    np.testing.assert_array_equal(scaled.mlp.up.kernel[...], plain.mlp.up.kernel[...])

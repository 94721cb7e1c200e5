# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A cache changes no result, however its layers are held and however many tokens come at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from zoo.nn.cache import Cache
from zoo.nn.config import AttentionConfig

CONFIG = zoo.config(
    "gpt2",
    vocab_size=37,
    width=12,
    num_layers=2,
    num_heads=3,
    mlp_width=20,
    max_length=16,
    init_std=0.4,
    attention=AttentionConfig(causal=True, window=(None, 5)),
)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("stack", "layers"), [("scan", "stacked"), ("loop", "stacked"), ("loop", "apart")])
def test_cache_equals_no_cache(stack, layers, rows):
    model = zoo.create(CONFIG.replace(stack=stack), head="causal_lm", seed=1)
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 37, (rows, 9)), jnp.int32)
    fast_compile = {"xla_backend_optimization_level": 0}
    run = jax.jit(lambda tokens, cache: model(tokens, cache=cache), compiler_options=fast_compile)
    cache, parts = Cache.empty(CONFIG, rows, capacity=11, layers=layers), []
    for part in (tokens[:, :4], tokens[:, 4:5], tokens[:, 5:6], tokens[:, 6:]):
        out = run(part, cache)
        cache = out.cache
        parts.append(out.logits)
    assert int(cache.length) == 9
    np.testing.assert_allclose(jnp.concatenate(parts, axis=1), model(tokens).logits, atol=2e-5)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A causal model with a prefix: who sees whom, alone, packed, and with a cache."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from zoo.errors import InputError
from zoo.nn.cache import Cache
from zoo.nn.config import AttentionConfig

CONFIG = zoo.config(
    "gpt2", vocab_size=37, width=12, num_layers=2, num_heads=3, mlp_width=20, max_length=16, init_std=0.4
)
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, 37, (2, 9)), jnp.int32)
PREFIX = jnp.asarray([[1] * 4 + [0] * 5, [1] * 7 + [0] * 2], jnp.int32)


@pytest.fixture(scope="module")
def model():
    return zoo.create(CONFIG, head="causal_lm", seed=1)


def test_without_a_prefix_and_with_nothing_else(model):
    """A prefix of nothing is causal, one of everything bidirectional."""
    np.testing.assert_allclose(model(TOKENS, prefix=0 * PREFIX).logits, model(TOKENS).logits, atol=1e-5)
    attention = dataclasses.replace(CONFIG.attention, causal=False)
    both, alike = zoo.create(CONFIG.replace(attention=attention), seed=1), zoo.create(CONFIG, seed=1)
    np.testing.assert_allclose(alike(TOKENS, prefix=PREFIX**0).hidden, both(TOKENS).hidden, atol=1e-5)


def test_what_a_token_sees(model):
    """By what changes where a token is another: all of the prefix, and what is not after it."""
    others = jnp.where(jnp.eye(9, dtype=bool), (TOKENS[0] + 1) % 37, TOKENS[0])
    prefix = jnp.broadcast_to(PREFIX[0], others.shape)
    changes = np.abs(model(others, prefix=prefix).hidden - model(TOKENS[:1], prefix=PREFIX[:1]).hidden).max(-1)
    position = np.arange(9)
    np.testing.assert_array_equal(changes.T > 1e-4, (position[None] <= position[:, None]) | (position[None] < 4))


def test_packed_equals_alone(model):
    """Two texts in a row, each with a prefix, and padding."""
    rows = [np.asarray(TOKENS[0, :5]), np.asarray(TOKENS[1, :8])]
    packed = dict(
        segments=jnp.asarray([[1] * 5 + [2] * 8 + [0] * 3], jnp.int32),
        positions=jnp.asarray([[*range(5), *range(8), 0, 0, 0]], jnp.int32),
        prefix=jnp.asarray([[1, 1, 0, 0, 0] + [1] * 6 + [0] * 5], jnp.int32),
    )
    found = model(jnp.asarray([[*rows[0], *rows[1], 0, 0, 0]], jnp.int32), **packed).logits[0]
    for row, prefix, start in ((rows[0], 2, 0), (rows[1], 6, 5)):
        alone = model(row[None], prefix=(np.arange(len(row)) < prefix)[None].astype(np.int32)).logits[0]
        np.testing.assert_allclose(found[start : start + len(row)], alone, atol=2e-5)


@pytest.mark.parametrize("window", [None, 5])
def test_a_cache_changes_nothing(model, window):
    """A prefix that is read at once, and what follows token by token."""
    config = CONFIG.replace(attention=AttentionConfig(causal=True, window=(window,)))
    windowed = zoo.create(config, head="causal_lm", seed=1)
    prefix = jnp.asarray([[1] * 4 + [0] * 5] * 2, jnp.int32)
    whole = windowed(TOKENS, prefix=prefix).logits
    out = windowed(TOKENS[:, :4], prefix=prefix[:, :4], cache=Cache.empty(config, 2, capacity=11))
    parts = [out.logits]
    for column in range(4, 9):
        out = windowed(TOKENS[:, column : column + 1], cache=out.cache)
        parts.append(out.logits)
    np.testing.assert_allclose(jnp.concatenate(parts, axis=1), whole, atol=2e-5)


def test_a_prefix_behind_a_cache(model):
    """Tokens after those of the cache: they see each other in both directions, and all of the cache."""
    cache = model(TOKENS[:, :3], cache=Cache.empty(CONFIG, 2, capacity=11)).cache
    later, prefix = TOKENS[:, 3:8], jnp.asarray([[1, 1, 1, 0, 0]] * 2, jnp.int32)
    before = model(later, prefix=prefix, cache=cache).hidden
    changes = [
        np.abs(model(later.at[:, j].add(1) % 37, prefix=prefix, cache=cache).hidden - before).max((0, 2)) > 1e-4
        for j in range(5)
    ]
    position = np.arange(5)
    np.testing.assert_array_equal(np.stack(changes, 1), (position[None] <= position[:, None]) | (position[None] < 3))
    other = model(TOKENS[:, :3].at[:, 0].add(1) % 37, cache=Cache.empty(CONFIG, 2, capacity=11)).cache
    assert (np.abs(model(later, prefix=prefix, cache=other).hidden - before).max((0, 2)) > 1e-4).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(prefix=PREFIX[:, :3]), "prefix must have the shape of tokens"),
        (dict(prefix=PREFIX * 2), r"prefix\[0, 0\] is 2; expected 0 to 1"),
    ],
)
def test_refuses(model, unchecked_types, change, message):
    with pytest.raises(InputError, match=message):
        model(TOKENS, **change)


def test_a_bidirectional_model_has_none():
    config = zoo.config("bert-base-uncased", vocab_size=37, width=12, num_layers=1, num_heads=3, mlp_width=8)
    with pytest.raises(InputError, match="attention is bidirectional"):
        zoo.create(config)(TOKENS, prefix=PREFIX)

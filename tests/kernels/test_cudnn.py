# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What cuDNN is asked for, and what it is not; XLA stands in for it, since JAX defines both to compute the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.errors import InputError
from zoo.kernels.attention import AttentionMask, Call, attention, cudnn, reference

B, N, H = 2, 4, 16
SEGMENTS = jnp.asarray([[1] * 4 + [2] * 6 + [0] * 2, [1] * 12], jnp.int32)
ALLOWED = jnp.asarray(np.random.default_rng(3).random((1, 12, 12)) < 0.5).at[0, 5].set(False)
MASKS = {
    "full": AttentionMask(),
    "causal": AttentionMask(causal=True),
    "causal window": AttentionMask(causal=True, window=3),
    "window": AttentionMask(window=3),
    "segments": AttentionMask(query_segments=SEGMENTS, key_segments=SEGMENTS),
    "causal segments": AttentionMask(causal=True, query_segments=SEGMENTS, key_segments=SEGMENTS),
    "order": AttentionMask(query_order=SEGMENTS - 1, key_order=SEGMENTS),
    "allowed": AttentionMask(allowed=ALLOWED),
    "causal window, offset": AttentionMask(causal=True, window=5, query_offset=4),
    "causal window, offset, fewer queries": AttentionMask(causal=True, window=5, query_offset=4),
    "causal, fewer queries": AttentionMask(causal=True),
}


@pytest.fixture(autouse=True)
def on_gpu(monkeypatch):
    monkeypatch.setattr(cudnn, "BACKEND", "xla")
    monkeypatch.setattr(cudnn, "_generation", lambda: 8)


def draw(length, seed, heads=N):
    return jnp.asarray(np.random.default_rng(seed).standard_normal((B, length, heads, H)), jnp.float32)


@pytest.mark.parametrize("name", MASKS)
def test_equals_the_reference(name):
    mask = MASKS[name]
    queries = 8 if "fewer" in name else 12
    args = draw(queries, 0), draw(12, 1, heads=2), draw(12, 2, heads=2)

    def total(attend, *args):
        out = attend(Call(*args, mask=mask, scale=0.3))
        return jnp.sum(jnp.sin(out)), out

    found, wanted = (
        jax.grad(lambda *args, run=run: total(run, *args), argnums=(0, 1, 2), has_aux=True)(*args)
        for run in (cudnn.attention, reference.attention)
    )
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, atol=5e-6)


def test_causality_and_its_window_need_no_array(monkeypatch):
    asked = []

    def attend(query, key, value, bias, mask, **options):
        asked.append((mask, options))
        return query

    monkeypatch.setattr(jax.nn, "dot_product_attention", attend)
    halves = draw(12, 0).astype(jnp.bfloat16)
    cudnn.attention(Call(halves, halves, halves, mask=MASKS["causal window"], scale=1.0))
    assert asked == [(None, dict(scale=1.0, is_causal=True, local_window_size=(2, 0), implementation="xla"))]


X = jax.ShapeDtypeStruct((B, 12, N, 64), jnp.bfloat16)
LACKS = {
    "float32": (dict(query=jax.ShapeDtypeStruct(X.shape, jnp.float32)), "bfloat16 or float16"),
    "wide": (dict(query=jax.ShapeDtypeStruct((B, 12, N, 256), jnp.bfloat16)), "multiples of 8, up to 128; found 256"),
    "odd width": (dict(query=jax.ShapeDtypeStruct((B, 12, N, 20), jnp.bfloat16)), "found 20"),
    "bias": (dict(bias=X), "no dropout and not every bias"),
    "dropout": (dict(dropout_rate=0.1), "no dropout"),
    "odd length": (
        dict(query=jax.ShapeDtypeStruct((B, 11, N, 64), jnp.bfloat16), mask=MASKS["window"]),
        "found 11 queries and 12 keys",
    ),
}


@pytest.mark.parametrize("name", LACKS)
def test_unsupported_calls_are_refused_with_the_reason(name, unchecked_types):
    changes, message = LACKS[name]
    call = dict(query=X, key=X, value=X, mask=AttentionMask(), scale=1.0)
    assert cudnn.lacks(Call(**call)) is None
    assert message in cudnn.lacks(Call(**(call | changes)))


def test_odd_lengths_without_an_array_are_taken():
    odd = jax.ShapeDtypeStruct((B, 11, N, 64), jnp.bfloat16)
    assert cudnn.lacks(Call(odd, odd, odd, mask=MASKS["causal window"], scale=1.0)) is None


def test_is_refused_without_a_gpu(monkeypatch):
    monkeypatch.undo()
    x = draw(12, 0).astype(jnp.bfloat16)
    with pytest.raises(InputError, match=r"NVIDIA GPUs from Ampere on, not for 'cpu'. Use reference, xla, or None"):
        attention(x, x, x, mask=AttentionMask(), implementation="cudnn")

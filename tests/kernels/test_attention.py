# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The implementations that run everywhere against attention written in float64 NumPy, and the choice among all."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.errors import ConfigError, InputError
from zoo.kernels.attention import AttentionMask, Relative, attention, dispatch

B, T, N, H = 2, 7, 3, 5
EVERYWHERE = ("reference", "xla")


def draw(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


QUERY, KEY, VALUE = (draw((B, T, N, H), seed) for seed in range(3))
SEGMENTS = jnp.array([[1, 1, 1, 2, 2, 0, 0], [1, 1, 1, 1, 1, 1, 1]], jnp.int32)
ORDER = jnp.array([[3, 0, 0, 2, 1, 5, 4], [6, 5, 4, 3, 2, 1, 0]], jnp.int32)
MASKS = {
    "full": AttentionMask(),
    "causal": AttentionMask(causal=True),
    "window": AttentionMask(window=2),
    "causal_window": AttentionMask(causal=True, window=3),
    "segments": AttentionMask(query_segments=SEGMENTS, key_segments=SEGMENTS),
    "causal_segments": AttentionMask(causal=True, query_segments=SEGMENTS, key_segments=SEGMENTS),
    "order": AttentionMask(query_order=ORDER - 1, key_order=ORDER),
    "order_segments": AttentionMask(query_segments=SEGMENTS, key_segments=SEGMENTS, query_order=ORDER, key_order=ORDER),
}


def allowed(mask: AttentionMask, b: int, query: int, key: int) -> bool:
    """The meaning of a mask, one pair at a time."""
    sees = not (mask.causal and key > query)
    sees &= mask.window is None or abs(query - key) < mask.window
    if mask.query_segments is not None:
        sees &= mask.query_segments[b, query] == mask.key_segments[b, key] != 0
    if mask.query_order is not None:
        sees &= mask.key_order[b, key] <= mask.query_order[b, query]
    return bool(sees)


def expected(mask: AttentionMask, bias=None) -> np.ndarray:
    out = np.zeros((B, T, N, H))
    for b, query, head in np.ndindex(B, T, N):
        keys = [key for key in range(T) if allowed(mask, b, query, key)]
        if not keys:
            continue
        scores = KEY[b, keys, head].astype(np.float64) @ QUERY[b, query, head] / np.sqrt(H)
        scores += 0 if bias is None else bias[0, head, query, keys]
        weights = np.exp(scores - scores.max())
        out[b, query, head] = weights @ VALUE[b, keys, head] / weights.sum()
    return out


@pytest.mark.parametrize("implementation", EVERYWHERE)
@pytest.mark.parametrize("name", MASKS)
def test_matches_float64(name, implementation):
    out = attention(*map(jnp.asarray, (QUERY, KEY, VALUE)), mask=MASKS[name], implementation=implementation)
    np.testing.assert_allclose(out, expected(MASKS[name]), atol=2e-6)


@pytest.mark.parametrize("implementation", EVERYWHERE)
def test_bias_is_added_to_the_scores(implementation):
    bias = draw((1, N, T, T), 4)
    out = attention(
        *map(jnp.asarray, (QUERY, KEY, VALUE)),
        mask=MASKS["causal"],
        bias=jnp.asarray(bias),
        implementation=implementation,
    )
    np.testing.assert_allclose(out, expected(MASKS["causal"], bias), atol=2e-6)


@pytest.mark.parametrize("implementation", EVERYWHERE)
def test_query_that_sees_nothing_is_zero_with_zero_gradients(implementation):
    def total(query, key, value):
        return jnp.sum(attention(query, key, value, mask=MASKS["segments"], implementation=implementation)[0, 5:])

    args = tuple(map(jnp.asarray, (QUERY, KEY, VALUE)))
    assert total(*args) == 0.0
    for gradient in jax.grad(total, argnums=(0, 1, 2))(*args):
        np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("implementation", EVERYWHERE)
def test_offset_is_the_position_of_the_queries_among_the_keys(implementation):
    mask = AttentionMask(causal=True, query_offset=T - 2)
    out = attention(
        jnp.asarray(QUERY[:, -2:]), jnp.asarray(KEY), jnp.asarray(VALUE), mask=mask, implementation=implementation
    )
    np.testing.assert_allclose(out, expected(MASKS["causal"])[:, -2:], atol=2e-6)


def test_dropout_keeps_the_mean_and_needs_a_key():
    args = tuple(
        jnp.broadcast_to(jnp.asarray(x), (200, *x.shape)).reshape(-1, *x.shape[1:]) for x in (QUERY, KEY, VALUE)
    )
    plain = attention(*args, mask=AttentionMask())
    dropped = attention(*args, mask=AttentionMask(), dropout_rate=0.5, dropout_key=jax.random.key(0))
    np.testing.assert_allclose(plain[:B], expected(AttentionMask()), atol=2e-6)
    assert float(jnp.abs(dropped - plain).max()) > 0.1
    np.testing.assert_allclose(dropped.reshape(200, B, T, N, H).mean(0), plain[:B], atol=0.4)


@pytest.mark.parametrize("name", MASKS)
def test_gradients_and_dropout_equal_the_reference(name):
    """The same key drops the same weights."""

    def total(implementation, *args):
        out = attention(
            *args, mask=MASKS[name], dropout_rate=0.3, dropout_key=jax.random.key(3), implementation=implementation
        )
        return jnp.sum(jnp.sin(out)), out

    args = tuple(map(jnp.asarray, (QUERY, KEY, VALUE)))
    run = jax.grad(total, argnums=(1, 2, 3), has_aux=True)
    for found, expected in zip(
        jax.tree.leaves(run("xla", *args)), jax.tree.leaves(run("reference", *args)), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=5e-6)


@pytest.mark.parametrize("implementation", EVERYWHERE)
def test_large_scores_and_bfloat16(implementation):
    """Scores far beyond the range of exp, and halves in and out."""
    args = (jnp.asarray(QUERY) * 1e3, jnp.asarray(KEY), jnp.asarray(VALUE))
    out = attention(*args, mask=MASKS["causal_segments"], implementation=implementation)
    assert bool(jnp.isfinite(out).all())
    halves = [x.astype(jnp.bfloat16) for x in map(jnp.asarray, (QUERY, KEY, VALUE))]
    out = attention(*halves, mask=MASKS["causal"], implementation=implementation)
    assert out.dtype == jnp.bfloat16
    np.testing.assert_allclose(out.astype(jnp.float32), expected(MASKS["causal"]), atol=3e-2)


def test_unknown_implementation_is_an_error(unchecked_types):
    with pytest.raises(ConfigError, match="reference"):
        attention(*map(jnp.asarray, (QUERY, KEY, VALUE)), mask=AttentionMask(), implementation="flash")


@pytest.mark.parametrize("implementation", EVERYWHERE)
@pytest.mark.parametrize("groups", [1, 2])
def test_grouped_heads_share_keys_and_values(groups, implementation):
    """As if each key stood there for every head of its group; the key's gradient is the sum of theirs."""
    query = jnp.asarray(draw((B, T, 4, H), 7))
    key, value = (jnp.asarray(draw((B, T, groups, H), seed)) for seed in (8, 9))

    def total(key, value, repeats):
        key, value = (jnp.repeat(x, repeats, axis=2) for x in (key, value))
        out = attention(query, key, value, mask=MASKS["causal_segments"], implementation=implementation)
        return jnp.sum(jnp.sin(out))

    run = jax.value_and_grad(total, argnums=(0, 1))
    shared, repeated = run(key, value, 1), run(key, value, 4 // groups)
    for found, expected in zip(jax.tree.leaves(shared), jax.tree.leaves(repeated), strict=True):
        np.testing.assert_allclose(found, expected, atol=5e-6)


X = jnp.zeros((2, 4, 6, 8))


def relative(**changes) -> Any:
    """Made when called: the checks of types, which are on when this file is read, would refuse some of the shapes."""
    return lambda: Relative(**(dict(query=X, distances=jnp.zeros((8, 6, 8)), kinds=None, differs=None) | changes))


SEGMENTS_OF_X = jnp.ones((2, 4), jnp.int32)
WRONG = {
    "rank": (dict(query=X[0]), "must be"),
    "width": (dict(key=X[..., :4], value=X[..., :4]), "agree in batch and width"),
    "batch": (dict(key=X[:1], value=X[:1]), "agree in batch and width"),
    "value": (dict(value=X[:, :2]), "key and value in all"),
    "heads": (dict(key=X[:, :, :4], value=X[:, :, :4]), "must be a multiple"),
    "integers": (dict(query=X.astype(int)), "query must hold floating-point numbers; found int32"),
    "two dtypes": (dict(value=X.astype(jnp.bfloat16)), "of one dtype; found float32 and bfloat16"),
    "a bare array": (dict(mask=jnp.ones((2, 4, 4), bool)), r"AttentionMask\(allowed=array\)"),
    "segments": (dict(mask=lambda: AttentionMask(query_segments=SEGMENTS_OF_X)), "or neither"),
    "order": (dict(mask=lambda: AttentionMask(key_order=SEGMENTS_OF_X)), "the order of queries and keys, or neither"),
    "lengths": (
        dict(mask=lambda: AttentionMask(query_segments=SEGMENTS_OF_X, key_segments=jnp.ones((2, 5), int))),
        r"mask.key_segments must be \[2, 4\]; found \[2, 5\]",
    ),
    "float segments": (
        dict(mask=lambda: AttentionMask(query_segments=X[:, :, 0, 0], key_segments=X[:, :, 0, 0])),
        "mask.query_segments must hold integers; found float32",
    ),
    "allowed": (
        dict(mask=lambda: AttentionMask(allowed=jnp.ones((3, 4, 4), bool))),
        r"mask.allowed must be \[2, 4, 4\]",
    ),
    "an additive mask": (
        dict(mask=lambda: AttentionMask(allowed=jnp.full((2, 4, 4), -1e9))),
        "mask.allowed must hold true and false; found float32",
    ),
    "no window": (dict(mask=lambda: AttentionMask(window=0)), "mask.window must be a whole number of tokens"),
    "half a window": (dict(mask=lambda: AttentionMask(window=2.5)), "mask.window .* found 2.5"),
    "half an offset": (dict(mask=lambda: AttentionMask(query_offset=1.5)), "mask.query_offset .* found 1.5"),
    "offsets": (dict(mask=lambda: AttentionMask(query_offset=jnp.arange(2))), "must be one whole number"),
    "bias": (dict(bias=jnp.zeros((1, 6, 1, 4))), r"bias must be \[2, 6, 4, 4\], or 1 on the first 2 axes"),
    "a mask as bias": (dict(bias=jnp.zeros((1, 6, 4, 4), bool)), "bias must hold floating-point numbers; found bool"),
    "rate": (dict(dropout_rate=1.0, dropout_key=jax.random.key(0)), "below 1"),
    "rate in words": (dict(dropout_rate="0.1"), "dropout_rate must be a number, not str"),
    "no key": (dict(dropout_rate=0.1), "needs a dropout_key"),
    "key": (dict(dropout_rate=0.1, dropout_key=3), "dropout_key must be a key .* found 3"),
    "bits": (dict(dropout_bits="fast"), "dropout_bits must be one of fastest, portable; found 'fast'"),
    "scale": (dict(scale=jnp.ones(())), "scale must be a number"),
    "relative and bias": (dict(bias=jnp.zeros((2, 6, 4, 4)), relative=relative()), "not both"),
    "relative": (dict(relative=X), "must be a Relative"),
    "distances": (dict(relative=relative(distances=jnp.zeros((8, 4, 8)))), r"relative.distances must be \[R, 6, 8\]"),
    "few distances": (dict(relative=relative(distances=jnp.zeros((4, 6, 8)))), "R above the 4 keys"),
    "kinds": (
        dict(relative=relative(kinds=jnp.zeros((2, 4, 5, 2)), differs=jnp.zeros((2, 4, 4), bool))),
        r"relative.kinds must be \[2, 4, 6, 2\]",
    ),
    "kinds alone": (dict(relative=relative(kinds=jnp.zeros((2, 4, 6, 2)))), "or neither"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_inputs_are_refused(kind, unchecked_types):
    changes, message = WRONG[kind]
    changes = {name: value() if callable(value) else value for name, value in changes.items()}
    with pytest.raises(InputError, match=message):
        attention(**(dict(query=X, key=X, value=X, mask=AttentionMask()) | changes))


@pytest.mark.parametrize("shape", [(0, 4, 6, 8), (2, 0, 6, 8), (2, 4, 6, 0)], ids=["rows", "tokens", "width"])
def test_nothing_gives_zeros(shape):
    some, none = jnp.ones((2, 4, 6, 8)), jnp.ones(shape)
    assert attention(none, none, none, mask=AttentionMask()).shape == shape
    if shape[1] == 0:
        np.testing.assert_array_equal(attention(some, none, none, mask=AttentionMask(causal=True)), 0.0)


@pytest.mark.parametrize("implementation", EVERYWHERE)
@pytest.mark.parametrize("name", ["full", "causal_segments"])
def test_a_bias_of_minus_infinity_hides_keys(name, implementation):
    """All of some queries' too, which then get zeros with zero gradients."""
    hides = np.zeros((1, N, T, T), np.float32)
    hides[:, :, :, 1], hides[:, :, [3, T - 1]] = -np.inf, -np.inf
    allowed = jnp.asarray(hides[:, 0] == 0)
    mask = MASKS[name]

    def total(args, **options):
        out = attention(*args, implementation=implementation, **options)
        return jnp.sum(jnp.sin(out)), out

    args, run = tuple(map(jnp.asarray, (QUERY, KEY, VALUE))), jax.grad(total, has_aux=True)
    found = run(args, mask=mask, bias=jnp.asarray(hides))
    wanted = run(args, mask=dataclasses.replace(mask, allowed=allowed))
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


CALL = dispatch.Workload(queries=512, keys=512, dropout_rate=0.0)


@pytest.mark.parametrize(
    ("platform", "call", "missing", "chosen"),
    [
        ("cpu", CALL, "", "xla"),
        ("tpu", CALL, "", "pallas_tpu"),
        ("tpu", CALL._replace(queries=1), "", "xla"),
        ("tpu", CALL._replace(queries=128, keys=128), "", "xla"),
        ("tpu", CALL._replace(queries=128, keys=128, dropout_rate=0.1), "", "pallas_tpu"),
        ("tpu", CALL, "pallas_tpu", "xla"),
        ("gpu", CALL, "", "cudnn"),
        ("gpu", CALL, "cudnn", "xla"),
        ("gpu", CALL._replace(queries=1), "", "xla"),
    ],
)
def test_the_choice_goes_by_platform_shape_and_features(platform, call, missing, chosen):
    assert dispatch.choose(call, platform, lambda name: "It cannot." if name == missing else None) == chosen


def test_the_choice_is_logged_once(caplog):
    dispatch._log_choice.cache_clear()
    dispatch._warn.cache_clear()
    with caplog.at_level("INFO"):
        for _ in range(2):
            dispatch.choose(CALL, "tpu", lambda name: "It cannot." if name == "pallas_tpu" else None)
            dispatch.choose(CALL, "gpu", lambda name: None)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "attention does not run as pallas_tpu. It cannot.",
        "attention on this tpu runs as xla.",
        "attention on this gpu runs as cudnn.",
    ]


def test_every_row_of_the_table_cites_something():
    assert all(row.because for row in dispatch.TABLE)


def test_fastest_dropout_is_the_portable_one_where_there_is_no_other():
    args, key = tuple(map(jnp.asarray, (QUERY, KEY, VALUE))), jax.random.key(3)
    found = [
        attention(*args, mask=AttentionMask(), dropout_rate=0.3, dropout_key=key, dropout_bits=bits)
        for bits in ("portable", "fastest")
    ]
    np.testing.assert_array_equal(*found)


def test_another_platforms_kernel_is_refused():
    with pytest.raises(InputError, match="Use reference, xla, or None for the default"):
        attention(*map(jnp.asarray, (QUERY, KEY, VALUE)), mask=AttentionMask(), implementation="pallas_gpu")

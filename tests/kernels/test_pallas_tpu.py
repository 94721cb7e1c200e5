# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The TPU's attention kernels on JAX's interpreter of a TPU, with races looked for, against float64 NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.kernels.tpu import on_tpu
from tests.kernels.tpu_cases import SMALL, WHOLE, Case, compare, computed, expected
from zoo.kernels.attention import AttentionMask, Call, attention, pallas_tpu, reference
from zoo.kernels.attention.pallas_tpu import call

CASES = {
    "one token": Case(queries=1, heads=1),
    "seven of 64": Case(queries=7, heads=3, width=64),
    "127 of 80": Case(queries=127, heads=1, width=80, documents=2),
    "128": Case(queries=128, width=64, documents=3, heads=12, rows=1),
    "129 causal": Case(queries=129, heads=3, causal=True, width=128),
    "511": Case(queries=511, heads=1, width=64, documents=2, rows=1),
    "1000 causal": Case(queries=1000, heads=1, width=64, causal=True, rows=1),
    "more keys": Case(queries=130, keys=300, heads=3),
    "fewer keys": Case(queries=300, keys=7, documents=1),
    "window": Case(queries=300, window=90),
    "causal window": Case(queries=300, window=130, causal=True, documents=2, blocks=WHOLE),
    "window in steps": Case(queries=300, window=90, blocks=SMALL),
    "segments in steps": Case(queries=300, documents=4, blocks=SMALL),
    "causal segments in steps": Case(queries=300, documents=3, causal=True, blocks=SMALL, rate=0.2),
    "allowed": Case(queries=140, allowed=2),
    "allowed shared": Case(queries=300, allowed=1, documents=2, blocks=SMALL),
    "prefix": Case(queries=200, order="prefix", documents=2),
    "prefix in steps": Case(queries=300, order="prefix", blocks=SMALL, rate=0.1),
    "permutation": Case(queries=140, order="permutation"),
    "permutation in steps": Case(queries=300, order="permutation", blocks=SMALL, documents=2),
    "levels": Case(queries=300, keys=400, order="levels", blocks=SMALL),
    "bias shared by rows": Case(queries=140, bias=(1, 2)),
    "bias shared by heads": Case(queries=140, bias=(2, 1), documents=2),
    "bias shared by all": Case(queries=300, bias=(1, 1), blocks=WHOLE, rate=0.1),
    "bias of its own": Case(queries=140, bias=(2, 2), causal=True),
    "dropout": Case(queries=200, rate=0.3),
    "grouped": Case(queries=140, heads=6, key_heads=2, rate=0.1, causal=True),
    "one key head": Case(queries=140, heads=3, key_heads=1, blocks=SMALL),
    "offset": Case(queries=30, keys=200, causal=True, offset=170),
}


@pytest.mark.parametrize("name", CASES)
def test_matches_float64(name):
    compare(computed(CASES[name]), expected(CASES[name]), 1e-5)


@pytest.mark.parametrize("name", ["128", "129 causal", "bias shared by rows", "causal segments in steps", "grouped"])
def test_bfloat16_matches_float64(name):
    case = dataclasses.replace(CASES[name], dtype="bfloat16")
    compare(computed(case), expected(case), 1e-2)


def test_a_bias_of_minus_infinity_hides_keys():
    """All of one query's, too."""
    case = CASES["bias shared by rows"]
    arrays = {name: jnp.asarray(x) for name, x in case.arrays.items()}
    hides = jnp.zeros(arrays["bias"].shape).at[:, :, 3].set(-jnp.inf).at[..., 5].set(-jnp.inf)

    def total(attend, query, key, value):
        out = attend(Call(query, key, value, mask=AttentionMask(), bias=hides, scale=1.0))
        return jnp.sum(jnp.sin(out)), out

    run, args = jax.grad(total, argnums=(1, 2, 3), has_aux=True), [arrays[name] for name in ("query", "key", "value")]
    with on_tpu():
        found = run(pallas_tpu.attention, *args)
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(run(reference.attention, *args)), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5 * max(1.0, float(jnp.abs(want).max())))


def test_long_rows_go_in_steps():
    case = Case(queries=1100, heads=1, causal=True, documents=3, rows=1)
    compare(computed(case), expected(case), 1e-5)


def test_blocks_that_an_order_hides_are_not_visited():
    """With that of positions, those that causality leaves, and with a prefix its blocks beside them."""
    spec = pallas_tpu.Spec(
        causal=False, window=None, scale=1.0, rate=0.0, generator="hash", group=1, offset=0, queries=512, keys=512,
        real_keys=512, hides_padding=False, blocks=SMALL, precision=None, bias_gradient=False,
    )  # fmt: skip
    order = jnp.arange(512, dtype=jnp.int32)[None, None]
    for prefix, last in ((0, [0, 1, 2, 3]), (200, [1, 1, 2, 3]), (512, [3, 3, 3, 3])):
        given = {"query_order": order, "key_order": jnp.where(order < prefix, 0, order)}
        bounds = pallas_tpu._bounds(spec, given)
        assert bounds["first_block"].tolist() == [[0, 0, 0, 0]]
        assert bounds["last_block"].tolist() == [last]


@pytest.mark.parametrize("changes", [dict(causal=True), dict(order="prefix")], ids=["causal", "prefix"])
def test_long_rows_with_a_bias_go_by_parts(changes):
    case = Case(queries=1100, heads=1, bias=(1, 1), rate=0.1, rows=1, **changes)
    compare(computed(case), expected(case), 1e-5)


@pytest.mark.parametrize("blocks", [None, SMALL], ids=["whole", "steps"])
def test_queries_that_see_nothing_are_zero_with_zero_gradients(blocks):
    case = Case(queries=200, documents=2, blocks=blocks)
    found, segments = computed(case), np.asarray(case.mask().query_segments)
    assert (segments == 0).any()
    for name in ("out", "query", "key", "value"):
        np.testing.assert_array_equal(found[name][segments == 0], 0.0)


@pytest.mark.parametrize("documents", [0, 2])
def test_offset_known_on_the_device_only(documents):
    """As where a cache is filled: `zoo.generate` with a long prompt."""
    case = Case(queries=130, keys=400, causal=True, window=100, offset=200, documents=documents)
    arrays = {name: jnp.asarray(x) for name, x in case.arrays.items()}

    @jax.jit
    def attend(offset):
        mask = dataclasses.replace(case.mask(), query_offset=offset)
        return attention(arrays["query"], arrays["key"], arrays["value"], mask=mask, implementation="pallas_tpu")

    with on_tpu():
        np.testing.assert_allclose(attend(jnp.int32(200)), expected(case)["out"], atol=1e-5)


def test_bias_that_nothing_learns_costs_no_gradient(monkeypatch):
    case = CASES["bias shared by rows"]
    arrays, asked, run = {name: jnp.asarray(x) for name, x in case.arrays.items()}, [], call.backward
    monkeypatch.setattr(call, "backward", lambda spec, inputs: asked.append(spec.bias_gradient) or run(spec, inputs))

    def total(query, bias):
        return attention(
            query, arrays["key"], arrays["value"], mask=case.mask(), bias=bias, implementation="pallas_tpu"
        ).sum()

    with on_tpu():
        jax.make_jaxpr(jax.grad(total, argnums=(0, 1)))(arrays["query"], arrays["bias"])
        jax.make_jaxpr(jax.grad(total))(arrays["query"], arrays["bias"])
    assert asked == [True, False]

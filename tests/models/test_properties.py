# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What must hold of any model of any family, whatever its parameters."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo.models import registry
from zoo.nn.cache import Cache

SIZES = dict(vocab_size=37, width=21, num_layers=2, num_heads=3, mlp_width=23, max_length=13)
FAST_COMPILE = {"xla_backend_optimization_level": 0}

# Siblings are another family under a name of their own; `test_encoder_decoder.py` has those with a decoder.
FAMILIES = {
    name: family
    for name, family in registry.FAMILIES.items()
    if name not in ("xlm-roberta", "camembert") and next(iter(family.sizes.values())).decoder_layers is None
}
LANGUAGE = {
    name: next(head for head in ("masked_lm", "permutation_lm", "causal_lm") if head in family.heads)
    for name, family in FAMILIES.items()
}

every_family = pytest.mark.parametrize("family", FAMILIES)


def families_with(head: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if head in family.heads])


def config(family: str, **changes):
    """A small one, its windows small enough to matter."""
    published = next(iter(FAMILIES[family].sizes.values()))
    pattern = tuple(window and 3 for window in published.attention.window)
    attention = dataclasses.replace(published.attention, window=pattern)
    even = {"width": 24} if published.positions == "distances" else {}
    return published.replace(**(SIZES | {"attention": attention} | even | changes))


def suited(family: str, head: str | None, **changes):
    return registry.FAMILIES[family].suit(config(family).replace(**changes), head)


@functools.cache
def parameters(family: str, head: str | None, **changes) -> nnx.State:
    """Random values everywhere, so that each parameter matters; drawn by numpy, which compiles nothing."""
    rng = np.random.default_rng(7)
    shapes = nnx.state(registry.FAMILIES[family].abstract(config(family, **changes), head=head))
    return jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), leaf.dtype), shapes)


@functools.cache
def model(family: str, head: str | None, **changes):
    """A compiled model; one of a family and head has the same parameters, however its config is changed."""
    graphdef, _ = nnx.split(registry.FAMILIES[family].abstract(suited(family, head, **changes), head=head))

    def call(params, ids, inputs):
        return nnx.merge(graphdef, params)(ids, **inputs, return_hidden_states=True)

    compiled = jax.jit(call, compiler_options=FAST_COMPILE)
    return lambda ids, **inputs: compiled(parameters(family, head), ids, inputs)


def tokens(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(len(shape)).integers(4, 37, shape), jnp.int32)


def close(found, expected, atol=2e-5) -> None:
    np.testing.assert_allclose(np.asarray(found, np.float32), np.asarray(expected, np.float32), rtol=0, atol=atol)


@families_with("causal_lm")
def test_causality(family):
    run, ids = model(family, "causal_lm"), tokens(2, 9)
    changed = ids.at[:, 5].set((ids[:, 5] + 1) % 37)
    before, after = run(ids).logits, run(changed).logits
    close(before[:, :5], after[:, :5], atol=0)
    assert (jnp.abs(before[:, 5:] - after[:, 5:]).max(axis=-1) > 1e-3).all()


@every_family
def test_only_encoders_see_ahead(family):
    run, ids = model(family, LANGUAGE[family]), tokens(2, 9)
    changed = ids.at[:, 5].set((ids[:, 5] + 1) % 37)
    moved = (jnp.abs(run(ids).logits - run(changed).logits).max(axis=-1) > 1e-3)[:, :5]
    assert not moved.any() if config(family).attention.causal else moved.all()


@every_family
@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_invariance(family, side):
    """Padding of any content changes nothing, before or after, and gets no gradient."""
    run, ids = model(family, LANGUAGE[family]), tokens(2, 6)
    pad = ((0, 0), (0, 3) if side == "right" else (3, 0))
    padded = jnp.pad(ids, pad, constant_values=9)
    segments = jnp.pad(jnp.ones_like(ids), pad)
    positions = jnp.pad(jnp.broadcast_to(jnp.arange(6, dtype=jnp.int32), ids.shape), pad)
    place = slice(0, 6) if side == "right" else slice(3, 9)
    found = run(padded, segments=segments, positions=positions).logits[:, place]
    close(found, run(ids).logits)
    other = jnp.where(segments == 0, 11, padded)
    close(run(other, segments=segments, positions=positions).logits[:, place], found, atol=0)


@every_family
def test_packed_equals_separate(family):
    run = model(family, LANGUAGE[family])
    first, second = tokens(1, 5), tokens(1, 4)
    packed = jnp.concatenate([first, second, jnp.zeros((1, 2), jnp.int32)], axis=1)
    segments = jnp.asarray([[1] * 5 + [2] * 4 + [0] * 2], jnp.int32)
    positions = jnp.asarray([[*range(5), *range(4), 0, 0]], jnp.int32)
    logits = run(packed, segments=segments, positions=positions).logits
    close(logits[:, :5], run(first).logits)
    close(logits[:, 5:9], run(second).logits)


@every_family
def test_scan_equals_loop(family):
    ids, head = tokens(2, 7), LANGUAGE[family]
    found, expected = (model(family, head, stack=stack)(ids).hidden_states for stack in ("scan", "loop"))
    assert len(found) == len(expected) == 1 + SIZES["num_layers"]
    for ours, theirs in zip(found, expected, strict=True):
        close(ours, theirs)


@every_family
def test_remat_equals_none(family):
    """Same values and gradients, dropout included, from less memory: the backward pass holds fewer arrays."""
    one = dict(num_layers=1, stack="loop")
    params, ids = parameters(family, LANGUAGE[family], **one), tokens(2, 7)

    def run(remat):
        changed = config(family, remat=remat, **one)
        graphdef, _ = nnx.split(registry.FAMILIES[family].abstract(changed, head=LANGUAGE[family]))

        def loss(params):
            logits = nnx.merge(graphdef, params)(ids, dropout_key=jax.random.key(2)).logits
            return jnp.sum(jnp.sin(logits))

        held = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(lambda p: jax.vjp(loss, p)[1], params)))
        return jax.jit(jax.value_and_grad(loss), compiler_options=FAST_COMPILE)(params), held

    (expected, most), *others = (run(remat) for remat in ("none", "cheap", "mlp", "full"))
    sizes = [most, *(size for _, size in others)]
    assert sizes == sorted(set(sizes), reverse=True)
    for found, _ in others:
        jax.tree.map(lambda a, b: close(a, b, atol=2e-4), found, expected)


@every_family
def test_bfloat16_is_near_float32(family):
    ids, head = tokens(2, 7), LANGUAGE[family]
    found, expected = model(family, head, dtype="bfloat16")(ids).logits, model(family, head)(ids).logits
    assert found.dtype == jnp.bfloat16
    error = float(jnp.abs(found.astype(jnp.float32) - expected).max() / jnp.abs(expected).max())
    assert 0 < error < 0.05


@every_family
def test_batch_permutation(family):
    run, ids = model(family, "sequence_classification"), tokens(4, 7)
    segments = (jnp.arange(7)[None] < jnp.asarray([7, 3, 5, 1])[:, None]).astype(jnp.int32)
    order = jnp.asarray([2, 0, 3, 1])
    close(run(ids[order], segments=segments[order]).logits, run(ids, segments=segments).logits[order])


@every_family
def test_logits_at_equals_slicing(family):
    run, ids = model(family, LANGUAGE[family]), tokens(2, 7)
    places = jnp.asarray([[0, 6, 3], [5, 5, 1]], jnp.int32)
    found = run(ids, logits_at=places).logits
    assert found.shape == (2, 3, 37)
    close(found, jnp.take_along_axis(run(ids).logits, places[:, :, None], axis=1))


@families_with("multiple_choice")
def test_choices_are_scored_one_by_one(family):
    run, ids = model(family, "multiple_choice"), tokens(2, 3, 7)
    found = run(ids).logits
    assert found.shape == (2, 3)
    close(found[:, 1:2], run(ids[:, 1:2]).logits)


@families_with("causal_lm")
def test_cache_equals_no_cache(family):
    """Three tokens, then one, then five, each seeing what the cache holds."""
    ids = tokens(2, 9)
    whole = model(family, "causal_lm")(ids).logits
    config = suited(family, "causal_lm")
    graphdef, _ = nnx.split(FAMILIES[family].abstract(config, head="causal_lm"))
    run = jax.jit(
        lambda params, ids, cache: nnx.merge(graphdef, params)(ids, cache=cache), compiler_options=FAST_COMPILE
    )
    cache, found = Cache.empty(config, 2, 9), []
    for part in (ids[:, :3], ids[:, 3:4], ids[:, 4:]):
        out = run(parameters(family, "causal_lm"), part, cache)
        cache = out.cache
        found.append(out.logits)
    close(jnp.concatenate(found, axis=1), whole)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What must hold of any model with a decoder, whatever its parameters."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo.errors import ConfigError, InputError
from zoo.generation import generate
from zoo.generation.prompts import pad
from zoo.models import registry
from zoo.nn.cache import Cache

SIZES = dict(vocab_size=37, width=12, num_layers=2, decoder_layers=2, num_heads=3, kv_width=5, mlp_width=23)
SIZES |= dict(max_length=13, pad_id=0, eos_id=1, decoder_start_id=0, position_buckets=8, position_span=9)
FAMILIES = ("transformer", "marian", "t5")
FAST_COMPILE = {"xla_backend_optimization_level": 0}

every_family = pytest.mark.parametrize("family", FAMILIES)


@functools.cache
def built(family: str, **changes):
    """A graph, and random values everywhere."""
    config = next(iter(registry.FAMILIES[family].sizes.values())).replace(**(SIZES | changes))
    graphdef, shapes = nnx.split(registry.FAMILIES[family].abstract(config, head="seq2seq_lm"))
    rng = np.random.default_rng(7)
    return graphdef, jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), leaf.dtype), shapes)


def run(family: str, tokens, targets, params=None, changes=(), **inputs):
    graphdef, own = built(family, **dict(changes))

    def call(params, tokens, targets, inputs):
        model = nnx.merge(graphdef, params)
        return model(tokens, decoder_tokens=targets, **inputs, return_hidden_states=True)

    return jax.jit(call, compiler_options=FAST_COMPILE)(own if params is None else params, tokens, targets, inputs)


def ids(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(len(shape) + shape[-1]).integers(2, 37, shape), jnp.int32)


def close(found, expected, atol=2e-5) -> None:
    np.testing.assert_allclose(np.asarray(found, np.float32), np.asarray(expected, np.float32), rtol=0, atol=atol)


@every_family
def test_the_decoder_is_causal_and_sees_all_of_the_source(family):
    source, targets = ids(2, 8), ids(2, 6)
    before = run(family, source, targets).logits
    after = run(family, source, targets.at[:, 3].set(5)).logits
    close(before[:, :3], after[:, :3], atol=0)
    other = run(family, source.at[:, 7].set(5), targets).logits
    assert (jnp.abs(before - other).max(axis=-1) > 1e-4).all()


@every_family
def test_padding_of_the_source_changes_nothing(family):
    source, targets = ids(2, 6), ids(2, 5)
    padded = jnp.pad(source, ((0, 0), (0, 3)), constant_values=9)
    segments = jnp.pad(jnp.ones_like(source), ((0, 0), (0, 3)))
    found = run(family, padded, targets, segments=segments).logits
    close(found, run(family, source, targets).logits)
    close(run(family, padded.at[:, 7].set(11), targets, segments=segments).logits, found, atol=0)


@every_family
def test_padding_of_the_target_changes_nothing(family):
    source, targets = ids(2, 6), ids(2, 5)
    padded = jnp.pad(targets, ((0, 0), (0, 2)), constant_values=9)
    marks = jnp.pad(jnp.ones_like(targets), ((0, 0), (0, 2)))
    close(run(family, source, padded, decoder_segments=marks).logits[:, :5], run(family, source, targets).logits)


@every_family
def test_scan_equals_loop_and_bfloat16_is_near(family):
    source, targets = ids(2, 8), ids(2, 6)
    params = built(family)[1]
    found = run(family, source, targets)
    loop = run(family, source, targets, params, (("stack", "loop"),))
    for ours, theirs in zip(
        found.hidden_states + found.encoder_hidden_states, loop.hidden_states + loop.encoder_hidden_states, strict=True
    ):
        close(ours, theirs)
    half = run(family, source, targets, params, (("dtype", "bfloat16"),)).logits
    assert half.dtype == jnp.bfloat16
    error = float(jnp.abs(half.astype(jnp.float32) - found.logits).max() / jnp.abs(found.logits).max())
    assert 0 < error < 0.05


@every_family
def test_remat_equals_none(family):
    source, targets = ids(2, 5), ids(2, 4)

    def run(remat):
        graphdef, params = built(family, remat=remat, stack="loop")

        def loss(params):
            out = nnx.merge(graphdef, params)(source, decoder_tokens=targets, dropout_key=jax.random.key(2))
            return jnp.sum(jnp.sin(out.logits))

        return jax.jit(jax.value_and_grad(loss), compiler_options=FAST_COMPILE)(params)

    jax.tree.map(lambda a, b: close(a, b, atol=2e-4), run("full"), run("none"))


@every_family
def test_cache_equals_no_cache(family):
    source, targets = ids(2, 8), ids(2, 6)
    graphdef, params = built(family)
    model = nnx.merge(graphdef, params)
    whole = model(source, decoder_tokens=targets).hidden
    read, cache, found = model.encode(source), Cache.empty(model.config.decoder, 2, 6), []
    for part in (targets[:, :3], targets[:, 3:4], targets[:, 4:]):
        out = model.decode(part, read, cache=cache)
        cache = out.cache
        found.append(out.hidden)
    close(jnp.concatenate(found, axis=1), whole)


@every_family
@pytest.mark.parametrize("layout", ["scan", "loop", "inference"])
def test_the_source_is_read_once_and_shared_by_copies_of_a_row(family, layout):
    """Three targets for each of two sources, as of three copies of each; no step reads the encoder's output again."""
    source, segments = ids(2, 8), jnp.asarray([[1] * 8, [1] * 5 + [0] * 3])
    model = nnx.merge(*built(family, stack="loop" if layout == "loop" else "scan"))
    model, layers = (model.for_inference(), "apart") if layout == "inference" else (model, "stacked")
    targets, rows = ids(6, 5), jnp.repeat(jnp.arange(2), 3)
    whole = model(source[rows], segments=segments[rows], decoder_tokens=targets).logits
    read = model.encode(source, segments)
    read = dataclasses.replace(read, hidden=jnp.nan * read.hidden)
    cache, found = Cache.empty(model.config.decoder, 6, 5, layers=layers), []
    for part in (targets[:, :2], targets[:, 2:3], targets[:, 3:]):
        out = model.decode(part, read, cache=cache)
        cache = out.cache
        found.append(out.logits)
    close(jnp.concatenate(found, axis=1), whole)
    with pytest.raises(InputError, match="must have 2 rows, or a multiple, for as many sources; found 5"):
        model.decode(targets[:5], read)


@every_family
def test_for_inference_computes_the_same(family):
    source, targets = ids(2, 8), ids(2, 6)
    model = nnx.merge(*built(family))
    close(model.for_inference()(source, decoder_tokens=targets).logits, model(source, decoder_tokens=targets).logits)
    assert model.for_inference().is_for_inference and not model.is_for_inference


@every_family
def test_targets_are_the_tokens_behind_a_start_token_unless_given(family):
    source = ids(2, 6)
    shifted = jnp.concatenate([jnp.zeros((2, 1), jnp.int32), source[:, :-1]], axis=1)
    model = nnx.merge(*built(family))
    close(model(source).logits, model(source, decoder_tokens=shifted).logits, atol=0)
    graphdef, params = built(family, decoder_start_id=None)
    with pytest.raises(ConfigError, match="pass decoder_tokens"):
        nnx.merge(graphdef, params)(source)


@every_family
def test_generation_is_that_of_whole_targets(family):
    """Greedy by hand, without a cache; rows of different lengths, each as if alone; and the end token ends."""
    graphdef, params = built(family, eos_id=None)
    model, prompts = nnx.merge(graphdef, params), [[5, 9, 4, 30, 2], [7, 3]]
    tokens, marks = pad(model, [np.asarray(row) for row in prompts])  # an encoder counts positions from the left
    assert tokens[1, :3].tolist() == [7, 3, 0] and marks[1, :3].tolist() == [1, 1, 0]
    found = generate(model, prompts, max_new_tokens=6)
    whole = jax.jit(lambda params, *tokens: nnx.merge(graphdef, params)(tokens[0], decoder_tokens=tokens[1]).logits)
    for prompt, row in zip(prompts, found.tokens, strict=True):
        targets = np.zeros((1, 7), np.int32)  # from the start token on; logits do not depend on later targets
        for step in range(6):
            targets[0, step + 1] = whole(params, np.asarray([prompt]), targets)[0, step].argmax()
        assert row == targets[0, 1:].tolist()
    ended = generate(model, prompts, max_new_tokens=6, eos_id=found.tokens[0][2])
    assert ended.finish[0] == "eos" and ended.tokens[0] == found.tokens[0][: len(ended.tokens[0])]


def test_generation_stops_where_positions_end_and_only_there():
    marian, t5 = (nnx.merge(*built(family, eos_id=None)) for family in ("marian", "t5"))
    assert len(generate(marian, [[5, 9]], max_new_tokens=20).tokens[0]) == SIZES["max_length"]
    assert len(generate(t5, [[5] * 15], max_new_tokens=20).tokens[0]) == 20
    with pytest.raises(ConfigError, match="decoder_start_id"):
        generate(nnx.merge(*built("t5", decoder_start_id=None)), [[5]])


def test_bad_targets_are_refused():
    model = nnx.merge(*built("t5"))
    with pytest.raises(InputError, match=r"decoder_tokens\[0, 1\] is 40"):
        model(ids(1, 4), decoder_tokens=np.asarray([[3, 40]]))
    with pytest.raises(InputError, match="Row 0 of decoder_segments is all padding"):
        model(ids(1, 4), decoder_tokens=np.asarray([[3, 4]]), decoder_segments=np.asarray([[0, 0]]))


def test_dropout_falls_on_both_sides():
    """Of a model with rates in one place alone, each place moves the output."""
    source, targets = ids(2, 8), ids(2, 6)
    names = [name for name in vars(registry.config("t5-small")) if name.endswith("_dropout")]
    rates = dict.fromkeys(names, 0.0)
    params = built("t5")[1]
    plain = run("t5", source, targets, params, tuple(rates.items())).logits
    for name in set(names) - {"classifier_dropout"}:
        changed = tuple((rates | {name: 0.5}).items())
        moved = run("t5", source, targets, params, changed, dropout_key=jax.random.key(0)).logits
        assert float(jnp.abs(moved - plain).max()) > 1e-2, name

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What is XLNet's alone: two streams, orders of prediction, memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo.errors import ConfigError, InputError
from zoo.models import registry
from zoo.nn.config import AttentionConfig

SIZES = dict(vocab_size=31, width=12, num_layers=2, num_heads=3, mlp_width=17)
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, 31, (2, 9)), jnp.int32)


@functools.cache
def model(**changes):
    """Random values everywhere; the same ones however the config is changed."""
    config = registry.config("xlnet-base-cased", **(SIZES | changes))
    graphdef, shapes = nnx.split(registry.FAMILIES["xlnet"].abstract(config, head="permutation_lm"))
    rng = np.random.default_rng(7)
    return nnx.merge(graphdef, jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape)), shapes))


def one_hot(places: list[int]) -> jax.Array:
    return jnp.broadcast_to(jax.nn.one_hot(jnp.asarray(places), 9), (2, len(places), 9))


def order_mask(order: list[int]) -> jax.Array:
    """1 where the row does not come after the column in the order."""
    rank = np.argsort(order)
    return jnp.broadcast_to(jnp.asarray(rank[:, None] <= rank[None, :], jnp.float32), (2, 9, 9))


def moved(before, after) -> np.ndarray:
    return np.asarray(jnp.abs(before - after).max(axis=(0, 2)) > 1e-5)


def test_a_prediction_sees_what_precedes_it_in_the_order_and_not_itself():
    """Of the order 3, 7, 0, ..., position 0 is predicted from 3 and 7, wherever they are."""
    order = [3, 7, 0, 5, 1, 8, 2, 6, 4]
    run = functools.partial(model(), permutation_mask=order_mask(order), target_mapping=one_hot([7, 0, 4]))
    before = run(TOKENS).logits
    assert before.shape == (2, 3, 31)
    for place, expected in ((3, [1, 1, 1]), (7, [0, 1, 1]), (0, [0, 0, 1]), (4, [0, 0, 0])):
        after = run(TOKENS.at[:, place].set((TOKENS[:, place] + 1) % 31)).logits
        np.testing.assert_array_equal(moved(before, after), np.array(expected, bool), err_msg=str(place))


def test_an_order_in_numbers_is_the_same_as_a_mask():
    """Of outputs and gradients, with padding, memory and a row with fewer predictions than the other."""
    rng = np.random.default_rng(1)
    order = jnp.asarray(np.argsort(rng.random((2, 9)), axis=1), jnp.int32)
    positions, none = jnp.asarray([[7, 0, 4], [2, 9, 9]], jnp.int32), np.array([[0, 0, 0], [0, 1, 1]], bool)
    common = dict(
        segments=jnp.asarray([[1] * 9, [1] * 7 + [0] * 2], jnp.int32),
        token_types=jnp.asarray(rng.integers(0, 3, (2, 9)), jnp.int32),
        memory=jnp.asarray(rng.standard_normal((2, 5, 2, 12)), jnp.float32),
        targets=jnp.where(none, -100, TOKENS[:, :3]),
    )
    forms = (
        dict(order=order, target_positions=positions),
        dict(
            permutation_mask=order[:, :, None] <= order[:, None, :],
            target_mapping=jax.nn.one_hot(jnp.where(none, -1, positions), 9),
        ),
    )
    graphdef, params = nnx.split(model())

    def total(params, form):
        out = nnx.merge(graphdef, params)(TOKENS, **form, **common)
        return jnp.where(none, 0.0, out.losses).sum(), out.memory

    run = jax.jit(jax.grad(total, has_aux=True), compiler_options={"xla_backend_optimization_level": 0})
    found, want = (run(params, form) for form in forms)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_tokens_at_one_place_see_each_other_and_are_predicted_without():
    """Positions 1 and 4 are first, then 0, then the others: what of these depends on which tokens."""
    order = jnp.asarray([[1, 0, 2, 2, 0, 2, 2, 2, 2]] * 2, jnp.int32)
    run = functools.partial(model(), order=order, target_positions=jnp.asarray([[1, 0, 2]] * 2, jnp.int32))
    before = run(TOKENS, return_hidden_states=True)
    for place, content, predicted in (
        (4, [1] * 9, [0, 1, 1]),
        (0, [1, 0, 1, 1, 0, 1, 1, 1, 1], [0, 0, 1]),
        (8, [0, 0, 1, 1, 0, 1, 1, 1, 1], [0, 0, 0]),
    ):
        after = run(TOKENS.at[:, place].set((TOKENS[:, place] + 1) % 31), return_hidden_states=True)
        np.testing.assert_array_equal(moved(before.hidden_states[-2], after.hidden_states[-2]), np.array(content, bool))
        np.testing.assert_array_equal(moved(before.logits, after.logits), np.array(predicted, bool), err_msg=str(place))


def test_the_content_stream_does_not_depend_on_what_is_predicted():
    states = model()(TOKENS, target_mapping=one_hot([1, 2]), return_hidden_states=True).hidden_states
    plain = model()(TOKENS, return_hidden_states=True).hidden_states
    assert len(states) == 2 * len(plain) == 6
    for content, expected in zip(states[::2], plain, strict=True):
        np.testing.assert_allclose(content, expected, atol=1e-5)
    assert [state.shape[1] for state in states[1::2]] == [2, 2, 2]


def test_memory_makes_parts_equal_the_whole():
    """A model that looks back alone computes the same in three parts, each with the memory of those before."""
    causal = model(attention=AttentionConfig(causal=True, bias="none"))
    whole, memory, found = causal(TOKENS).logits, None, []
    for part in (TOKENS[:, :4], TOKENS[:, 4:5], TOKENS[:, 5:]):
        out = causal(part, memory=memory)
        memory = out.memory
        found.append(out.logits)
    np.testing.assert_allclose(jnp.concatenate(found, axis=1), whole, atol=2e-5)
    assert [part.shape for part in memory] == [(9, 2, 12)] * 2


def test_memory_keeps_the_requested_length_and_no_gradient():
    short = model(memory_length=3)
    first = short(TOKENS)
    assert [part.shape for part in first.memory] == [(3, 2, 12)] * 2
    longer = short(TOKENS[:, :2], memory=first.memory)
    np.testing.assert_array_equal(longer.memory[0][0], first.memory[0][2])
    graphdef, params = nnx.split(short)
    grads = jax.grad(lambda p: nnx.merge(graphdef, p)(TOKENS).memory[1].sum())(params)
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(grads))


def test_only_whether_segments_differ_counts():
    types = jnp.asarray([[0, 0, 0, 1, 1, 1, 2, 2, 2]] * 2, jnp.int32)
    found = model()(TOKENS, token_types=types).logits
    np.testing.assert_allclose(found, model()(TOKENS, token_types=7 - types).logits, atol=0)
    assert float(jnp.abs(found - model()(TOKENS, token_types=types * 0).logits).max()) > 1e-3


def test_distances_beyond_the_clamp_are_alike():
    """Clamped at 1, a token far behind has the same effect at any position: a swap of two makes no difference."""
    one = model(clamp_length=1, num_layers=1)
    swapped = TOKENS.at[:, 0].set(TOKENS[:, 1]).at[:, 1].set(TOKENS[:, 0])
    np.testing.assert_allclose(one(TOKENS).logits[:, 4:], one(swapped).logits[:, 4:], atol=2e-5)
    all_told = model(num_layers=1)
    assert float(jnp.abs(all_told(TOKENS).logits - all_told(swapped).logits)[:, 4:].max()) > 1e-4


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (dict(token_types=np.zeros((2, 8), np.int32)), "token_types must be"),
        (dict(permutation_mask=np.zeros((2, 9, 8))), "permutation_mask must be"),
        (dict(target_mapping=np.zeros((2, 3, 8))), "target_mapping must be"),
        (dict(order=np.zeros((2, 8), np.int32)), r"order must be \[B, T\] = \(2, 9\); found \(2, 8\)"),
        (dict(target_positions=np.zeros((3, 4), np.int32)), r"target_positions must be \[B, M\] with B = 2"),
        (dict(order=np.zeros((2, 9), np.int32), permutation_mask=np.zeros((2, 9, 9))), "order and permutation_mask"),
        (dict(memory=[np.zeros((4, 2, 12), np.float32)]), "memory must be 2 arrays"),
        (dict(memory=[np.zeros((4, 3, 12), np.float32)] * 2), "memory must be 2 arrays"),
    ],
)
def test_shapes_that_are_not_the_tokens_are_refused(inputs, message):
    inputs = {name: jax.tree.map(jnp.asarray, value) for name, value in inputs.items()}
    with pytest.raises(InputError, match=message):
        model()(TOKENS, **inputs)


def test_positions_change_nothing_however_far():
    far = jnp.full_like(TOKENS, 10_000)
    np.testing.assert_array_equal(model()(TOKENS, positions=far).logits, model()(TOKENS).logits)


def test_choices_and_dropout():
    config = registry.config("xlnet-base-cased", **SIZES)
    choice = registry.create(config, head="multiple_choice")
    tokens = jnp.stack([TOKENS, TOKENS[::-1]], axis=1)
    assert choice(tokens).logits.shape == (2, 2)
    plain = model()(TOKENS).logits
    assert float(jnp.abs(model()(TOKENS, dropout_key=jax.random.key(0)).logits - plain).max()) > 1e-2


def test_what_the_library_can_do_and_this_cannot_is_refused(tmp_path):
    import json

    import zoo

    zoo.save(registry.create(registry.config("xlnet-base-cased", **SIZES), head="permutation_lm"), tmp_path)
    hub = json.loads((tmp_path / "config.json").read_text())
    for key, value in (("same_length", True), ("bi_data", True), ("reuse_len", 3), ("attn_type", "tri")):
        (tmp_path / "config.json").write_text(json.dumps(hub | {key: value}))
        with pytest.raises(ConfigError, match=key):
            zoo.load(tmp_path)

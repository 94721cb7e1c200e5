# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a model refuses before it computes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from zoo.errors import InputError
from zoo.nn.config import TransformerConfig

pytestmark = pytest.mark.usefixtures("unchecked_types")

CONFIG = TransformerConfig(
    family="bert", vocab_size=11, width=6, num_layers=1, num_heads=2, mlp_width=5, max_length=7, num_token_types=2
)
TOKENS = np.ones((2, 4), np.int32)


@pytest.fixture(scope="module")
def model():
    return zoo.create(CONFIG)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (dict(tokens=np.array([[1, 11]])), r"tokens\[0, 1\] is 11; expected 0 to 10"),
        (dict(tokens=np.array([[1, -1]])), r"tokens\[0, 1\] is -1"),
        (dict(tokens=np.array([[2**32 + 5]])), "expected 0 to 10"),
        (dict(tokens=np.ones((1, 8), int)), "8 tokens; the model has positions for 7"),
        (dict(tokens=np.ones((4,), int)), "Add a batch axis"),
        (dict(tokens=np.ones((4, 0), int)), "at least one token"),
        (dict(tokens=TOKENS, token_types=TOKENS + 1), r"token_types\[0, 0\] is 2"),
        (dict(tokens=TOKENS, segments=TOKENS[:, :3]), "shape of tokens"),
        (dict(tokens=TOKENS, segments=np.array([[1, 1, 0, 0], [0, 0, 0, 0]])), "Row 1 of segments is all padding"),
        (dict(tokens=TOKENS, positions=TOKENS * 7), "positions"),
        (dict(tokens=TOKENS.astype(np.float32)), "must be integers; found float32"),
        (dict(tokens=[[1, 2]]), "not list; use np.asarray"),
        (dict(tokens=TOKENS, logits_at=np.array([[0], [4]])), r"logits_at\[1, 0\] is 4; expected 0 to 3"),
        (dict(tokens=TOKENS, logits_at=np.array([0, 1])), r"logits_at must be \[B, M\] with B = 2"),
        (dict(input_ids=TOKENS), "no argument 'input_ids'; use tokens"),
        (dict(tokens=TOKENS, attention_mask=TOKENS), "no argument 'attention_mask'; use segments"),
        (dict(tokens=TOKENS, token_type_ids=TOKENS), "use token_types"),
        (dict(tokens=TOKENS, train=True), "use dropout_key"),
        (dict(tokens=TOKENS, segment=TOKENS), "no argument 'segment'; did you mean 'segments'"),
        (dict(tokens=dict(tokens=TOKENS, segments=TOKENS), segments=TOKENS), "segments is both in the batch and"),
        (dict(tokens=dict(input_ids=TOKENS)), "use tokens"),
        (dict(), "tokens must be an array"),
    ],
)
def test_refuses(model, inputs, message):
    with pytest.raises(InputError, match=message):
        model(**inputs)


def test_bad_id_inside_jit_poisons_its_row_only(model):
    out = jax.jit(lambda tokens: model(tokens).hidden)(jnp.array([[1, 11, 2], [1, 2, 3]], jnp.int32))
    assert bool(jnp.isnan(out[0]).all()) and bool(jnp.isfinite(out[1]).all())


def test_padding_row_inside_jit_is_finite(model):
    out = jax.jit(lambda segments: model(jnp.asarray(TOKENS), segments=segments).hidden)(jnp.zeros((2, 4), jnp.int32))
    assert bool(jnp.isfinite(out).all())


class Encoded(NamedTuple):
    """A batch with its fields in another order than the model's arguments."""

    tokens: np.ndarray
    segments: np.ndarray
    token_types: np.ndarray | None


@pytest.mark.parametrize("form", [dict, lambda **fields: Encoded(**fields)], ids=["dict", "named tuple"])
def test_a_batch_is_its_fields(model, form):
    fields = dict(tokens=TOKENS, segments=np.array([[1, 1, 1, 0], [1, 1, 0, 0]]), token_types=TOKENS * [0, 1, 1, 0])
    expected = model(fields["tokens"], fields["token_types"], fields["segments"]).hidden
    np.testing.assert_array_equal(model(form(**fields)).hidden, expected)
    kept = model(form(**fields), return_hidden_states=True).hidden_states
    np.testing.assert_array_equal(kept[-1], expected)


def test_a_model_without_token_types_takes_none_or_zeros():
    model = zoo.create(CONFIG.replace(num_token_types=0))
    expected = model(TOKENS).hidden
    for types in (None, TOKENS * 0):
        np.testing.assert_array_equal(model(Encoded(TOKENS, TOKENS, types)).hidden, expected)
    with pytest.raises(InputError, match="has no token types"):
        model(TOKENS, token_types=TOKENS)


@pytest.mark.parametrize("name", ["t5-small", "xlnet-base-cased", "transformer-base"])
def test_every_class_of_models_takes_a_batch(name):
    sizes = dict(vocab_size=11, width=6, num_layers=1, num_heads=2, mlp_width=5, kv_width=3, stack="loop", pad_id=0)
    config = zoo.config(name)
    model = zoo.create(config.replace(**sizes, decoder_layers=config.decoder_layers and 1))
    batch = dict(tokens=TOKENS, segments=TOKENS * [1, 1, 1, 0])
    np.testing.assert_array_equal(model(batch).hidden, model(TOKENS, segments=batch["segments"]).hidden)
    for argument, message in (("labels", "use targets"), ("cache", "cache")):
        with pytest.raises(InputError, match=message):
            model(**batch, **{argument: TOKENS})

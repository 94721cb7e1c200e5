# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The result of a row does not depend on its batch, whatever the family and head."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo.models import registry
from zoo.nn.cache import Cache

SIZES = dict(vocab_size=37, width=12, num_layers=1, num_heads=3, kv_width=4, mlp_width=17, max_length=9, stack="loop")
LENGTHS, LENGTH, EOS = (4, 7), 7, 2

# Each pair of a family and a head class once: siblings share both with the family that they come from.
CASES = {
    (family.name if family.model is not registry.FAMILIES["bert"].model else "", head_type): (name, head)
    for name, family in reversed(registry.FAMILIES.items())
    for head, head_type in family.heads.items()
}


def build(name: str, head: str):
    """A small model with random values everywhere, and the id that pads its rows."""
    family = registry.FAMILIES[name]
    published = next(iter(family.sizes.values()))
    pad = None if published.pad_id is None else 3
    ids = dict(pad_id=pad, bos_id=1, eos_id=EOS, decoder_start_id=3, embed_width=published.embed_width and 8)
    decoder = {} if published.decoder_layers is None else {"decoder_layers": 1}
    config = family.suit(published.replace(**SIZES, **ids, **decoder), head)
    graphdef, shapes = nnx.split(family.abstract(config, head=head))
    rng = np.random.default_rng(7)
    params = jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), leaf.dtype), shapes)
    return nnx.merge(graphdef, params), EOS if pad is None else pad


def rows(pad: int, side: str = "right") -> tuple[np.ndarray, np.ndarray]:
    """Two rows, each with an end token as its last, padded on one side."""
    tokens = np.random.default_rng(0).integers(4, 37, (2, LENGTH)).astype(np.int32)
    segments = (np.arange(LENGTH) < np.array(LENGTHS)[:, None]).astype(np.int32)
    tokens[np.arange(2), np.array(LENGTHS) - 1] = EOS
    tokens = np.where(segments == 1, tokens, pad).astype(np.int32)
    if side == "right":
        return tokens, segments
    return tuple(
        np.stack([np.roll(row, LENGTH - n) for row, n in zip(array, LENGTHS, strict=True)])
        for array in (tokens, segments)
    )


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("name", "head"), CASES.values(), ids=map("-".join, CASES.values()))
def test_a_row_alone_is_the_row_in_a_batch(name, head, side):
    """On the left too, where neither the positions nor the first token may be those of the padding."""
    model, pad = build(name, head)
    tokens, segments = rows(pad, side)
    place = slice(LENGTHS[0]) if side == "right" else slice(-LENGTHS[0], None)
    alone, batch = tokens[:1, place], dict(tokens=tokens, segments=segments)
    if head == "multiple_choice":
        alone, batch = alone[:, None], {key: array[:, None] for key, array in batch.items()}
    expected, found = model(alone), model(batch)
    for field in ("logits", "pair_logits", "pooled", "hidden"):
        want, have = getattr(expected, field), getattr(found, field)
        if want is not None:
            per_token = have.shape[1:2] == (LENGTH,)
            np.testing.assert_allclose(have[0, place] if per_token else have[0], want[0], atol=2e-5)


@pytest.mark.parametrize("name", ["gpt2", "bert", "roberta"])
def test_a_cache_counts_positions_past_the_padding_on_the_left(name):
    model, pad = build(name, "causal_lm")
    tokens, segments = rows(pad, "left")
    begun = model(tokens[:, :5], segments=segments[:, :5], cache=Cache.empty(model.config, 2, LENGTH))
    found = model(tokens[:, 5:], cache=begun.cache)
    np.testing.assert_allclose(found.logits, model(tokens, segments=segments).logits[:, 5:], atol=2e-5)


@pytest.mark.parametrize("head", ["sequence_classification", "multiple_choice"])
def test_xlnet_reads_its_last_token_wherever_the_padding_is(head):
    model, pad = build("xlnet", head)
    (tokens, segments), left = rows(pad), rows(pad, "left")
    if head == "multiple_choice":
        tokens, segments, left = tokens[:, None], segments[:, None], [array[:, None] for array in left]
    on_the_right, on_the_left = model(tokens, segments=segments), model(left[0], segments=left[1])
    np.testing.assert_allclose(on_the_right.logits, on_the_left.logits, atol=2e-5)

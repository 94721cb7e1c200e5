# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks are filled with the model's likeliest tokens, whatever else is in the batch."""

import copy
import dataclasses

import jax
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, InputError
from zoo.text.train import train_tokenizer

TEXTS = ["the [MASK] sat on the mat .", "a [MASK] and a [MASK]", "[MASK]"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["the cat sat on the mat .", "a dog and a cat"] * 3, kind="wordpiece", vocab_size=80)


@pytest.fixture(scope="module")
def model(tokenizer):
    sizes = dict(width=16, num_layers=2, num_heads=2, kv_width=8, mlp_width=24, max_length=32, stack="loop")
    return zoo.create(zoo.config("bert-tiny", vocab_size=tokenizer.vocab_size, **sizes), head="masked_lm", seed=0)


def test_the_likeliest_tokens(model, tokenizer):
    found = zoo.fill_mask(model, TEXTS, tokenizer=tokenizer, top_k=3)
    assert [len(masks) for masks in found] == [1, 2, 1]
    for text, masks in zip(TEXTS, found, strict=True):
        ids = np.array([tokenizer.encode(text)])
        expected = jax.nn.softmax(model(ids).logits[0])[ids[0] == tokenizer.mask_id]
        for candidates, probabilities in zip(masks, expected, strict=True):
            order = np.argsort(probabilities)[::-1][:3]
            assert [candidate.id for candidate in candidates] == order.tolist()
            np.testing.assert_allclose([c.probability for c in candidates], probabilities[order], rtol=1e-4)


def test_the_filled_text(model, tokenizer):
    first, second = zoo.fill_mask(model, TEXTS[1:2], tokenizer=tokenizer, top_k=1)[0]
    assert first[0].text == TEXTS[1].replace("[MASK]", tokenizer.decode([first[0].id], special_tokens="keep"), 1)
    assert second[0].text.startswith("a [MASK] and a ") and second[0].text.count("[MASK]") == 1


def test_batches_change_nothing(model, tokenizer):
    whole, each = (zoo.fill_mask(model, TEXTS, tokenizer=tokenizer, top_k=4, batch_size=size) for size in (32, 1))
    for some, others in zip(whole, each, strict=True):
        for candidates, same in zip(some, others, strict=True):
            assert [c.id for c in candidates] == [c.id for c in same]
            np.testing.assert_allclose([c.probability for c in candidates], [c.probability for c in same], rtol=1e-4)


def test_padding_on_the_left_changes_nothing(model, tokenizer):
    left = copy.copy(tokenizer)
    left.batch_format = dataclasses.replace(tokenizer.batch_format, padding_side="left")
    texts = [*TEXTS, "the [MASK] " + "cat " * 26]  # up to the longest that the model takes
    right, other = (zoo.fill_mask(model, texts, tokenizer=each, top_k=3) for each in (tokenizer, left))
    assert [[c.id for c in masks[0]] for masks in right] == [[c.id for c in masks[0]] for masks in other]


def test_refused(model, tokenizer):
    with pytest.raises(InputError, match=r"text 1 must be a str with \[MASK\] in it"):
        zoo.fill_mask(model, [TEXTS[0], "nothing to fill"], tokenizer=tokenizer)
    with pytest.raises(InputError, match="must be a list"):
        zoo.fill_mask(model, TEXTS[0], tokenizer=tokenizer)
    with pytest.raises(InputError, match=r"text 1 has \d+ tokens, and the model takes 32"):
        zoo.fill_mask(model, [TEXTS[0], "[MASK] " + "cat " * 40], tokenizer=tokenizer, batch_size=1)
    with pytest.raises(ConfigError, match="top_k must be an int from 1 to"):
        zoo.fill_mask(model, TEXTS, tokenizer=tokenizer, top_k=0)
    bare = zoo.create(model.config, head=None, seed=0)
    with pytest.raises(ConfigError, match="needs a model with a masked_lm head"):
        zoo.fill_mask(bare, TEXTS, tokenizer=tokenizer)

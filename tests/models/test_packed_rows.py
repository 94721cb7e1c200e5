# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""With `num_segments`, what a model gives of a text in a row of several is what it gives of the text alone.

`tests/objectives/test_packing.py` has the heads that are fine-tuned.
"""

import numpy as np
import pytest

from tests.models.test_rows_alone import EOS, build
from zoo.errors import InputError
from zoo.nn.cache import Cache

LENGTHS, LENGTH, PLACES = (2, 4), 8, 3


def packed(pad, *, end=True):
    """A row with two texts and a third place that is empty, and the texts."""
    rng = np.random.default_rng(0)
    texts = [rng.integers(4, 37, (1, length)).astype(np.int32) for length in LENGTHS]
    if end:
        for text in texts:
            text[0, -1] = EOS
    padding = np.full((1, LENGTH - sum(LENGTHS)), pad, np.int32)
    segments = np.repeat(np.array([1, 2, 0], np.int32), [*LENGTHS, padding.size])[None]
    positions = np.concatenate([np.arange(length) for length in (*LENGTHS, padding.size)]).astype(np.int32)[None]
    row = dict(tokens=np.concatenate([*texts, padding], axis=1), segments=segments, positions=positions)
    return row | {"num_segments": PLACES}, texts


@pytest.mark.parametrize(
    ("name", "head", "field"),
    [
        ("bert", "pretraining", "pair_logits"),
        ("bert", "next_sentence", "logits"),
        ("albert", "sentence_order", "logits"),
        ("roberta", "multiple_choice", "logits"),
        ("electra", "sequence_classification", "logits"),
        ("gpt", "multiple_choice", "logits"),
    ],
)
def test_a_text_in_a_row_is_the_text_alone(name, head, field):
    model, pad = build(name, head)
    row, texts = packed(pad)
    is_choice = model.head_name == "multiple_choice"
    if is_choice:
        row = {key: value[:, None] if isinstance(value, np.ndarray) else value for key, value in row.items()}
    found = getattr(model(**row), field)
    assert found.shape[:2] == (1, PLACES) and np.isfinite(found).all()
    for place, text in enumerate(texts):
        alone = getattr(model(text[:, None] if is_choice else text), field)
        np.testing.assert_allclose(found[:, place], alone, atol=1e-5)
    assert np.abs(found[:, 0] - found[:, 1]).max() > 1e-4


def test_a_text_without_an_end_token_is_read_at_its_first_one():
    model, pad = build("t5", "sequence_classification")
    row, texts = packed(pad, end=False)
    found = model(**row).logits
    for place, text in enumerate(texts):
        np.testing.assert_allclose(found[:, place], model(text).logits, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"segments": None}, "needs segments .* segments is None"),
        ({"positions": None}, "needs segments .* positions is None"),
        ({"num_segments": 1}, r"segments\[0, 2\] is 2; expected 0 to 1"),
        ({"num_segments": 0}, "from 1 on .* found 0"),
        ({"num_segments": np.int32(3)}, "from 1 on .* found"),
    ],
)
def test_refused(unchecked_types, changes, words):
    model, pad = build("bert", "sequence_classification")
    row, _ = packed(pad)
    with pytest.raises(InputError, match=words):
        model(**(row | changes))


def test_a_cache_or_texts_of_the_decoder_are_refused(unchecked_types):
    model, pad = build("gpt2", "sequence_classification")
    row, _ = packed(pad)
    with pytest.raises(InputError, match="leave it or the cache out"):
        model(**row, cache=Cache.empty(model.config, 1, LENGTH))
    model, pad = build("t5", "sequence_classification")
    with pytest.raises(InputError, match="leave decoder_tokens and decoder_segments out"):
        model(**row, decoder_tokens=row["tokens"])

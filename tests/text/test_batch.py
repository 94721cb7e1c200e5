# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches: padding, truncation, offsets, and what a model takes of them."""

import json

import numpy as np
import pytest

import zoo
from tests.text.test_unigram import WORDS as PIECES
from tests.text.test_unigram import model as sentencepiece
from zoo.errors import ConfigError, InputError
from zoo.text.load import load_tokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "fox", "##es", "run", "##s", ",", "dog"]
XLNET = [("<unk>", 0.0, 2), *((f"<{name}>", 0.0, 3) for name in ("s", "/s", "cls", "sep", "pad", "mask")), *PIECES]


@pytest.fixture
def tokenizer(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    return load_tokenizer(tmp_path)


def test_a_pair_is_truncated_as_asked(tokenizer):
    texts, pairs = ["the fox runs"], ["the dog, the dog"]
    assert tokenizer.encode(texts[0], pairs[0]) == [2, 5, 6, 8, 9, 3, 5, 11, 10, 5, 11, 3]

    def cut(length: int, **options):
        batch = tokenizer.encode_batch(texts, pairs, max_length=length, **options)
        return batch.tokens.tolist()[0], batch.token_types.tolist()[0]

    assert cut(9) == cut(9, truncation="longest_first") == ([2, 5, 6, 8, 3, 5, 11, 10, 3], [0] * 5 + [1] * 4)
    assert cut(9, truncation="only_second") == ([2, 5, 6, 8, 9, 3, 5, 11, 3], [0] * 6 + [1] * 3)
    assert cut(9, truncation="only_first")[0] == [2, 5, 3, 5, 11, 10, 5, 11, 3]
    with pytest.raises(InputError, match=r"'only_second' a pair does not fit into max_length 6"):
        cut(6, truncation="only_second")
    assert tokenizer.encode_batch(texts).tokens.shape == (1, 6)  # truncation does not linger


def test_lengths(tokenizer):
    def shape(**options):
        return tokenizer.encode_batch(["the fox", "the"], **options).tokens.shape

    assert shape() == (2, 4) and shape(pad_to=6) == (2, 6)
    assert shape(pad_to_multiple_of=8) == (2, 8) and shape(pad_to=9, pad_to_multiple_of=8) == (2, 16)
    assert shape(max_length=3, pad_to_multiple_of=1) == (2, 3)


def test_offsets_name_the_characters_of_each_token(tokenizer):
    texts, pairs = ["the foxes", "the"], ["run", "a dog"]
    batch = tokenizer.encode_batch(texts, pairs, return_offsets=True)
    assert batch.offsets.shape == (*batch.tokens.shape, 2)
    found = [
        [
            (texts, pairs)[source][row][begin:end]
            for source, (begin, end) in zip(sources, spans, strict=True)
            if source >= 0
        ]
        for row, (sources, spans) in enumerate(zip(batch.sources, batch.offsets, strict=True))
    ]
    assert found == [["the", "fox", "es", "run"], ["the", "a", "dog"]]
    assert batch.sources.tolist()[0] == [-1, 0, 0, 0, -1, 1, -1]
    assert tokenizer.encode_batch(texts).offsets is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(truncation="longest_first"), "declares no model_max_length"),
        (dict(truncation="only_second", max_length=4), "needs pairs"),
        (dict(truncation="shortest", max_length=4), "truncation must be one of .* found 'shortest'"),
        (dict(max_length=2), "must exceed the 2 special tokens"),
        (dict(pad_to_multiple_of=-1), "pad_to_multiple_of must be an int from 0"),
    ],
)
def test_options_that_cannot_be(tokenizer, options, message, unchecked_types):
    with pytest.raises(ConfigError, match=message):
        tokenizer.encode_batch(["the"], **options)


def test_no_texts_are_an_empty_batch(tokenizer):
    assert tokenizer.encode_batch([], pad_to=4).tokens.shape == (0, 4)


def test_a_batch_is_a_mapping_of_what_the_model_takes(tmp_path, tokenizer):
    batch = tokenizer.encode_batch(["the"])
    assert list(batch) == ["tokens", "token_types", "segments"] and batch["tokens"] is batch.tokens
    with pytest.raises(KeyError):
        batch["offsets"]
    for name, content in (
        ("config", {"model_type": "distilbert"}),
        ("tokenizer_config", {"model_input_names": ["input_ids"]}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        assert list(load_tokenizer(tmp_path).encode_batch(["the"], ["fox"])) == ["tokens", "segments"]
        (tmp_path / f"{name}.json").unlink()


TINY = dict(vocab_size=len(WORDS), width=16, num_layers=2, num_heads=2, mlp_width=24)


@pytest.mark.parametrize("name", ["bert-base-uncased", "distilbert-base-uncased"])
def test_a_model_takes_a_batch(tmp_path, tokenizer, name):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": name.partition("-")[0]}))
    model = zoo.create(zoo.config(name, **TINY), seed=1)
    batch = load_tokenizer(tmp_path).encode_batch(["the fox", "the"], ["the dog", "fox"])
    assert model(**batch).hidden.shape == (2, 7, 16)


def test_xlnets_texts_do_not_depend_on_their_batch(tmp_path):
    """As Transformers' tokenizer, XLNet's pads on the left, where its classifiers do not look."""
    (tmp_path / "spiece.model").write_bytes(sentencepiece(XLNET))
    tokenizer = load_tokenizer(tmp_path)
    alone, batch = tokenizer.encode_batch(["to be"]), tokenizer.encode_batch(["to be", "to be or not to be"])
    assert alone.tokens.tolist() == [[7, 8, 4, 3]] and batch.tokens.tolist()[0] == [5, 5, 5, 5, 7, 8, 4, 3]
    assert list(batch) == ["tokens", "token_types", "segments"]
    config = zoo.config("xlnet-base-cased", **{**TINY, "vocab_size": tokenizer.vocab_size})
    model = zoo.create(config, head="sequence_classification", seed=1)
    np.testing.assert_allclose(model(**alone).logits[0], model(**batch).logits[0], atol=1e-5)

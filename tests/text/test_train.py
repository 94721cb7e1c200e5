# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Vocabularies trained with the special tokens of a family."""

import json

import numpy as np
import pytest

import zoo
from zoo.data.packed import Frame
from zoo.errors import ConfigError
from zoo.text.classes import BERT, GPT2, ROBERTA, T5, XLNET
from zoo.text.load import load_tokenizer
from zoo.text.train import train_tokenizer

TEXTS = ["The quick brown fox.", "jumps over THE lazy dog, naïvely!", "the fox and the dog: 狐 犬"] * 5
SIZE = {"wordpiece": 120, "byte_bpe": 275}


@pytest.mark.parametrize("kind", ["wordpiece", "byte_bpe"])
@pytest.mark.parametrize(("special", "roles"), [("bert", BERT), ("roberta", ROBERTA), ("gpt2", GPT2)])
def test_either_algorithm_with_the_special_tokens_of_any_family(tmp_path, kind, special, roles):
    tokenizer = train_tokenizer(TEXTS, kind=kind, vocab_size=SIZE[kind], special=special)
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    for each in (tokenizer, again):
        assert each.special == roles and each.vocab_size <= SIZE[kind]
        (a, _), (b, _) = each.encode_words(["the fox", "the dog"])
        around = {"bert": ([each.cls_id], [each.sep_id], [each.sep_id]), "gpt2": ([], [], [])}
        begin, middle, end = around.get(special, ([0], [2, 2], [2]))
        assert each.encode("the fox", "the dog") == [*begin, *a, *middle, *b, *end]
        types = each.encode_batch(["the fox"], ["the dog"]).token_types[0]
        assert not types.any() if special == "roberta" else types[-1] == 1
        assert ("token_types" in each.encode_batch(["the"])) is (special == "bert")
        assert each.special_ids == tuple(range(len(set(roles.values()))))
    assert [again.encode(text) for text in TEXTS] == [tokenizer.encode(text) for text in TEXTS]


@pytest.mark.parametrize("kind", ["wordpiece", "byte_bpe"])
def test_a_masked_language_model_of_robertas_family(tmp_path, kind):
    """Its positions begin behind the padding token, whose id is 1 as in the released vocabularies."""
    tokenizer = train_tokenizer(TEXTS, kind=kind, vocab_size=SIZE[kind], special="roberta")
    assert (tokenizer.bos_id, tokenizer.pad_id, tokenizer.eos_id, tokenizer.unk_id, tokenizer.mask_id) == (
        0,
        1,
        2,
        3,
        4,
    )
    sizes = dict(vocab_size=tokenizer.vocab_size, width=16, num_layers=1, num_heads=2, mlp_width=24)
    model = zoo.create(zoo.config("roberta-base", **sizes), head="masked_lm", seed=1)
    batch = tokenizer.encode_batch(["the <mask>", "the quick brown fox"])
    logits = model(**batch).logits
    assert logits.shape[-1] == tokenizer.vocab_size and np.isfinite(logits).all()
    np.testing.assert_allclose(model(**tokenizer.encode_batch(["the <mask>"])).logits[0], logits[0, :4], atol=1e-5)


def test_a_byte_level_mask_takes_the_space_before_it_along(tmp_path):
    tokenizer = train_tokenizer(TEXTS, kind="byte_bpe", vocab_size=275, special="roberta")
    tokenizer.save(tmp_path)
    assert (
        tokenizer.encode("the <mask>") == tokenizer.encode("the<mask>") == load_tokenizer(tmp_path).encode("the <mask>")
    )
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "RobertaTokenizer" and config["added_tokens_decoder"]["4"]["lstrip"]


@pytest.mark.parametrize("kind", ["wordpiece", "byte_bpe"])
def test_the_vocabulary_of_t5_ends_with_sentinels(tmp_path, kind):
    size = {"wordpiece": 170, "byte_bpe": 370}[kind]  # less than these texts would fill
    tokenizer = train_tokenizer(TEXTS, kind=kind, vocab_size=size, special="t5")
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    for each in (tokenizer, again):
        assert each.special == T5 and (each.pad_id, each.eos_id) == (0, 1) and each.vocab_size <= size
        last = each.vocab_size - 1
        assert [each.token_to_id(f"<extra_id_{n}>") for n in (0, 1, 99)] == [last, last - 1, last - 99]
        assert each.token_to_id("<extra_id_100>") is None
        assert each.special_ids == (0, 1, 2, *range(last - 99, last + 1))
        (fox, _), (dog, _) = each.encode_words(["the fox", " the dog"])
        assert each.encode("the fox", " the dog") == [*fox, 1, *dog, 1]
        assert each.encode("the fox<extra_id_0>")[-2:] == [last, 1]
        assert "token_types" not in each.encode_batch(["the"])
    assert [again.encode(text) for text in TEXTS] == [tokenizer.encode(text) for text in TEXTS]


@pytest.mark.parametrize("kind", ["wordpiece", "byte_bpe"])
def test_the_vocabulary_of_xlnet_begins_with_its_special_tokens(tmp_path, kind):
    tokenizer = train_tokenizer(TEXTS, kind=kind, vocab_size=SIZE[kind], special="xlnet")
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    for each in (tokenizer, again):
        assert each.special == XLNET and each.special_ids == tuple(range(9)) and each.vocab_size <= SIZE[kind]
        assert [each.token_to_id(name) for name in ("<unk>", "<cls>", "<sep>", "<pad>", "<eod>")] == [0, 3, 4, 5, 7]
        (fox, _), (dog, _) = each.encode_words(["the fox", "the dog"])
        assert each.encode("the fox", "the dog") == [*fox, 4, *dog, 4, 3]
        batch = each.encode_batch(["the", "the quick brown fox"])
        assert batch["tokens"][0, 0] == 5 and batch["tokens"][:, -1].tolist() == [3, 3]  # padded on the left
        assert batch["token_types"][1, -2:].tolist() == [0, 2]
        assert Frame.of(each) == Frame(suffix=(4, 3), separator=7, pad_id=5)
    assert [again.encode(text) for text in TEXTS] == [tokenizer.encode(text) for text in TEXTS]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            dict(kind="byte_bpe", vocab_size=260, special="roberta"),
            "vocab_size 260 is too small for byte_bpe; give 261",
        ),
        (dict(kind="byte_bpe", vocab_size=358, special="t5"), "vocab_size 358 is too small for byte_bpe; give 359"),
        (dict(kind="wordpiece", vocab_size=163, special="t5"), "vocab_size 163 is too small for wordpiece; give 164"),
        (
            dict(kind="wordpiece", vocab_size=100, special="albert"),
            "special 'albert' is unknown; use 'bert', .* 'xlnet'",
        ),
    ],
)
def test_training_refuses(options, message):
    with pytest.raises(ConfigError, match=message):
        train_tokenizer(TEXTS, **options)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a folder declares of its tokenizer changes the result as in Transformers, or is refused by name."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import FormatError
from zoo.text.load import load_tokenizer

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "tokenizer_options.json").read_text(encoding="utf-8"))
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] hello world < user > new".split()


def label(case: dict) -> str:
    return f"{case['write']['config.json']['model_type']}-{json.dumps(case['write']['tokenizer_config.json'])[:60]}"


def write(folder: Path, files: dict) -> Path:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def folder_of(request, tmp_path):
    def make(case: dict) -> Path:
        for source, target in case["copy"].items():
            shutil.copy(request.getfixturevalue("assets") / "tokenizers" / source, tmp_path / target)
        return write(tmp_path, case["write"])

    return make


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=label)
def test_options_change_the_ids_as_in_transformers(folder_of, case, tmp_path):
    tokenizer = load_tokenizer(folder_of(case))
    assert tokenizer.vocab_size == case["size"]
    tokenizer.save(tmp_path / "saved")
    for each in (tokenizer, load_tokenizer(tmp_path / "saved")):
        assert [each.encode(text) for text in GOLDEN["texts"]] == case["ids"]
        assert [each.decode(ids) for ids in case["ids"]] == case["decoded"]
        assert each.encode(*GOLDEN["texts"][:2]) == case["pair"]
        if case["batch"] is not None:
            assert each.encode_batch(GOLDEN["texts"][:2]).tokens.tolist() == case["batch"]


@pytest.fixture
def words(tmp_path):
    return write(tmp_path, {"vocab.txt": "\n".join(WORDS)})


def test_an_additional_special_token_is_special_wherever_it_is_declared(words):
    write(words, {"added_tokens.json": {"<user>": 11, "covid": 12}})
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        write(words, {file: {"additional_special_tokens": ["<user>"]}})
        tokenizer = load_tokenizer(words)
        assert tokenizer.encode("hello <user> covid world") == [2, 5, 11, 12, 6, 3]
        assert tokenizer.special_ids == (0, 1, 2, 3, 4, 11) and tokenizer.vocab_size == 13
        assert tokenizer.decode([2, 5, 11, 12, 6, 3]) == "hello covid world"
        assert tokenizer.encode("<USER> COVID") == [2, 7, 8, 9, 12, 3]  # a special token is matched as it stands
        (words / file).unlink()


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        ({}, [2, 5, 11, 6, 1, 3]),
        ({"single_word": True}, [2, 5, 11, 6, 1, 3]),
        ({"normalized": False}, [2, 5, 11, 6, 1, 3]),
    ],
)
def test_the_flags_of_an_added_token(words, flags, ids):
    token = {"content": "COVID", "special": False, "normalized": True, **flags}
    write(words, {"tokenizer_config.json": {"added_tokens_decoder": {"11": token}, "do_lower_case": True}})
    assert load_tokenizer(words).encode("hello COVID world x") == ids
    inside = load_tokenizer(words).encode("helloCOVIDnew")
    assert (11 in inside) is not flags.get("single_word", False)
    assert (11 in load_tokenizer(words).encode("covid")) is flags.get("normalized", True)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tokenizer_config.json": {"tokenizer_class": "FooTokenizer"}}, "tokenizer_class 'FooTokenizer'"),
        (
            {"config.json": {"tokenizer_class": "BertJapaneseTokenizer"}},
            "'BertJapaneseTokenizer', which is not supported",
        ),
        ({"tokenizer_config.json": {"word_tokenizer_type": "mecab"}}, "word_tokenizer_type 'mecab'"),
        ({"tokenizer_config.json": {"subword_tokenizer_type": "character"}}, "subword_tokenizer_type 'character'"),
        ({"tokenizer_config.json": {"tokenizer_class": "HerbertTokenizer"}}, "vocab.txt belongs to BertTokenizer"),
        ({"tokenizer_config.json": {"tokenizer_class": "MPNetTokenizer"}}, "needs a tokenizer.json"),
        ({"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}}, "needs a tokenizer.json"),
        ({"tokenizer_config.json": {"tokenizer_class": 3}}, "tokenizer_class must be a str; found 3"),
        ({"tokenizer_config.json": {"do_lower_case": "no"}}, "do_lower_case must be a bool; found 'no'"),
        ({"tokenizer_config.json": {"padding_side": "top"}}, "padding_side must be 'left' or 'right'; found 'top'"),
        ({"tokenizer_config.json": {"truncation_side": 1}}, "truncation_side must be 'left' or 'right'; found 1"),
        ({"tokenizer_config.json": {"model_max_length": 0}}, "model_max_length must be 1 token or more; found 0"),
        ({"tokenizer_config.json": {"extra_ids": -1}}, "extra_ids must be an int .* found -1"),
        ({"tokenizer_config.json": {"additional_special_tokens": "x"}}, "additional_special_tokens must be a list"),
        ({"tokenizer_config.json": {"additional_special_tokens": [3]}}, "declares additional_special_tokens 3"),
        ({"tokenizer_config.json": {"added_tokens_decoder": {"x": {"content": "a"}}}}, "id of an added token .* 'x'"),
        (
            {"tokenizer_config.json": {"added_tokens_decoder": {"11": {"content": "a", "lstrip": 1}}}},
            r"11\.lstrip must",
        ),
        ({"added_tokens.json": {"a": 12}}, "'a' with id 12, but its vocabulary gives it 11"),
        ({"added_tokens.json": {"hello": 11}}, "'hello' with id 11, but its vocabulary gives it 5"),
        ({"added_tokens.json": {"a": 11, "b": 11}}, "'b' and 'a' have the same id 11"),
        ({"added_tokens.json": {"a": True}}, "id of an added token must be 0 or more; found True"),
        ({"added_tokens.json": {"a": 11}, "config.json": {"vocab_size": 11}}, "vocab_size 11, but .* 12 tokens"),
    ],
)
def test_unsupported_options_are_errors_that_name_them(words, files, message):
    with pytest.raises(FormatError, match=message):
        load_tokenizer(write(words, files))


def test_a_class_that_tokenizer_json_does_not_hold_is_refused(assets, tmp_path):
    shutil.copy(assets / "tokenizers" / "bert-base-cased" / "tokenizer.json", tmp_path)
    write(tmp_path, {"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer"}})
    with pytest.raises(FormatError, match=r"'RobertaTokenizer', but its tokenizer\.json holds a WordPiece model"):
        load_tokenizer(tmp_path)


def test_case_is_kept_if_nothing_is_declared_and_else_only_on_request(assets, tmp_path, caplog):
    shutil.copy(assets / "tokenizers" / "bert-base-cased" / "tokenizer.json", tmp_path)
    write(tmp_path, {"config.json": {"model_type": "bert"}})
    kept = load_tokenizer(tmp_path).encode("Hello")
    write(tmp_path, {"tokenizer_config.json": {"model_max_length": 512}})
    assert load_tokenizer(tmp_path).encode("Hello") != kept
    assert "does not declare do_lower_case: texts are lower-cased" in caplog.text
    write(tmp_path, {"tokenizer_config.json": {"model_max_length": 512, "do_lower_case": False}})
    assert load_tokenizer(tmp_path).encode("Hello") == kept


@pytest.mark.parametrize("files", [("vocab.json", "merges.txt"), ("tokenizer.json",)])
def test_offsets_keep_the_space_before_a_word_if_declared(assets, tmp_path, files):
    for file in files:
        shutil.copy(assets / "tokenizers" / "roberta-base" / file, tmp_path)
    expected = {True: [(0, 0), (0, 5), (6, 9), (0, 0)], False: [(0, 0), (0, 5), (5, 9), (0, 0)]}
    for trim, offsets in expected.items():
        write(tmp_path, {"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer", "trim_offsets": trim}})
        found = load_tokenizer(tmp_path).encode_batch(["Hello the"], return_offsets=True).offsets
        assert [tuple(each) for each in found[0].tolist()] == offsets


def test_the_sides_that_tokenizer_json_declares(assets, tmp_path):
    file = json.loads((assets / "tokenizers" / "roberta-base" / "tokenizer.json").read_text(encoding="utf-8"))
    file["padding"] = dict(direction="Left", pad_id=1, pad_token="<pad>", pad_type_id=0, strategy="BatchLongest")
    file["padding"]["pad_to_multiple_of"] = None
    file["truncation"] = dict(direction="Left", max_length=3, strategy="LongestFirst", stride=0)
    write(tmp_path, {"tokenizer.json": file})
    style = load_tokenizer(tmp_path).batch_format
    assert (style.padding_side, style.truncation_side) == ("left", "left")
    write(tmp_path, {"tokenizer_config.json": {"padding_side": "right"}})
    style = load_tokenizer(tmp_path).batch_format
    assert (style.padding_side, style.truncation_side) == ("right", "left")


def test_keep_accents_is_refused_for_xlnet(assets, tmp_path):
    shutil.copy(assets / "tokenizers" / "xlnet-base-cased" / "spiece.model", tmp_path)
    write(tmp_path, {"tokenizer_config.json": {"keep_accents": True}})
    with pytest.raises(FormatError, match="keep_accents is not supported for XLNet"):
        load_tokenizer(tmp_path)


def test_an_option_that_changes_nothing_in_transformers_is_logged(words, caplog):
    options = {
        "keep_accents": True,
        "extra_ids": 3,
        "do_lower_case": True,
        "never_split": ["<user>"],
        "errors": "replace",
    }
    write(words, {"tokenizer_config.json": options})
    with caplog.at_level(logging.WARNING):
        load_tokenizer(words)
    for unused in ("extra_ids=3", "keep_accents=True", "never_split=['<user>']"):
        assert unused in caplog.text
    assert "do_lower" not in caplog.text and "errors" not in caplog.text


def test_a_special_token_of_a_sentencepiece_file_needs_no_declaration(assets, tmp_path):
    shutil.copy(assets / "tokenizers" / "xlnet-base-cased" / "spiece.model", tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    end = tokenizer.backend.token_to_id("<eod>")
    assert end == 7 and end in tokenizer.special_ids
    assert tokenizer.decode(tokenizer.encode("to be <eod>")) == "to be"


@pytest.mark.parametrize("name", ["model_max_length", "max_len"])
def test_declared_sides_and_length(words, name):
    options = {"padding_side": "left", "truncation_side": "left", name: 4}
    tokenizer = load_tokenizer(write(words, {"tokenizer_config.json": options}))
    batch = tokenizer.encode_batch(["hello", "hello new world"], truncation="longest_first")
    np.testing.assert_array_equal(batch.tokens, [[0, 2, 5, 3], [2, 10, 6, 3]])
    np.testing.assert_array_equal(batch.segments, [[0, 1, 1, 1], [1, 1, 1, 1]])
    np.testing.assert_array_equal(batch["positions"], [[0, 0, 1, 2], [0, 1, 2, 3]])
    assert tokenizer.encode_batch(["hello new world"]).tokens.shape == (1, 5)

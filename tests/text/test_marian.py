# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Marian's tokenizer does what Transformers' class does, on both sides, and refuses damaged files."""

import json
import shutil
from pathlib import Path

import pytest

from zoo.errors import FormatError, InputError
from zoo.hub.fetch import TOKENIZER_FILES
from zoo.text.load import load_tokenizer

FOLDER = Path(__file__).parents[1] / "golden" / "marian_tokenizer"
GOLDEN = json.loads((FOLDER / "golden.json").read_text(encoding="utf-8"))
FILES = ("source.spm", "target.spm", "vocab.json", "tokenizer_config.json")


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(FOLDER)


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        shutil.copy(FOLDER / name, tmp_path)
    return tmp_path


def test_transformers_ids_on_both_sides(tokenizer):
    assert tokenizer.target.target.encode("to be") == tokenizer.target.encode("to be") != tokenizer.encode("to be")
    for text, source, target in zip(GOLDEN["texts"], GOLDEN["source"], GOLDEN["target"], strict=True):
        assert tokenizer.encode(text) == source, repr(text)
        assert tokenizer.target.encode(text) == target, repr(text)
    assert tokenizer.encode("thee", "thou") == GOLDEN["pair"]


def test_transformers_texts(tokenizer):
    for row, kept, skipped in zip(GOLDEN["rows"], GOLDEN["kept"], GOLDEN["skipped"], strict=True):
        assert tokenizer.decode(row, special_tokens="keep") == kept
        assert tokenizer.decode(row) == tokenizer.target.decode(row) == skipped


def test_the_language_is_one_token_at_the_front(tokenizer):
    french = tokenizer.backend.token_to_id(">>fra<<")
    assert tokenizer.encode(">>fra<< to be") == [french, *tokenizer.encode("to be")]
    assert tokenizer.encode(">>xyz<< to be") == [tokenizer.unk_id, *tokenizer.encode("to be")]
    assert french not in tokenizer.encode("to >>fra<< be")


def test_special_ids_and_batches(tokenizer):
    assert (tokenizer.eos_id, tokenizer.unk_id, tokenizer.pad_id) == tokenizer.special_ids == (0, 1, 236)
    assert tokenizer.encode_words(["to", ""]) == [(tokenizer.encode("to")[:-1], [True]), ([], [])]
    for text in GOLDEN["texts"]:
        ((ids, starts),) = tokenizer.encode_words([text])
        pieces = map(tokenizer.backend.id_to_token, ids)
        assert starts == [piece.startswith("▁") or piece in tokenizer.special.values() for piece in pieces]
    text = GOLDEN["texts"][0]
    batch = tokenizer.encode_batch([text, ""], max_length=9)
    assert batch.tokens.tolist() == [GOLDEN["cut"], [0, *[236] * 8]]
    assert batch.segments.tolist() == [[1] * 9, [1, *[0] * 8]] and not batch.token_types.any()
    assert tokenizer.encode(text)[:8] == GOLDEN["cut"][:8] and len(tokenizer.encode(text)) > 9


def test_saving_keeps_every_file(tokenizer, tmp_path):
    tokenizer.target.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "special_tokens_map.json"} <= {*TOKENIZER_FILES}
    for name in FILES[:2]:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "MarianTokenizer" and config["source_lang"] == "en"
    again = load_tokenizer(tmp_path)
    assert [again.encode(text) for text in GOLDEN["texts"]] == GOLDEN["source"]
    assert [again.target.encode(text) for text in GOLDEN["texts"]] == GOLDEN["target"]


def test_text_that_is_none(tokenizer):
    with pytest.raises(InputError, match="surrogate"):
        tokenizer.target.encode("abc\ud83d")
    with pytest.raises(InputError, match="id 237 at index 1"):
        tokenizer.decode([3, 237])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("source.spm", None, "source.spm cannot be read"),
        ("target.spm", None, "target.spm cannot be read"),
        ("vocab.json", None, "vocab.json cannot be read"),
        ("source.spm", b"", "source.spm is damaged: it ends after 0 pieces"),
        ("source.spm", b"\xff\xff", "source.spm is damaged"),
        ("target.spm", (FOLDER / "target.spm").read_bytes()[:-9], "target.spm is damaged"),
        ("vocab.json", b'{"</s>": 0, "<unk>": 1, "a": 2}', "vocab.json lacks <pad>"),
        ("vocab.json", b'{"</s>": 0, "<unk>": 1, "<pad>": 3}', "no token has id 2"),
        ("tokenizer_config.json", b'{"separate_vocabs": true}', "separate vocabularies"),
        ("config.json", b'{"vocab_size": 236}', "vocab_size 236, but .* 237 tokens"),
        ("tokenizer_config.json", b'{"unk_token": "?!"}', r"unk_token '\?!'"),
        ("tokenizer_config.json", b'{"tokenizer_class": "T5Tokenizer"}', "'T5Tokenizer', but source.spm"),
        ("tokenizer_config.json", b'{"split_special_tokens": true}', "split_special_tokens is not supported"),
        ("tokenizer_config.json", b'{"additional_special_tokens": ["<x>"]}', "declares the special tokens .*<x>"),
        ("added_tokens.json", b'{"<x>": 237}', "adds the token '<x>' with id 237"),
    ],
)
def test_damaged_files(folder, name, content, message):
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(FormatError, match=message):
        load_tokenizer(folder)

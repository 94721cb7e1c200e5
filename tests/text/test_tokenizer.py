# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The tokenizers give Transformers' ids, survive a round trip through a folder, and refuse damaged files."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, FormatError, InputError
from zoo.text.bpe import word_bpe
from zoo.text.load import load_tokenizer
from zoo.text.tokenizer import Tokenizer, each_checked
from zoo.text.train import train_tokenizer

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "tokenizers.json").read_text(encoding="utf-8"))
TEXTS = ["The quick brown fox.", "jumps over THE lazy dog, naïvely!", "the fox and the dog: 狐 犬"] * 5
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "fox", "##es", "run", "##s", ",", "中"]


@pytest.fixture
def vocab_folder(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return tmp_path


# From vocabulary files alone; what is not listed is read from its folder.
FILES = {
    "roberta-base": ("vocab.json", "merges.txt"),
    "openai-gpt": ("encoder_bpe_40000.json", "vocab_40000.bpe"),
    "albert-base-v2": ("spiece.model",),
    "t5": ("spiece.model",),
    "xlnet-base-cased": ("spiece.model",),
}


@pytest.fixture
def vocabulary(assets, tmp_path):
    def copy(name: str) -> Path:
        for file in FILES.get(name, ()):
            shutil.copy(assets / "tokenizers" / name / file, tmp_path)
        return tmp_path if name in FILES else assets / "tokenizers" / name

    return copy


@pytest.mark.parametrize("name", list(GOLDEN["ids"]))
def test_transformers_ids_on_real_vocabularies(vocabulary, name):
    tokenizer = load_tokenizer(vocabulary(name))
    for text, ids, decoded in zip(GOLDEN["texts"], GOLDEN["ids"][name], GOLDEN["decoded"][name], strict=True):
        assert tokenizer.encode(text) == ids, repr(text)
        assert tokenizer.decode(ids) == decoded
    for (text, pair), ids in zip(GOLDEN["pairs"], GOLDEN["pair_ids"][name], strict=True):
        assert tokenizer.encode(text, pair) == ids


@pytest.mark.parametrize("name", list(GOLDEN["pair_types"]))
def test_sentence_ids_of_pairs(vocabulary, name):
    first, second = zip(*GOLDEN["pairs"], strict=True)
    batch = load_tokenizer(vocabulary(name)).encode_batch(first, second)
    for row, segments, types in zip(batch.token_types, batch.segments, GOLDEN["pair_types"][name], strict=True):
        np.testing.assert_array_equal(row[segments > 0], types)


def test_cased_vocabulary_without_a_config_keeps_case(assets, tmp_path):
    shutil.copy(assets / "tokenizers" / "bert-base-cased" / "vocab.txt", tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    assert [tokenizer.encode(text) for text in GOLDEN["texts"]] == GOLDEN["ids"]["bert-base-cased"]


def test_own_vocabulary(vocab_folder):
    tokenizer = load_tokenizer(vocab_folder)
    assert tokenizer.encode("The foxes, RUNS\x00 中x") == [2, 5, 6, 7, 10, 8, 9, 11, 1, 3]
    assert tokenizer.encode("the", "fox") == [2, 5, 3, 6, 3]
    assert tokenizer.encode_words(["the", "fox [MASK]", ""]) == [([5], [True]), ([6, 4], [True, True]), ([], [])]
    assert tokenizer.encode_words(["the foxes"]) == [([5, 6, 7], [True, True, False])]
    assert tokenizer.decode([2, 5, 6, 7, 3]) == "the foxes"
    assert tokenizer.decode([2, 5, 3], special_tokens="keep") == "[CLS] the [SEP]"
    assert (tokenizer.vocab_size, tokenizer.special_ids) == (12, (0, 1, 2, 3, 4))
    assert (tokenizer.pad_id, tokenizer.cls_id, tokenizer.mask_id, tokenizer.bos_id) == (0, 2, 4, None)


def test_config_decides_the_case(vocab_folder):
    (vocab_folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert load_tokenizer(vocab_folder).encode("The fox") == [2, 1, 6, 3]


@pytest.mark.parametrize("rows", [12, 64, None, "11"])
def test_an_embedding_may_have_more_rows_than_there_are_tokens(vocab_folder, rows):
    (vocab_folder / "config.json").write_text(json.dumps({"vocab_size": rows}))
    assert load_tokenizer(vocab_folder).vocab_size == 12


def test_an_embedding_with_too_few_rows(vocab_folder):
    (vocab_folder / "config.json").write_text('{"vocab_size": 10}')
    message = r"vocab_size 10, but .* 12 tokens.* up to 11: .* for 2 of them.* embeddings to 12"
    with pytest.raises(FormatError, match=message):
        zoo.tokenizer(vocab_folder)


def with_marks(text: str) -> bytes:
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def test_byte_order_marks_and_carriage_returns_are_not_tokens(vocab_folder):
    (vocab_folder / "vocab.txt").write_bytes(with_marks("\n".join([*WORDS, ""])))
    tokenizer = load_tokenizer(vocab_folder)
    assert tokenizer.encode("the foxes") == [2, 5, 6, 7, 3]
    (vocab_folder / "tokenizer.json").write_bytes(with_marks(tokenizer.backend.to_str(pretty=True)))
    assert load_tokenizer(vocab_folder).encode("the foxes") == [2, 5, 6, 7, 3]


def test_byte_order_marks_and_carriage_returns_are_not_merges(tmp_path):
    (tmp_path / "vocab.json").write_bytes(with_marks('{"a": 0,\n"b": 1,\n"ab": 2}\n'))
    (tmp_path / "merges.txt").write_bytes(with_marks("#version: 0.2\na b\n"))
    assert load_tokenizer(tmp_path).encode("aab") == [0, 2]


@pytest.fixture(params=["wordpiece", "byte_bpe", "word_bpe", "marian"])
def any_tokenizer(request):
    if request.param == "marian":
        return load_tokenizer(Path(__file__).parents[1] / "golden" / "marian_tokenizer")
    if request.param == "word_bpe":
        tokens = ["<unk>", "a", "b", "a</w>", "b</w>", "aa", "aa</w>", "ab</w>"]
        merges = [("a", "a"), ("a", "a</w>"), ("a", "b</w>")]
        return Tokenizer(word_bpe({token: index for index, token in enumerate(tokens)}, merges), {"unk": "<unk>"})
    return train_tokenizer(TEXTS, kind=request.param, vocab_size=270)


@pytest.mark.parametrize("unit", ["a", " ", " ab", "\u0301", "犬", "[SEP]</s>"])
def test_time_is_linear_in_length(any_tokenizer, unit):
    """Because of caches ten times the length takes up to 20 times as long; quadratic time would be 100 times."""

    def seconds(length: int) -> float:
        began = time.process_time()
        any_tokenizer.decode(any_tokenizer.encode((unit * length)[:length]))
        return time.process_time() - began

    short = max(min(seconds(20_000) for _ in range(3)), 0.005)
    assert min(seconds(200_000) for _ in range(2)) < 30 * short


def test_batches_are_padded_and_cut(vocab_folder):
    tokenizer = load_tokenizer(vocab_folder)
    batch = tokenizer.encode_batch(["the fox runs", "the"], max_length=4)
    np.testing.assert_array_equal(batch.tokens, [[2, 5, 6, 3], [2, 5, 3, 0]])
    np.testing.assert_array_equal(batch.segments, [[1, 1, 1, 1], [1, 1, 1, 0]])
    assert tokenizer.encode_batch(["the"], pad_to=7).tokens.shape == (1, 7)
    assert len(tokenizer.encode("the fox runs the fox")) == 8  # truncation does not linger
    with pytest.raises(ConfigError, match="must exceed"):
        tokenizer.encode_batch(["the"], max_length=2)


@pytest.mark.parametrize(
    ("kind", "size", "lower"), [("wordpiece", 120, True), ("wordpiece", 120, False), ("byte_bpe", 270, False)]
)
def test_trained_tokenizer_survives_its_folder(tmp_path, kind, size, lower):
    tokenizer = train_tokenizer(TEXTS, kind=kind, vocab_size=size, lower_case=lower)
    tokenizer.save(tmp_path)
    want = [tokenizer.encode(text) for text in [*TEXTS, *GOLDEN["texts"]]]
    assert [load_tokenizer(tmp_path).encode(text) for text in [*TEXTS, *GOLDEN["texts"]]] == want
    (tmp_path / "tokenizer.json").unlink()  # the older files say the same
    again = load_tokenizer(tmp_path)
    assert [again.encode(text) for text in [*TEXTS, *GOLDEN["texts"]]] == want
    assert again.special == tokenizer.special
    assert tokenizer.vocab_size <= size


def test_byte_bpe_gives_every_text_back():
    tokenizer = train_tokenizer(TEXTS, kind="byte_bpe", vocab_size=270)
    for text in GOLDEN["texts"]:
        assert tokenizer.decode(tokenizer.encode(text), special_tokens="keep") == text
    assert tokenizer.eos_id == 0
    assert tokenizer.pad_id is None
    assert tokenizer.fill_id == 0


def test_training_is_repeatable():
    one, two = (train_tokenizer(TEXTS, kind="wordpiece", vocab_size=120).backend.to_str() for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (dict(kind="unigram", vocab_size=100), ConfigError, "unknown"),
        (dict(kind="byte_bpe", vocab_size=256), ConfigError, "257"),
        (dict(kind="wordpiece", vocab_size=9), ConfigError, "too small"),
        (dict(kind="byte_bpe", vocab_size=300, lower_case=True), ConfigError, "lower_case"),
    ],
)
def test_training_refuses(options, error, words):
    with pytest.raises(error, match=words):
        train_tokenizer(TEXTS, **options)


def test_text_that_is_none(vocab_folder):
    tokenizer = load_tokenizer(vocab_folder)
    with pytest.raises(InputError, match=r"surrogate.*character 3"):
        tokenizer.encode("abc\ud83d")
    with pytest.raises(InputError, match="text 1 must be a str"):
        list(each_checked(["the", None]))
    with pytest.raises(InputError, match="id 12 at index 1"):
        tokenizer.decode([3, 12])
    with pytest.raises(InputError, match="no text"):
        train_tokenizer([" ", "\n"], kind="wordpiece", vocab_size=100)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no tokenizer"),
        ({"vocab.txt": "\n".join([*WORDS, "fox"])}, r"'fox' on lines \[7, 13\]"),
        ({"vocab.txt": "\n".join([*WORDS, "[SEP]"])}, r"'\[SEP\]' on lines \[4, 13\]"),
        ({"vocab.txt": "the\nfox"}, "lacks the special tokens"),
        ({"vocab.txt": b"\xff\xfe"}, "UTF-8 at byte 0"),
        ({"tokenizer.json": "{}"}, "tokenizer.json does not hold a tokenizer"),
        ({"tokenizer.json": '{"version": "1.0", '}, "tokenizer.json"),
        ({"vocab.json": '{"a": 0, "b": 0}', "merges.txt": ""}, "same id 0"),
        ({"vocab.json": '{"a": 0, "b": 2}', "merges.txt": ""}, "no token has id 1"),
        ({"vocab.json": '{"a": 0, "a": 1}', "merges.txt": ""}, "'a' appears twice"),
        ({"vocab.json": '{"a": 0, "b": true}', "merges.txt": ""}, "id of 'b'"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "a b c"}, "line 1"),
        ({"vocab.json": '{"a": 0, "": 1}', "merges.txt": "a "}, "line 1"),
        ({"vocab.json": "{}", "merges.txt": ""}, "vocabulary is empty"),
        ({"vocab.json": '{"a</w>": 0}', "merges.txt": ""}, "merges.txt does not hold .*<unk>"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "a b"}, "merges.txt does not hold"),
        ({"vocab.json": '{"a": 0}'}, "merges.txt cannot be read"),
        ({"vocab.txt": "\n".join(WORDS), "special_tokens_map.json": '{"eos_token": "<eos>"}'}, "eos_token '<eos>'"),
        ({"vocab.txt": "\n".join(WORDS), "special_tokens_map.json": '{"eos_token": ["[SEP]"]}'}, "eos_token"),
        ({"vocab.txt": "\n".join(WORDS), "special_tokens_map.json": '{"eos_token": {"id": 3}}'}, "eos_token None"),
        ({"vocab.txt": "\n".join(WORDS), "tokenizer_config.json": "[]"}, "JSON object"),
    ],
)
def test_damaged_files(tmp_path, files, words):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FormatError, match=words):
        load_tokenizer(tmp_path)


def test_a_byte_bpe_begins_with_its_token_if_its_config_declares_it(tmp_path):
    """As Transformers' GPT-2 tokenizer does with the same files."""
    (tmp_path / "vocab.json").write_text(json.dumps({"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3, "\u0120": 4}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"add_bos_token": True}))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode("ab b") == [0, 3, 4, 2]
    assert tokenizer.encode("ab", "b") == [0, 3, 0, 2]
    (tmp_path / "tokenizer_config.json").unlink()
    assert load_tokenizer(tmp_path).encode("ab b") == [3, 4, 2]


def test_a_mask_includes_the_space_before_it_if_its_file_declares_it(assets, tmp_path):
    """As Transformers' RoBERTa does, and does still after a round trip."""
    tokenizer = load_tokenizer(assets / "tokenizers" / "roberta-base")
    expected = [0, 627, 50264, 9, 50264, 6, 10, 50264, 741, 2]
    assert tokenizer.encode("the <mask> of <mask>, a<mask> b") == expected
    tokenizer.save(tmp_path)
    assert load_tokenizer(tmp_path).encode("the <mask> of <mask>, a<mask> b") == expected


def test_wrong_arguments_are_refused(vocab_folder, unchecked_types):
    tokenizer = load_tokenizer(vocab_folder)
    for ids in (["a"], [None], 3, "ab", [[1]], [1.5], [True]):
        with pytest.raises(InputError):
            tokenizer.decode(ids)
    for wrong in (dict(max_length="x"), dict(max_length=2**70), dict(pad_to="x"), dict(pad_to=-3), dict(pad_to=10**12)):
        with pytest.raises(ConfigError):
            tokenizer.encode_batch(["fox"], **wrong)

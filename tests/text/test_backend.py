# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A `tokenizer.json` that is damaged, contradicts itself or would take forever is refused, soon and cheaply."""

import json
import os
import re
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from zoo.errors import FormatError
from zoo.text import vocabulary
from zoo.text.load import load_tokenizer
from zoo.text.wordpiece import wordpiece

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "fox"]


def wordpiece_json() -> dict[str, Any]:
    backend = wordpiece({word: index for index, word in enumerate(WORDS)}, lower_case=True)
    backend.add_special_tokens(WORDS[:5])
    return json.loads(backend.to_str())


def bpe_json(merges: list, **parts) -> dict[str, Any]:
    tokens = dict.fromkeys(["a", "b", *(left + right for left, right in merges)])
    model = {"type": "BPE", "vocab": {token: index for index, token in enumerate(tokens)}, "merges": merges}
    empty = dict.fromkeys(["normalizer", "pre_tokenizer", "post_processor", "decoder"])
    return {"version": "1.0", "added_tokens": [], **empty, "model": model, **parts}


@pytest.fixture
def load(tmp_path):
    def write_and_load(content: dict | str):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
        return load_tokenizer(tmp_path)

    return write_and_load


def test_what_the_faults_are_planted_in_loads(load):
    assert load(wordpiece_json()).encode("the fox") == [2, 5, 6, 3]


def change(*path: str | int, value: Any) -> Callable[[dict], None]:
    def apply(file: dict) -> None:
        for key in path[:-1]:
            file = file[key]
        file[path[-1]] = value

    return apply


NOPE = {"type": "Nope"}
NEW = {"content": "new", "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (change("model", "type", value="Nope"), "does not hold"),
        (change("normalizer", value=NOPE), "does not hold"),
        (change("pre_tokenizer", value=NOPE), "does not hold"),
        (change("post_processor", value=NOPE), "does not hold"),
        (change("decoder", value=NOPE), "does not hold"),
        (change("normalizer", value={"type": "Replace", "pattern": {"Regex": "(a"}, "content": ""}), "does not hold"),
        (change("model", "unk_token", value="<unk>"), r"does not hold .*Missing \[UNK\]"),
        (change("model", "vocab", value={}), "does not hold"),
        (change("model", "vocab", "fox", value=7), "no token has id 6"),
        (change("model", "vocab", "fox", value=5), "have the same id 5"),
        (change("model", "vocab", "fox", value=-1), "does not hold"),
        (change("post_processor", "special_tokens", value={}), "does not hold"),
        (change("post_processor", "special_tokens", "[CLS]", "ids", value=[3]), r"'\[CLS\]' the id 3, .* has 2"),
        (change("post_processor", "special_tokens", "[CLS]", "ids", value=[]), "does not hold"),
        (change("post_processor", value={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["x", 2]}), "'x'"),
        (change("added_tokens", 1, "id", value=0), r"'\[UNK\]' the id 0, .* has 1"),
        (change("added_tokens", 0, value=NEW | {"id": 70}), "'new' the id 70, but its vocabulary has 7"),
    ],
)
def test_a_file_with_one_fault(load, fault, message):
    file = wordpiece_json()
    fault(file)
    with pytest.raises(FormatError, match=message):
        load(file)


def test_a_file_whose_merges_make_the_library_panic(load):
    file = bpe_json([["a", "b"]])
    file["model"]["continuing_subword_prefix"] = "#####"
    with pytest.raises(FormatError, match=r"tokenizer.json does not hold a tokenizer .*range"):
        load(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(wordpiece_json()).replace('"the": 5', '"the": 5, "the": 5'), "'the' appears twice"),
        ('{"model":' + "[" * 100_000 + "]" * 100_000 + "}", "not valid JSON"),
    ],
)
def test_a_text_with_one_fault(load, text, message):
    with pytest.raises(FormatError, match=message):
        load(text)


@pytest.mark.parametrize("part", ["normalizer", "pre_tokenizer"])
def test_a_pattern_that_would_take_forever_is_given_up(load, part):
    pattern = {"pattern": {"Regex": "(a+)+$"}}
    parts = {
        "normalizer": {"type": "Replace", "content": "b", **pattern},
        "pre_tokenizer": {"type": "Split", "behavior": "Isolated", "invert": False, **pattern},
    }
    tokenizer = load(bpe_json([], **{part: parts[part]}))
    text, began = "a" * 100 + "b", time.process_time()
    for encode in (
        tokenizer.encode,
        lambda text: tokenizer.encode_words([text]),
        lambda x: tokenizer.encode_batch([x]),
    ):
        with pytest.raises(FormatError, match=r"gave up on a text .*limit.* pattern"):
            encode(text)
    assert time.process_time() - began < 30
    assert tokenizer.encode("bb") == [1, 1]


def test_merges_that_go_in_circles_end(load):
    tokenizer = load(
        bpe_json([["a", "b"], ["b", "a"], ["ab", "a"], ["a", "ba"], ["ba", "ba"], ["aba", "ba"], ["ab", "ab"]])
    )
    began = time.process_time()
    assert tokenizer.decode(tokenizer.encode("ab" * 50_000)).replace(" ", "") == "ab" * 50_000
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("name", "message"),
    [("merges.txt", "merges.txt has 10000000 lines"), ("tokenizer.json", "lists more than 4000000")],
)
def test_ten_million_merges_are_refused_before_they_are_read(tmp_path, name, message):
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 1, "ab": 2}')
    count = 10_000_000 if name == "merges.txt" else 5_000_000
    (tmp_path / name).write_text("a b\n" * count if name == "merges.txt" else '{"merges": [' + '"a b",' * count)
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(FormatError, match=message):
            load_tokenizer(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 250e6
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 10


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "merges.txt"])
def test_files_larger_than_any_vocabulary(tmp_path, monkeypatch, name):
    monkeypatch.setattr(vocabulary, "_MAX_BYTES", 30)
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    (tmp_path / name).write_text("x" * 31)
    with pytest.raises(FormatError, match=rf"{re.escape(name)} is larger than 30 bytes"):
        load_tokenizer(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    os.mkfifo(tmp_path / "merges.txt")
    with pytest.raises(FormatError, match="not a regular file"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("stage", ["normalizer", "decoder"])
@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}] * 8,
        [{"type": "Replace", "pattern": {"Regex": "x"}, "content": "x" * 2000}],
        [{"type": "Prepend", "prepend": "x" * 10**6}],
    ],
)
def test_a_file_that_makes_texts_explode_is_not_run(load, stage, parts):
    file = wordpiece_json()
    file[stage] = {"type": "Sequence", f"{stage}s": parts}
    with pytest.raises(FormatError, match=f"its {stage} makes texts more than 1024 times longer"):
        load(file)


def test_letters_for_letters_are_no_explosion(load):
    """As in the files of Persian and Arabic models."""
    file = wordpiece_json()
    letters = [{"type": "Replace", "pattern": {"String": chr(0x600 + n)}, "content": "a"} for n in range(200)]
    file["normalizer"] = {"type": "Sequence", "normalizers": letters}
    load(file)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Words with tags become batches of tokens with tags, whatever the tokenizer; bad rows are refused with their place."""

import copy
import json
import logging

import numpy as np
import pytest
from tokenizers import processors

from zoo.data.config import TokenizerConfig
from zoo.data.tagging import TaggingConfig
from zoo.data.words import encode_words, word_sequences
from zoo.errors import ConfigError, FormatError, InputError
from zoo.text.train import train_tokenizer

WORDS = [["Anna", "Maria", "lives", "in", "São", "Paulo", "."], ["Hello", "unbelievable", "U.S.", "!"]] * 6
TAGS = [["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O"], ["O", "O", "B-LOC", "O"]] * 6
CONFIG = dict(seq_len=48, validation_fraction=0.25, tokenizer=TokenizerConfig(kind="wordpiece", vocab_size=70))


def write(path, rows):
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def table(tmp_path, words=WORDS, tags=TAGS):
    rows = [{"words": row_words, "tags": row_tags} for row_words, row_tags in zip(words, tags, strict=True)]
    return write(tmp_path / "train.jsonl", rows)


def opened(tmp_path, source, **changes):
    return TaggingConfig(source=str(source), **{**CONFIG, **changes}).open(cache_dir=tmp_path)


@pytest.fixture(scope="module", params=["wordpiece", "byte_bpe"])
def tokenizer(request):
    return train_tokenizer([" ".join(words) for words in WORDS], kind=request.param, vocab_size=300)


def test_every_token_belongs_to_the_word_it_is_of(tokenizer):
    encoded = encode_words(tokenizer, WORDS, 48)
    for words, tokens, word, first in zip(WORDS, encoded.tokens, encoded.word, encoded.first, strict=True):
        for index, text in enumerate(words):
            of_word = np.flatnonzero(word == index)
            assert of_word[0] == first[index] and (np.diff(of_word) == 1).all()
            assert tokenizer.decode(tokens[of_word]).replace(" ", "") == text
        assert {int(token) for token in tokens[word < 0]} <= set(tokenizer.special_ids)


def test_a_row_is_the_same_with_any_tokenizer_words_apart(tokenizer):
    """The words joined by spaces are the text that is encoded."""
    encoded = encode_words(tokenizer, WORDS, 48)
    assert [row.tolist() for row in encoded.tokens] == [tokenizer.encode(" ".join(words)) for words in WORDS]


def test_token_types_of_the_template(tokenizer):
    """XLNet gives its [CLS] a type of its own."""
    special = [(".", tokenizer.backend.token_to_id("."))]
    tokenizer = copy.deepcopy(tokenizer)
    template = processors.TemplateProcessing(single="$A:0 .:2", pair=None, special_tokens=special)
    tokenizer.backend.post_processor = template
    sequences = word_sequences(encode_words(tokenizer, WORDS, 48))
    types, last = sequences.fields["token_types"], np.cumsum(sequences.lengths[:-1]) - 1
    assert (types[last] == 2).all() and types.sum() == 2 * len(WORDS)


def test_tags_of_the_first_token_or_of_all(tmp_path):
    source = table(tmp_path)
    for tagged in ("first", "all"):
        data = opened(tmp_path, source, tagged_tokens=tagged)
        classes, examples = data.schema["tags"].classes, data.split("train")
        assert classes == ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
        batch, later_tokens = examples.read(np.arange(len(examples))), 0
        for tags, first, gold in zip(batch["tags"], examples.first, examples.tags, strict=True):
            assert (tags[first] == gold).all()
            later = np.setdiff1d(np.flatnonzero(tags >= 0), first)
            later_tokens += len(later)
            for token in later:
                own = classes[gold[np.flatnonzero(first < token)[-1]]]
                assert classes[tags[token]] == own.replace("B-", "I-")
        assert (batch["tags"][batch["segments"] == 0] == -1).all()
        assert (tagged == "all") == bool(later_tokens)


def test_numbers_need_the_names_of_the_tags(tmp_path):
    rows = [{"words": ["a", "b"], "tags": [index % 2, 1]} for index in range(20)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(
        InputError, match=r"line 1, column 'tags': .* found the number 0\. Name the tags .* data\.labels"
    ):
        opened(tmp_path, tmp_path / "train.jsonl")
    data = opened(tmp_path, tmp_path / "train.jsonl", labels=("O", "B-X"))
    assert data.schema["tags"].classes == ("O", "B-X")


def test_words_behind_the_end_are_counted(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        data = opened(tmp_path, table(tmp_path), seq_len=8)
    lost = sum((first < 0).sum() for first in data.split("train").first)
    (said,) = data.summaries["train"].losses
    assert said.startswith(f"{lost} words have no token, the first of them in {tmp_path / 'train.jsonl'}, line ")
    assert f"train: {said}" in caplog.text
    assert lost > 0 and all(len(first) in (4, 7) for first in data.split("train").first)


def test_the_forms_of_a_row(tmp_path):
    """Lists, texts with spaces, whole numbers with their names, and a CoNLL file hold the same."""
    names = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
    texts = [{"words": " ".join(words), "tags": " ".join(tags)} for words, tags in zip(WORDS, TAGS, strict=True)]
    numbers = [
        {"words": words, "tags": [names.index(tag) for tag in tags]} for words, tags in zip(WORDS, TAGS, strict=True)
    ]
    conll = tmp_path / "train.conll"
    sentences = ["\n".join(f"{w} NN {t}" for w, t in zip(*row, strict=True)) for row in zip(WORDS, TAGS, strict=True)]
    conll.write_text("-DOCSTART- -X- O\n\n" + "\n\n".join(sentences) + "\n")
    expected = opened(tmp_path, table(tmp_path), labels=names).split("train")
    for source in (write(tmp_path / "a.jsonl", texts), write(tmp_path / "b.jsonl", numbers), conll):
        found = opened(tmp_path, source, labels=names).split("train")
        for name, values in expected.read(np.arange(len(expected))).items():
            np.testing.assert_array_equal(values, found.read(np.arange(len(found)))[name])


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        (
            ["a", "b"],
            ["O"],
            r"train\.jsonl, line 2, column 'tags': expected a tag .*; found 2 words and 1 tags",
        ),
        (["a", " "], ["O", "O"], r"line 2, column 'words': ' ' is not a word"),
        (["a", 3], ["O", "O"], r"line 2, column 'words': 3 is not a word"),
        ([], [], r"line 2, column 'words': expected a list of words.*found nothing"),
        (["a"], [None], r"line 2, column 'tags': expected the name of a tag; found None"),
        (7, ["O"], r"line 2, column 'words': expected a list of words.*found int 7"),
        (["a"], ["B-XYZ"], r"line 2, column 'tags': data.labels lacks the tag 'B-XYZ'"),
    ],
)
def test_refused(tmp_path, words, tags, message):
    source = table(tmp_path, [WORDS[0], words, *WORDS], [TAGS[0], tags, *TAGS])
    with pytest.raises(InputError, match=message):
        opened(tmp_path, source, labels=("B-LOC", "B-PER", "I-LOC", "I-PER", "O"))


def test_refused_as_a_whole(tmp_path):
    with pytest.raises(InputError, match="expected two classes or more"):
        opened(tmp_path, table(tmp_path, WORDS, [["O"] * len(words) for words in WORDS]))
    with pytest.raises(ConfigError, match="has 'O' twice"):
        opened(tmp_path, table(tmp_path), labels=("O", "O"))
    broken = tmp_path / "broken.conll"
    broken.write_text("a O\nb\n")
    with pytest.raises(FormatError, match=r"broken\.conll, line 2: expected 2 columns, as in line 1; found 1"):
        opened(tmp_path, broken)


def test_a_tag_unseen_in_training_is_refused(tmp_path):
    train, validation = table(tmp_path), tmp_path / "validation.jsonl"
    write(validation, [{"words": ["a"], "tags": ["B-MISC"]}])
    with pytest.raises(InputError, match=r"validation\.jsonl, line 1.*no training row has the tag 'B-MISC'"):
        opened(tmp_path, train, validation=str(validation))

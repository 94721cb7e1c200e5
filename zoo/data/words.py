# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows of words to tokens, and back: which word each token belongs to, and the first token of each word.

The words of a row are joined by spaces and encoded as one text, so that every kind of tokenizer sees them as in running
text. A token belongs to the word that holds its last character: the space before a word is part of the word's token in
GPT-2's vocabulary, and of none in BERT's.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Int, Int32

from zoo.data.ragged import SequenceExamples, Sequences, join
from zoo.data.schema import Batch
from zoo.text.tokenizer import Tokenizer

NONE = -1  # of a token that belongs to no word, and of a word that has no token
OUTSIDE = "O"  # the tag of a word that no token stands for
_CHUNK = 1024  # rows tokenized at a time, in all cores


class EncodedWords(NamedTuple):
    """Rows of words as tokens; one array a row.

    Attributes:
      tokens: ids. token_types: their sentence A/B ids.
      word: the index in its row of the word that each token belongs to, or -1.
      first: the index in its row of the first token of each word, or -1: of a word behind the longest sequence, or one
        of which the tokenizer makes nothing.
    """

    tokens: list[Int32[np.ndarray, "_"]]
    token_types: list[Int32[np.ndarray, "_"]]
    word: list[Int32[np.ndarray, "_"]]
    first: list[Int32[np.ndarray, "_"]]


def encode_words(tokenizer: Tokenizer, rows: Sequence[Sequence[str]], seq_len: int) -> EncodedWords:
    """Each row of words as one sequence of at most `seq_len` tokens."""
    found = EncodedWords([], [], [], [])
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        texts = [" ".join(words) for words in chunk]
        encoded = tokenizer.encode_batch(texts, max_length=seq_len, return_offsets=True)
        offsets, sources = cast(np.ndarray, encoded.offsets), cast(np.ndarray, encoded.sources)
        for index, words in enumerate(chunk):
            there = encoded.segments[index] > 0
            word = _word_of(offsets[index][there], sources[index][there], words)
            first = np.full(len(words), NONE, np.int32)
            inside = np.flatnonzero(word >= 0)[::-1]
            first[word[inside]] = inside  # the last assignment to a word is that of its first token
            row = (encoded.tokens[index][there], encoded.token_types[index][there], word, first)
            for values, new in zip(found, row, strict=True):
                values.append(new)
    return found


def _word_of(offsets: np.ndarray, sources: np.ndarray, words: Sequence[str]) -> Int32[np.ndarray, "_"]:
    lengths = np.array([len(word) for word in words])
    ends = np.cumsum(lengths + 1) - 1
    last = offsets[:, 1] - 1
    word = np.searchsorted(ends, last, side="right")
    inside = (sources == 0) & (last >= (ends - lengths)[np.minimum(word, len(words) - 1)])
    return np.where(inside, word, NONE).astype(np.int32)


@dataclasses.dataclass(frozen=True, eq=False)
class WordExamples:
    """Examples of rows of words.

    Attributes:
      examples: what a model reads. first: the first token of each word (see `EncodedWords`), one array a row.
      tags: the tag of each word, an array a row; empty for words without tags.
    """

    examples: SequenceExamples
    first: list[Int32[np.ndarray, "_"]]
    tags: list[Int32[np.ndarray, "_"]]

    def __len__(self) -> int:
        return len(self.examples)

    def read(self, indices: np.ndarray, *, batch: np.ndarray | None = None) -> Batch:
        """See `zoo.data.schema.Examples`."""
        return self.examples.read(indices, batch=batch)

    def num_tokens(self, indices: np.ndarray) -> np.ndarray:
        """See `zoo.data.packing.Packable`."""
        return self.examples.num_tokens(indices)


def word_sequences(encoded: EncodedWords, tags: Sequence[np.ndarray] | None = None) -> Sequences:
    """The tokens of all rows, with the tag of each, if any."""
    fields = {"tokens": np.concatenate(encoded.tokens)}
    if any(row.any() for row in encoded.token_types):
        fields["token_types"] = np.concatenate(encoded.token_types)
    if tags is not None:
        fields["tags"] = np.concatenate(tags)
    return join(fields, np.array([len(row) for row in encoded.tokens], np.int64))


def word_tags(tags: Int[np.ndarray, "_"], first: Int32[np.ndarray, "_"], names: Sequence[str]) -> list[str]:
    """The name of each word's tag, from the tags of a row's tokens and the first token of each word."""
    return [names[int(tags[index])] if index >= 0 else OUTSIDE for index in first]

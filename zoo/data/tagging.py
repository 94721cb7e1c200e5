# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Words with a tag each, in the rows of a table: what a token classifier is fine-tuned on (BERT, section 5.3)."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Int32

from zoo.data.columns import Table
from zoo.data.labels import check_classes, check_known, check_varied
from zoo.data.ragged import SequenceExamples
from zoo.data.rows import Rows, read_rows
from zoo.data.schema import Feature, Schema, SplitSummary
from zoo.data.supervised import SupervisedConfig
from zoo.data.words import NONE, EncodedWords, WordExamples, encode_words, word_sequences
from zoo.errors import InputError
from zoo.text.tokenizer import Tokenizer

EMBEDDED = Path(__file__).with_name("tagged_sentences.jsonl")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaggingConfig(SupervisedConfig):
    """A table with a column of words and one of tags; see `SupervisedConfig` for the other fields.

    Attributes:
      words, tags: names of columns, whose values are lists, or texts with spaces between. A CoNLL file (.conll) has
        them under these names.
      labels: names of the tags in the order of their indices, which whole numbers in the column then are; () is all of
        the training file, sorted.
      tagged_tokens: which tokens of a word have its tag in training; of the tokens after the first, B-X becomes I-X if
        there is such a tag. Scores are of the first alone.
    """

    embedded: ClassVar = EMBEDDED
    labels_in: ClassVar = ("tags",)
    words: str = "words"
    tags: str = "tags"
    labels: tuple[str, ...] = ()
    tagged_tokens: Literal["first", "all"] = "first"

    def __post_init__(self):
        super().__post_init__()
        self._require("words", "tags")
        check_classes(self.labels)

    @property
    def columns(self) -> dict[str, str]:
        return {"words": self.words, "tags": self.tags}

    @property
    def outlined(self) -> Schema:
        return {"tags": Feature(kind="tags", classes=self.labels or ("B", "I", "O"))}

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"type": "tagging", "tagged_tokens": self.tagged_tokens}

    def read(self, tables: Mapping[str, Table]) -> tuple[Schema, dict[str, Rows]]:
        rows = {split: self._read(table) for split, table in tables.items()}
        train = [*itertools.chain.from_iterable(rows["train"]["tags"])]
        classes = self.labels or tuple(sorted(set(train)))
        check_varied(rows["train"].table, self.tags, train)
        index = {name: index for index, name in enumerate(classes)}
        for split, part in rows.items():
            why = "data.labels lacks the tag" if split == "train" else "no training row has the tag"
            lines = [line for line, tags in zip(part.lines, part["tags"], strict=True) for _ in tags]
            found = [*itertools.chain.from_iterable(part["tags"])]
            check_known(part.table, self.tags, lines, found, classes, why)

        def numbered(part: Rows) -> Rows:
            return part.replace(tags=[np.array([index[tag] for tag in tags], np.int32) for tags in part["tags"]])

        return {"tags": Feature(kind="tags", classes=classes)}, {split: numbered(part) for split, part in rows.items()}

    def texts(self, rows: Rows) -> list[str]:
        return [" ".join(words) for words in rows["words"]]

    def encode(
        self, tokenizer: Tokenizer, rows: Rows, features: Schema, split: str
    ) -> tuple[WordExamples, SplitSummary]:
        encoded, classes = encode_words(tokenizer, rows["words"], self.seq_len), features["tags"].classes
        after = _after_the_first(classes) if self.tagged_tokens == "all" else np.full(len(classes), NONE, np.int32)
        tags = [_token_tags(word, gold, after) for word, gold in zip(encoded.word, rows["tags"], strict=True)]
        length, multiple, kept = self.seq_len, self.pad_to_multiple_of, self.kept(rows, split)
        examples = SequenceExamples(word_sequences(encoded, tags), {}, length, multiple, tokenizer.fill_id, kept)
        summary = self.summary(rows, examples.sequences, *_lost_words(encoded, rows, self.words))
        return WordExamples(examples, encoded.first, rows["tags"]), summary

    def _read(self, table: Table) -> Rows:
        rows = read_rows(table, self.used_columns, texts=())
        words, tags = (list(_lists(rows, role, name)) for role, name in self.used_columns.items())
        for index, (row_words, row_tags) in enumerate(zip(words, tags, strict=True)):
            if len(row_words) != len(row_tags):
                raise InputError(
                    f"{rows.where(index, self.tags)}: expected a tag for each word; found {len(row_words)} words and "
                    f"{len(row_tags)} tags. Correct that row."
                )
        return rows.replace(words=words, tags=[self._names(rows, index, row) for index, row in enumerate(tags)])

    def _names(self, rows: Rows, index: int, tags: Sequence[Any]) -> list[str]:
        """The names of a row's tags; with `labels`, whole numbers are indices."""
        found = []
        for tag in tags:
            if self.labels and type(tag) is int and 0 <= tag < len(self.labels):
                tag = self.labels[tag]
            if not self.labels and type(tag) is int:
                raise InputError(
                    f"{rows.where(index, self.tags)}: expected the name of a tag; found the number {tag}. Name the "
                    "tags in order in data.labels, whose indices the numbers then are."
                )
            if type(tag) not in (str, int) or not str(tag).strip():
                raise InputError(
                    f"{rows.where(index, self.tags)}: expected the name of a tag; found {tag!r:.60}. Correct that row."
                )
            found.append(str(tag))
        return found


def words_of(rows: Rows, column: str) -> list[list[str]]:
    """The words of each row, which are a list, or a text with spaces between them.

    Raises:
      InputError: a row without words, or a word that is empty or not text.
    """
    return list(_lists(rows, "words", column))


def _lists(rows: Rows, role: str, column: str) -> Iterator[list[Any]]:
    for index, value in enumerate(rows[role]):
        items = value.split() if isinstance(value, str) else value
        if not isinstance(items, list) or not items:
            found = f"{type(value).__name__} {value!r:.60}" if items else "nothing"
            raise InputError(
                f"{rows.where(index, column)}: expected a list of {role}, or a text with spaces between them; found "
                f"{found}. Correct or remove that row."
            )
        if role == "words":
            for word in items:
                if not isinstance(word, str) or not word.strip():
                    raise InputError(f"{rows.where(index, column)}: {word!r:.60} is not a word; correct that row.")
        yield items


def _after_the_first(classes: Sequence[str]) -> Int32[np.ndarray, "_"]:
    """The tag of a word's later tokens, by its own: I-X instead of B-X, if there is one."""
    index = {name: index for index, name in enumerate(classes)}
    inside = (f"I-{name[2:]}" if name.startswith("B-") else name for name in classes)
    return np.array([index.get(name, number) for number, name in enumerate(inside)], np.int32)


def _token_tags(word: np.ndarray, gold: np.ndarray, after: np.ndarray) -> Int32[np.ndarray, "_"]:
    """The tag of each token of a row: its word's for the first one, `after` of that for the others."""
    own = gold[np.maximum(word, 0)]
    is_first = np.append(True, word[1:] != word[:-1])
    return np.where(word < 0, NONE, np.where(is_first, own, after[own])).astype(np.int32)


def _lost_words(encoded: EncodedWords, rows: Rows, column: str) -> Iterator[str]:
    """How many words no token stands for; they are scored as if predicted to be outside of all entities."""
    lost = [index for index, first in enumerate(encoded.first) if (first < 0).any()]
    if lost:
        count = sum(int((first < 0).sum()) for first in encoded.first)
        yield (
            f"{count} words have no token, the first of them in {rows.where(lost[0], column)}: they lie behind "
            "data.seq_len, or the tokenizer makes nothing of them. They are not trained on, and scored as O."
        )

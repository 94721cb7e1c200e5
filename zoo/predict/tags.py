# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The tag of each word."""

from typing import Any

import numpy as np

from zoo.data.ragged import SequenceExamples
from zoo.data.rows import Rows
from zoo.data.tagging import words_of
from zoo.data.words import WordExamples, encode_words, word_sequences, word_tags
from zoo.predict.predictor import MULTIPLE, Predictor, label_names


class Tags(Predictor):
    """`prediction`: the tags of a row's words, a list where the words are a list, else a text with spaces between."""

    head = "token_classification"
    roles = ("words",)
    required = ("words",)

    @property
    def columns(self) -> dict[str, type]:
        return {"prediction": object}

    @property
    def texts(self) -> tuple[str, ...]:
        return ()

    def encode(self, rows: Rows) -> tuple[WordExamples, np.ndarray]:
        encoded = encode_words(self.tokenizer, words_of(rows, self.inputs.columns["words"]), self.inputs.seq_len)
        found = word_sequences(encoded)
        examples = SequenceExamples(found, {}, self.inputs.seq_len, MULTIPLE, self.tokenizer.fill_id)
        return WordExamples(examples, encoded.first, []), found.lengths[:-1]

    def values(self, rows: Rows, examples: Any, logits: list[np.ndarray]) -> dict[str, list[Any]]:
        names = label_names(self.config)
        each = zip(logits, examples.first, strict=True)
        tags = [word_tags(row.argmax(axis=-1), first, names) for row, first in each]
        as_text = [isinstance(words, str) for words in rows["words"]]
        return {"prediction": [" ".join(row) if joined else row for row, joined in zip(tags, as_text, strict=True)]}

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The label of each text or pair: a class with the probabilities of all classes, or a number."""

from typing import Any

import numpy as np

from zoo.data.column_writer import prediction_columns
from zoo.data.ragged import SequenceExamples, check_tokens, encode, has_token_types
from zoo.data.rows import Rows
from zoo.data.schema import Feature
from zoo.data.table import first_texts
from zoo.predict.predictor import MULTIPLE, Predictor, label_names, probabilities, rounded


class Labels(Predictor):
    """`prediction`, and for classes `probability:NAME` of each."""

    head = "sequence_classification"
    roles = ("text", "text_pair", "prefix")
    required = ("text",)

    @property
    def columns(self) -> dict[str, type]:
        if self.config.num_labels == 1:
            return prediction_columns(Feature(kind="float"))
        return prediction_columns(Feature(kind="class", classes=label_names(self.config)))

    def encode(self, rows: Rows) -> tuple[SequenceExamples, np.ndarray]:
        pairs = rows.get("text_pair")
        types = has_token_types(self.tokenizer, pairs=pairs is not None)
        found = encode(self.tokenizer, first_texts(rows), pairs, self.inputs.seq_len, token_types=types)
        check_tokens(
            found,
            self.tokenizer,
            pairs=pairs is not None,
            table=rows.table,
            lines=rows.lines,
            column=self.inputs.columns["text"],
        )
        examples = SequenceExamples(found, {}, self.inputs.seq_len, MULTIPLE, self.tokenizer.fill_id)
        return examples, found.lengths[:-1]

    def values(self, rows: Rows, examples: Any, logits: list[np.ndarray]) -> dict[str, list[Any]]:
        prediction, *classes = self.columns
        scores = np.stack(logits)
        if not classes:
            return {prediction: rounded(scores[:, 0])}
        names = label_names(self.config)
        each = zip(classes, probabilities(scores).T, strict=True)
        return {prediction: [names[index] for index in scores.argmax(axis=1)]} | {
            name: rounded(column) for name, column in each
        }

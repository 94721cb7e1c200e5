# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The right one of several options."""

from typing import Any

import numpy as np

from zoo.data.choices import OPTION, check_count, encode_options, option_texts, with_options
from zoo.data.rows import Rows
from zoo.data.schema import Examples
from zoo.errors import ConfigError
from zoo.predict.predictor import MULTIPLE, Predictor, probabilities, rounded


class Choices(Predictor):
    """`prediction`, the name of the option; its text; and `probability:NAME` of each."""

    head = "multiple_choice"
    roles = ("text", "question", "options")
    required = ("options",)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the options, where they are known before a row is read."""
        count, labels = sum(role.startswith(OPTION) for role in self.inputs.columns), self.inputs.labels
        if count < 2 and not labels:
            raise ConfigError("The number of options is not known: name the column of each one (--options=a,b,c).")
        return labels if count in (1, len(labels)) else tuple(map(str, range(count)))

    @property
    def columns(self) -> dict[str, type]:
        each = {f"probability:{name}": float for name in self.names}
        return {"prediction": str, "prediction:text": str, **each}

    @property
    def texts(self) -> list[str]:
        return option_texts(self.inputs.columns)

    def encode(self, rows: Rows) -> tuple[Examples, np.ndarray]:
        found = check_count(with_options(rows, self.inputs.columns), len(self.names), self.inputs.columns)
        examples = encode_options(self.tokenizer, found, self.inputs.seq_len, MULTIPLE)
        lengths = examples.sequences.sequences.lengths[:-1]
        return examples, lengths.reshape(-1, len(self.names)).max(axis=1)

    def values(self, rows: Rows, examples: Any, logits: list[np.ndarray]) -> dict[str, list[Any]]:
        scores = np.stack(logits)
        best, options = scores.argmax(axis=1), with_options(rows, self.inputs.columns)["options"]
        each = zip(self.names, probabilities(scores).T, strict=True)
        return {
            "prediction": [self.names[index] for index in best],
            "prediction:text": [row[index] for row, index in zip(options, best, strict=True)],
            **{f"probability:{name}": rounded(column) for name, column in each},
        }

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled texts, or pairs of texts, in the columns of a table: what a classifier or a regressor is fine-tuned on."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from zoo.data.columns import Table
from zoo.data.labels import check_classes, check_known, check_varied, class_names, distinct_classes, numbers
from zoo.data.ragged import SequenceExamples, check_tokens, encode, has_token_types
from zoo.data.rows import Rows, read_rows
from zoo.data.schema import Feature, Schema
from zoo.data.supervised import SupervisedConfig
from zoo.errors import ConfigError
from zoo.text.tokenizer import Tokenizer

EMBEDDED = Path(__file__).with_name("reviews.csv")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableConfig(SupervisedConfig):
    """A table with a column of texts and one of labels; see `SupervisedConfig` for the other fields.

    Attributes:
      text, text_pair, label: names of columns; "" for `text_pair` is one text per row.
      label_type: whether a label is the name of a class, or a number.
      labels: names of the classes in the order of their indices; () is all of the training file, sorted.
    """

    embedded: ClassVar = EMBEDDED
    labels_in: ClassVar = ("label",)
    text: str = "text"
    text_pair: str = ""
    label: str = "label"
    label_type: Literal["class", "float"] = "class"
    labels: tuple[str, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        self._require("text", "label")
        self._check_labels()

    @property
    def columns(self) -> dict[str, str]:
        return {"text": self.text, "text_pair": self.text_pair, "label": self.label}

    @property
    def outlined(self) -> Schema:
        if self.label_type == "float":
            return {"label": Feature(kind="float")}
        return {"label": Feature(kind="class", classes=self.labels or ("0", "1"))}  # unnamed ones are taken to be two

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"type": "table"}

    def read(self, tables: Sequence[Table]) -> tuple[Schema, list[Rows]]:
        texts = [role for role in self.used_columns if role != "label"]
        rows = [read_rows(table, self.used_columns, texts=texts) for table in tables]
        if self.label_type == "float":
            parts = [part.replace(label=numbers(part.table, self.label, part.lines, part["label"])) for part in rows]
            return {"label": Feature(kind="float")}, parts
        classes, parts = self._classify(rows)
        return {"label": Feature(kind="class", classes=classes)}, parts

    def strata(self, rows: Rows) -> np.ndarray:
        return rows["label"]

    def texts(self, rows: Rows) -> list[str]:
        return [*rows["text"], *(rows.get("text_pair") or ())]

    def encode(self, tokenizer: Tokenizer, rows: Rows, features: Schema, split: str) -> SequenceExamples:
        pairs = rows.get("text_pair")
        types = has_token_types(tokenizer, pairs=pairs is not None)
        sequences = encode(tokenizer, rows["text"], pairs, self.seq_len, token_types=types)
        check_tokens(
            sequences, tokenizer, pairs=pairs is not None, table=rows.table, lines=rows.lines, column=self.text
        )
        label = np.append(rows["label"], np.zeros(1, rows["label"].dtype))
        length, multiple, kept = self.seq_len, self.pad_to_multiple_of, self.kept(rows, split)
        examples = SequenceExamples(sequences, {"label": label}, length, multiple, tokenizer.fill_id, kept)
        self.report(examples, split)
        return examples

    def _check_labels(self) -> None:
        if self.labels and self.label_type == "float":
            raise ConfigError("data.labels names classes, but data.label_type is 'float'; leave one of them out.")
        check_classes(self.labels)

    def _classify(self, rows: list[Rows]) -> tuple[tuple[str, ...], list[Rows]]:
        names = [class_names(part.table, self.label, part.lines, part["label"]) for part in rows]
        train, why = rows[0], ("data.labels lacks the label", "no training row has the label")
        classes = self.labels or distinct_classes(train.table, self.label, train.lines, names[0])
        check_varied(train.table, self.label, names[0])
        if unused := sorted(set(classes) - set(names[0])):
            _log.warning(
                "No row of %s has the label %s of data.labels.", train.table.path, ", ".join(map(repr, unused))
            )
        for part, found, reason in zip(rows, names, why, strict=False):
            seen = [name for name in classes if part is train or name in names[0]]
            check_known(part.table, self.label, part.lines, found, seen, reason)
        index = {name: index for index, name in enumerate(classes)}
        labels = [np.array([index[name] for name in found], np.int32) for found in names]
        return classes, [part.replace(label=found) for part, found in zip(rows, labels, strict=True)]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled texts, or pairs of texts, in the columns of a table: what a classifier or a regressor is fine-tuned on."""

import dataclasses
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from zoo.data.columns import Table
from zoo.data.labels import (
    by_index,
    check_classes,
    check_known,
    check_range,
    check_varied,
    class_names,
    distinct_classes,
    numbers,
)
from zoo.data.ragged import SequenceExamples, check_tokens, encode, has_token_types
from zoo.data.rows import Rows, read_rows, without_labels
from zoo.data.schema import Feature, Schema, SplitSummary
from zoo.data.supervised import SupervisedConfig
from zoo.errors import ConfigError, InputError
from zoo.text.tokenizer import Tokenizer

EMBEDDED = Path(__file__).with_name("reviews.csv")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableConfig(SupervisedConfig):
    """A table with a column of texts and one of labels; see `SupervisedConfig` for the other fields.

    Attributes:
      text, text_pair, label: names of columns; "" for `text_pair` is one text per row.
      id: name of the column of a row's number, by which files of predictions are sorted, in the tables that have it; ""
        for none.
      prefix: name of a column that is put before `text` with a colon, such as the word of WiC; "" for none.
      label_type: whether a label is the name of a class, or a number.
      labels: names of the classes in the order of their indices; () is all of the training file, sorted. A table whose
        labels are whole numbers, none of them such a name, has the indices.
      label_range: the least and the largest label that is a number; () is any.
    """

    embedded: ClassVar = EMBEDDED
    labels_in: ClassVar = ("label", "id")
    optional: ClassVar = ("id",)
    text: str = "text"
    text_pair: str = ""
    id: str = ""
    prefix: str = ""
    label: str = "label"
    label_type: Literal["class", "float"] = "class"
    labels: tuple[str, ...] = ()
    label_range: tuple[float, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        self._require("text", "label")
        self._check_labels()

    @property
    def columns(self) -> dict[str, str]:
        texts = {"text": self.text, "text_pair": self.text_pair, "prefix": self.prefix}
        return {**texts, "id": self.id, "label": self.label}

    @property
    def outlined(self) -> Schema:
        if self.label_type == "float":
            return {"label": Feature(kind="float")}
        return {"label": Feature(kind="class", classes=self.labels or ("0", "1"))}  # unnamed ones are taken to be two

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"type": "table"}

    def read(self, tables: Mapping[str, Table]) -> tuple[Schema, dict[str, Rows]]:
        texts = [role for role in self.used_columns if role not in self.labels_in]
        self._check_id(tables)
        columns = {split: self._columns_of(table) for split, table in tables.items()}
        rows = {split: read_rows(table, columns[split], texts=texts) for split, table in tables.items()}
        rows = {split: _with_ids(part, self.id) if "id" in columns[split] else part for split, part in rows.items()}
        if self.label_type == "float":
            return {"label": Feature(kind="float")}, {split: self._number(split, part) for split, part in rows.items()}
        train = self._names(rows["train"])
        classes = self.labels or distinct_classes(train.table, self.label, train.lines, train["label"])
        check_varied(train.table, self.label, train["label"])
        seen = {*train["label"]}
        if unused := sorted({*classes} - seen):
            shown = ", ".join(map(repr, unused))
            _log.warning("No row of %s has the label %s of data.labels.", train.table, shown)
        found = {split: self._classify(split, part, classes, seen) for split, part in rows.items()}
        return {"label": Feature(kind="class", classes=classes)}, found

    def strata(self, rows: Rows) -> np.ndarray:
        return rows["label"]

    def texts(self, rows: Rows) -> list[str]:
        return [*first_texts(rows), *(rows.get("text_pair") or ())]

    def encode(
        self, tokenizer: Tokenizer, rows: Rows, features: Schema, split: str
    ) -> tuple[SequenceExamples, SplitSummary]:
        pairs = rows.get("text_pair")
        types = has_token_types(tokenizer, pairs=pairs is not None)
        sequences = encode(tokenizer, first_texts(rows), pairs, self.seq_len, token_types=types)
        check_tokens(
            sequences, tokenizer, pairs=pairs is not None, table=rows.table, lines=rows.lines, column=self.text
        )
        label = np.append(rows["label"], np.zeros(1, rows["label"].dtype))
        length, multiple, kept = self.seq_len, self.pad_to_multiple_of, self.kept(rows, split)
        examples = SequenceExamples(sequences, {"label": label}, length, multiple, tokenizer.fill_id, kept)
        return examples, self.summary(rows, sequences, *_alike(rows, features))

    def _check_labels(self) -> None:
        if self.labels and self.label_type == "float":
            raise ConfigError("data.labels names classes, but data.label_type is 'float'; leave one of them out.")
        check_classes(self.labels)
        if self.label_range and (len(self.label_range) != 2 or self.label_range[0] >= self.label_range[1]):
            raise ConfigError(f"data.label_range must be the least and the largest label; found {self.label_range}.")
        if self.label_range and self.label_type == "class":
            raise ConfigError("data.label_range is for labels that are numbers; set data.label_type='float'.")

    def _check_id(self, tables: Mapping[str, Table]) -> None:
        if self.id and not any(self.id in table.columns for table in tables.values()):
            raise ConfigError(
                f"data.id is {self.id!r}, and no table has such a column; {tables['train']} has "
                f"{', '.join(map(repr, tables['train'].columns))}. Name one, or '' for none."
            )

    def _columns_of(self, table: Table) -> dict[str, str]:
        """The columns to read of a table, which need not have one of ids."""
        return {role: name for role, name in self.used_columns.items() if role != "id" or name in table.columns}

    def _number(self, split: str, rows: Rows) -> Rows:
        if without_labels(split, rows, "label"):
            return rows.unlabelled(label=np.full(len(rows), np.nan, np.float32))
        found = numbers(rows.table, self.label, rows.lines, rows["label"])
        if self.label_range:
            check_range(rows.table, self.label, rows.lines, found, self.label_range)
        return rows.replace(label=found)

    def _names(self, rows: Rows) -> Rows:
        """The rows with the names of their classes."""
        names = class_names(rows.table, self.label, rows.lines, rows["label"])
        return rows.replace(label=by_index(names, self.labels))

    def _classify(self, split: str, rows: Rows, classes: Sequence[str], seen: Collection[str]) -> Rows:
        """The rows with the indices of their classes, each of which some training row must have."""
        if without_labels(split, rows, "label", classes):
            return rows.unlabelled(label=np.full(len(rows), -1, np.int32))
        names = self._names(rows)["label"]
        known = [name for name in classes if split == "train" or name in seen]
        why = "data.labels lacks the label" if split == "train" else "no training row has the label"
        check_known(rows.table, self.label, rows.lines, names, known, why)
        index = {name: index for index, name in enumerate(classes)}
        return rows.replace(label=np.array([index[name] for name in names], np.int32))


def _with_ids(rows: Rows, column: str) -> Rows:
    """The rows with their numbers; InputError for one that has none, or that of another."""
    found: dict[int, int] = {}
    for index, value in enumerate(rows["id"]):
        digits = str(value)
        if isinstance(value, bool) or not digits.isdecimal() or int(digits) in found:
            known = f", as in {rows.where(found[int(digits)])}" if digits.isdecimal() else ""
            raise InputError(
                f"{rows.where(index, column)}: expected a whole number of its own (data.id); found "
                f"{value!r:.60}{known}. Correct that row, or set data.id=''."
            )
        found[int(digits)] = index
    return rows.replace(id=[*found])


def first_texts(rows: Rows) -> list[str]:
    """The texts of rows, each with its prefix if there are some."""
    prefixes = rows.get("prefix")
    if prefixes is None:
        return rows["text"]
    return [f"{prefix}: {text}" for prefix, text in zip(prefixes, rows["text"], strict=True)]


def _alike(rows: Rows, features: Schema) -> list[str]:
    """What is to be said of labels that are all the same."""
    if not rows.labelled or len(rows) < 2 or len(found := np.unique(rows["label"])) > 1:
        return []
    classes = features["label"].classes
    label = repr(classes[int(found[0])]) if classes else f"{found[0]:g}"
    return [
        f"all {len(rows)} labels are {label}, so that metrics which compare several, such as correlations, say nothing"
    ]

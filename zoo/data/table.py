# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled texts, or pairs of texts, in the columns of a table: what a classifier or a regressor is fine-tuned on."""

import collections
import dataclasses
import hashlib
import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zoo.checks import check_fields
from zoo.data.columns import Table, open_table
from zoo.data.inputs import Inputs
from zoo.data.labelled_rows import LabelledRows, hold_out, read_rows
from zoo.data.labels import check_known, check_varied, class_names, distinct_classes, numbers
from zoo.data.ragged import SequenceExamples, check_tokens, encode, has_token_types
from zoo.data.schema import DataInfo, Dataset, DatasetConfig, Feature, Vocabulary
from zoo.errors import ConfigError, InputError
from zoo.text.tokenizer import Tokenizer
from zoo.text.train import train_tokenizer

EMBEDDED = Path(__file__).with_name("reviews.csv")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableConfig(DatasetConfig):
    """A table with a column of texts and one of labels.

    Attributes:
      source: a table (`zoo.data.formats`) of training rows, or `embedded`, 600 short film reviews.
      validation: a file of the same columns; "" holds out `validation_fraction` of the rows, evenly over the labels.
      text, text_pair, label: names of columns; "" for `text_pair` is one text per row.
      label_type: whether a label is the name of a class, or a number.
      labels: names of the classes in the order of their indices; () is all of the training file, sorted.
      seq_len: longest sequence in tokens; longer ones are cut.
      tokenizer: what tokenizer to learn from the texts where the run starts from no model, or `path` of a ready one.
      pad_to_multiple_of: a batch is padded to the next multiple of this many tokens, so that few lengths are compiled.
    """

    source: str
    validation: str = ""
    validation_fraction: float = 0.1
    text: str = "text"
    text_pair: str = ""
    label: str = "label"
    label_type: Literal["class", "float"] = "class"
    labels: tuple[str, ...] = ()
    pad_to_multiple_of: int = 32

    def __post_init__(self):
        check_fields(self)
        for name, least in (("seq_len", 4), ("pad_to_multiple_of", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"data.{name} must be {least} or more; found {getattr(self, name)}.")
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(f"data.validation_fraction must be between 0 and 1; found {self.validation_fraction!r}.")
        self._check_columns()
        self._check_labels()

    def open(self, *, cache_dir: Path, data_dir: Path | None = None, tokenizer: str = "") -> Dataset:
        """See `DatasetConfig.open`. The whole table is read into memory; nothing is written."""
        if data_dir is not None:
            raise ConfigError("A table needs no preparation; leave out --data_dir, or use data of another type.")
        tables = self._open_tables()
        label, rows = self._label([read_rows(table, self.columns) for table in tables])
        ready = self._open_tokenizer(tokenizer, rows["train"])
        types = has_token_types(ready, pairs=bool(self.text_pair))
        names = ("tokens", "token_types", "segments") if types else ("tokens", "segments")
        return Dataset(
            tokenizer=ready,
            schema={**{name: Feature(kind="tokens") for name in names}, "label": label},
            splits={name: self._encode(ready, split, name, types) for name, split in rows.items()},
            seq_len=self.seq_len,
            manifest=self._manifest(tables, label, ready),
            inputs=Inputs(text=self.text, text_pair=self.text_pair, seq_len=self.seq_len),
        )

    def outline(self, vocabulary: Vocabulary) -> DataInfo:
        """See `DatasetConfig.outline`; classes that the config does not name are taken to be two."""
        label = Feature(kind="float")
        if self.label_type == "class":
            label = Feature(kind="class", classes=self.labels or ("0", "1"))
        fields = {name: Feature(kind="tokens") for name in ("tokens", "segments")}
        return DataInfo(vocabulary=vocabulary, schema={**fields, "label": label}, seq_len=self.seq_len)

    @property
    def columns(self) -> dict[str, str]:
        """Names of the columns by what they hold: `text`, `text_pair` if there are pairs, and `label`."""
        names = {"text": self.text, "text_pair": self.text_pair, "label": self.label}
        return {role: name for role, name in names.items() if name or role != "text_pair"}

    def _check_columns(self) -> None:
        columns = self.columns
        for role, name in columns.items():
            if not name:
                raise ConfigError(f"data.{role} must name a column of data.source; found ''.")
            if [*columns.values()].count(name) > 1:
                raise ConfigError(f"data.{role} names the column {name!r}, as another field does; name different ones.")
        if not self.source:
            raise ConfigError("data.source must name a table (.csv, .tsv, .jsonl, .parquet), or be 'embedded'.")

    def _check_labels(self) -> None:
        if self.labels and self.label_type == "float":
            raise ConfigError("data.labels names classes, but data.label_type is 'float'; leave one of them out.")
        if repeated := [name for name, count in collections.Counter(self.labels).items() if count > 1]:
            raise ConfigError(f"data.labels has {repeated[0]!r} twice; each class has one index.")
        if len(self.labels) == 1 or not all(name.strip() for name in self.labels):
            raise ConfigError(f"data.labels must be two names or more, or () for the table's; found {self.labels}.")

    def _open_tables(self) -> list[Table]:
        """The table of training rows, and that of validation rows if there is one."""
        required = [*self.columns.values()]
        tables = [open_table(EMBEDDED if self.source == "embedded" else self.source, required=required)]
        if self.validation:
            tables.append(open_table(self.validation, required=required))
            if tables[0].sha256() == tables[1].sha256():
                raise ConfigError(
                    f"data.validation {self.validation!r} is the same file as data.source; a model is validated on "
                    "rows that it was not trained on. Name another, or '' to hold out data.validation_fraction."
                )
        return tables

    def _label(self, rows: list[LabelledRows]) -> tuple[Feature, dict[str, LabelledRows]]:
        """The label's schema, and the rows of each split with their labels as numbers."""
        if self.label_type == "float":
            rows = [part.labelled(numbers(part.table, self.label, part.lines, part.labels)) for part in rows]
            feature = Feature(kind="float")
        else:
            classes, rows = self._classify(rows)
            feature = Feature(kind="class", classes=classes)
        if len(rows) == 1:
            chosen = hold_out(rows[0].labels, self.validation_fraction, classes=self.label_type == "class")
            if not 0 < chosen.sum() < len(chosen):
                raise InputError(
                    f"{rows[0].table.path} has {len(chosen)} rows, of which data.validation_fraction "
                    f"{self.validation_fraction} leaves {chosen.sum()} for validation; expected one or more there and "
                    "in training. Change the fraction, add rows, or name a file in data.validation."
                )
            rows = [rows[0].take(~chosen), rows[0].take(chosen)]
        return feature, dict(zip(("train", "validation"), rows, strict=True))

    def _classify(self, rows: list[LabelledRows]) -> tuple[tuple[str, ...], list[LabelledRows]]:
        names = [class_names(part.table, self.label, part.lines, part.labels) for part in rows]
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
        return classes, [part.labelled(found) for part, found in zip(rows, labels, strict=True)]

    def _open_tokenizer(self, source: str, train: LabelledRows) -> Tokenizer:
        if source := self.tokenizer.path or source:
            import zoo

            return zoo.tokenizer(source)
        _log.info("Learning a %s vocabulary of at most %d tokens.", self.tokenizer.kind, self.tokenizer.vocab_size)
        settings = {name: getattr(self.tokenizer, name) for name in ("kind", "vocab_size", "lower_case", "special")}
        return train_tokenizer([*train.texts, *(train.pairs or ())], **settings)

    def _encode(self, tokenizer: Tokenizer, rows: LabelledRows, split: str, types: bool) -> SequenceExamples:
        sequences = encode(tokenizer, rows.texts, rows.pairs, self.seq_len, token_types=types)
        pairs = rows.pairs is not None
        check_tokens(sequences, tokenizer, pairs=pairs, table=rows.table, lines=rows.lines, column=self.text)
        cut = f"; {sequences.truncated} were cut to data.seq_len" if sequences.truncated else ""
        _log.info("%s: %d rows, longest %d tokens%s", split, len(sequences), sequences.lengths.max(), cut)
        label = np.append(rows.labels, np.zeros(1, rows.labels.dtype))
        return SequenceExamples(sequences, {"label": label}, self.seq_len, self.pad_to_multiple_of, tokenizer.fill_id)

    def _manifest(self, tables: list[Table], label: Feature, tokenizer: Tokenizer) -> dict[str, Any]:
        files = [{"name": table.path.name, "sha256": table.sha256()} for table in tables]
        return {
            "type": "table",
            "files": dict(zip(("train", "validation"), files, strict=False)),
            "validation_fraction": None if self.validation else self.validation_fraction,
            "columns": self.columns,
            "label_type": self.label_type,
            "labels": [*label.classes],
            "seq_len": self.seq_len,
            "tokenizer": {"sha256": hashlib.sha256(tokenizer.backend.to_str().encode()).hexdigest()},
        }

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What all datasets of labelled rows share: their files, their splits and their tokenizer."""

import abc
import collections
import dataclasses
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zoo.checks import check_fields
from zoo.data.columns import Table
from zoo.data.inputs import Inputs
from zoo.data.ragged import Sequences
from zoo.data.rows import Rows, hold_out
from zoo.data.schema import DataInfo, Dataset, DatasetConfig, Examples, Feature, Schema, SplitSummary, Vocabulary
from zoo.data.tables import is_tfds, open_table
from zoo.data.tfds_table import splits_of
from zoo.data.training import check_unpacked
from zoo.errors import ConfigError, InputError
from zoo.text.tokenizer import Tokenizer
from zoo.text.train import train_tokenizer

_log = logging.getLogger(__name__)
_TOKENS = {name: Feature(kind="tokens") for name in ("tokens", "segments")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupervisedConfig(DatasetConfig):
    """Labelled rows of a table, or of two.

    Attributes:
      embedded: a small table that comes with the package.
      source: a table of training rows: a file (`zoo.data.formats`), `tfds:NAME#SPLIT`, or `embedded`.
      validation: a table of the same columns; "" is the split `validation` of a TFDS dataset that has one, and else
        holds out `validation_fraction` of the rows, evenly over the labels.
      splits: other tables for evaluators and predictions, `NAME=SOURCE` each, whose labels may be missing as a whole.
      column_names: of those .csv and .tsv files whose first line does not name the columns that are read.
      seq_len: longest sequence in tokens.
      tokenizer: what tokenizer to learn from the texts where the run starts from no model, or `path` of a ready one.
      pad_to_multiple_of: a batch is padded to the next multiple of this many tokens, so that few lengths are compiled.
      packing: the most examples in one row of a training batch, whose rows are `seq_len` tokens (`zoo.data.packing`); 0
        gives each example a padded row of its own, as evaluations do in any case.
      bucket_batches: so many batches are sorted by length together (`zoo.data.buckets`), so that each holds examples of
        like lengths and little padding; 0 leaves them in random order.
    """

    embedded: ClassVar[Path]
    labels_in: ClassVar[tuple[str, ...]]  # what of `columns` a prediction does not read
    optional: ClassVar[tuple[str, ...]] = ()  # what of `columns` a table may lack
    source: str
    validation: str = ""
    validation_fraction: float = 0.1
    splits: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()
    pad_to_multiple_of: int = 32
    packing: int = 0
    bucket_batches: int = 0

    def __post_init__(self):
        check_fields(self)
        for name, least in (("seq_len", 4), ("pad_to_multiple_of", 1), ("packing", 0), ("bucket_batches", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"data.{name} must be {least} or more; found {getattr(self, name)}.")
        if self.packing and self.bucket_batches:
            raise ConfigError(
                f"data.packing is {self.packing} and data.bucket_batches {self.bucket_batches}: packed rows have no "
                "padding for buckets to save; set one of them to 0."
            )
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(f"data.validation_fraction must be between 0 and 1; found {self.validation_fraction!r}.")
        if not self.source:
            raise ConfigError(
                "data.source must name a table (.csv, .tsv, .jsonl, .parquet, tfds:NAME), or be 'embedded'."
            )
        self._check_splits()
        self._check_columns()

    # What the types of labelled rows differ in.

    @property
    @abc.abstractmethod
    def columns(self) -> dict[str, str]:
        """Names of the table's columns by what they hold; "" where there is none."""

    @abc.abstractmethod
    def read(self, tables: Mapping[str, Table]) -> tuple[Schema, dict[str, Rows]]:
        """The features of the labels, and the rows of each split with labels as arrays.

        Args:
          tables: by the split, `train` first; splits other than that and `validation` may lack labels as a whole.

        Raises:
          InputError: rows that cannot be used.
        """

    @abc.abstractmethod
    def texts(self, rows: Rows) -> list[str]:
        """All texts, from which a tokenizer learns."""

    @abc.abstractmethod
    def encode(self, tokenizer: Tokenizer, rows: Rows, features: Schema, split: str) -> tuple[Examples, SplitSummary]:
        """The examples of a split, of whose labels `features` are the schema, and what is said of them."""

    @property
    @abc.abstractmethod
    def outlined(self) -> Schema:
        """The features of the labels as far as the config tells."""

    def strata(self, rows: Rows) -> np.ndarray | None:
        """One label a row, over which the rows for validation are spread evenly; None spreads them over the file."""
        del rows
        return None

    # What they share.

    def open(self, *, cache_dir: Path, data_dir: Path | None = None, tokenizer: str = "") -> Dataset:
        """See `DatasetConfig.open`. The whole table is read into memory; nothing is written."""
        if data_dir is not None:
            raise ConfigError("A table needs no preparation; leave out --data_dir, or use data of another type.")
        tables = self._open_tables()
        features, rows = self.read(tables)
        rows = self._hold_out(rows)
        ready = self._open_tokenizer(tokenizer, rows["train"])
        splits, summaries = {}, {}
        for name, split in rows.items():
            splits[name], summaries[name] = self.encode(ready, split, features, name)
            _log.info("%s: %s", name, summaries[name].size)
            for loss in summaries[name].losses:
                _log.warning("%s: %s", name, loss)
        return Dataset(
            tokenizer=ready,
            schema={**_token_features(splits["train"]), **features},
            splits=splits,
            unlabelled=tuple(name for name, split in rows.items() if not split.labelled),
            summaries=summaries,
            seq_len=self.seq_len,
            manifest=self._manifest(tables, features, ready),
            inputs=self.inputs(features),
            packing=self.packing,
            bucket_batches=self.bucket_batches,
        )

    def outline(self, vocabulary: Vocabulary) -> DataInfo:
        """See `DatasetConfig.outline`."""
        check_unpacked(self.packing)
        return DataInfo(vocabulary=vocabulary, schema={**_TOKENS, **self.outlined}, seq_len=self.seq_len)

    @property
    def used_columns(self) -> dict[str, str]:
        """The columns that there are."""
        return {role: name for role, name in self.columns.items() if name}

    def inputs(self, features: Schema) -> Inputs:
        """What a prediction reads, where the labels have these features."""
        del features
        columns = {role: name for role, name in self.used_columns.items() if role not in self.labels_in}
        return Inputs(columns=columns, seq_len=self.seq_len)

    @staticmethod
    def summary(rows: Rows, sequences: Sequences, *losses: str) -> SplitSummary:
        """The number of rows and the longest of their sequences; how many sequences were cut, and other losses."""
        texts = "text was" if sequences.truncated == 1 else "texts were"
        cut = (f"{sequences.truncated} {texts} cut to data.seq_len.",) if sequences.truncated else ()
        return SplitSummary(f"{len(rows)} rows, longest {sequences.lengths.max()} tokens", (*cut, *losses))

    @staticmethod
    def kept(rows: Rows, split: str) -> Rows | None:
        """The rows that examples keep, for reports: those of training would hold all its texts in memory."""
        return None if split == "train" else rows

    def _check_columns(self) -> None:
        counts = collections.Counter(self.used_columns.values())
        for role, name in self.used_columns.items():
            if counts[name] > 1:
                raise ConfigError(f"data.{role} names the column {name!r}, as another field does; name different ones.")

    def _require(self, *roles: str) -> None:
        """ConfigError for a column that must have a name."""
        for role in roles:
            if not self.columns[role]:
                raise ConfigError(f"data.{role} must name a column of data.source; found ''.")

    def _check_splits(self) -> None:
        names = [name for name, _ in self._named_splits]
        for given, (name, source) in zip(self.splits, self._named_splits, strict=True):
            if not name.isidentifier() or not source:
                raise ConfigError(f"data.splits must be NAME=SOURCE each, such as test=test.tsv; found {given!r}.")
            if name in ("train", "validation") or names.count(name) > 1:
                raise ConfigError(f"data.splits names {name!r}, and there is a split of this name; choose another one.")

    @property
    def _named_splits(self) -> list[tuple[str, str]]:
        return [(name, source) for name, _, source in (given.partition("=") for given in self.splits)]

    def _open_tables(self) -> dict[str, Table]:
        """The tables by the split, that of training rows first; `validation` is missing if rows are to be held out."""
        required = [name for role, name in self.used_columns.items() if role not in self.optional]
        texts = [name for role, name in self.used_columns.items() if role not in self.labels_in]
        names = self.column_names
        if self.source == "embedded":
            tables: dict[str, Table] = {"train": open_table(self.embedded, required=required)}
        else:
            tables = {"train": open_table(self.source, required=required, names=names, field="data.source")}
        if validation := self._validation:
            tables["validation"] = open_table(validation, required=required, names=names, field="data.validation")
            if tables["train"].sha256() == tables["validation"].sha256():
                raise ConfigError(
                    f"data.validation {validation!r} has the same content as data.source; a model is validated on "
                    "rows that it was not trained on. Name another, or '' to hold out data.validation_fraction."
                )
        for name, source in self._named_splits:
            tables[name] = open_table(source, required=texts, names=names, field=f"data.splits {name}")
        return tables

    @property
    def _validation(self) -> str:
        """The table of validation rows; "" if rows are to be held out."""
        if self.validation or not is_tfds(self.source):
            return self.validation
        return f"{self.source.partition('#')[0]}#validation" if "validation" in splits_of(self.source) else ""

    def _hold_out(self, rows: dict[str, Rows]) -> dict[str, Rows]:
        """The rows of all splits, with some of the training rows for validation if it has no table."""
        if "validation" in rows:
            return rows
        train = rows["train"]
        labels = self.strata(train)
        spread = np.arange(len(train)) if labels is None else labels
        is_class = labels is not None and np.issubdtype(labels.dtype, np.integer)
        chosen = hold_out(spread, self.validation_fraction, classes=is_class)
        if not 0 < chosen.sum() < len(chosen):
            raise InputError(
                f"{train.table} has {len(chosen)} rows, of which data.validation_fraction "
                f"{self.validation_fraction} leaves {chosen.sum()} for validation; expected one or more there and "
                "in training. Change the fraction, add rows, or name a file in data.validation."
            )
        return {**rows, "train": train.take(~chosen), "validation": train.take(chosen)}

    def _open_tokenizer(self, source: str, train: Rows) -> Tokenizer:
        if source := self.tokenizer.path or source:
            import zoo

            return zoo.tokenizer(source)
        _log.info("Learning a %s vocabulary of at most %d tokens.", self.tokenizer.kind, self.tokenizer.vocab_size)
        settings = {name: getattr(self.tokenizer, name) for name in ("kind", "vocab_size", "lower_case", "special")}
        return train_tokenizer(self.texts(train), **settings)

    def _manifest(self, tables: Mapping[str, Table], features: Schema, tokenizer: Tokenizer) -> dict[str, Any]:
        return {
            "files": {split: {"name": table.name, "sha256": table.sha256()} for split, table in tables.items()},
            "validation_fraction": None if "validation" in tables else self.validation_fraction,
            "columns": self.used_columns,
            "labels": {name: [feature.kind, *feature.classes] for name, feature in features.items()},
            "seq_len": self.seq_len,
            "tokenizer": {"sha256": hashlib.sha256(tokenizer.backend.to_str().encode()).hexdigest()},
            **self.settings,
        }

    @property
    @abc.abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """The type, and what else distinguishes these examples from others of the same rows, ready for JSON."""


def _token_features(examples: Examples) -> Schema:
    """The features of what a model reads, by the shape of an example."""
    shapes = {name: value.shape[1:] for name, value in examples.read(np.array([-1])).items()}
    sizes = {name: shape[0] if len(shape) == 2 else 0 for name, shape in shapes.items() if shape}
    return {name: Feature(kind="choices" if size else "tokens", num_choices=size) for name, size in sizes.items()}

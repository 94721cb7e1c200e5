# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Splits of TensorFlow Datasets as tables, prepared and read without TensorFlow."""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zoo.data.columns import Table
from zoo.data.formats import Row
from zoo.data.tfds_source import find_builder, prepare, prepared
from zoo.errors import ConfigError, FormatError

PREFIX = "tfds:"


@dataclasses.dataclass(frozen=True)
class TfdsTable(Table):
    """A split; a class label is read as its name, and the -1 of a label that is kept secret as no value.

    Attributes:
      dataset: its full name, as in `glue/sst2/2.0.0`. split: of it. builder: of TensorFlow Datasets.
    """

    dataset: str
    split: str
    builder: Any

    def __iter__(self) -> Iterator[Row]:
        features = self.builder.info.features
        for index, record in enumerate(self.builder.as_data_source(split=self.split), 1):
            try:
                values = {name: _plain(features[name], record[name]) for name in self.columns}
            except UnicodeDecodeError as error:
                raise FormatError(f"{self.location(index)}: a text that is not UTF-8 ({error}).") from error
            yield Row(index, values)

    def __str__(self) -> str:
        return f"{PREFIX}{self.dataset}#{self.split}"

    @property
    def name(self) -> str:
        return str(self)

    @property
    def counted(self) -> str:
        return "record"

    def sha256(self) -> str:
        found = hashlib.sha256()
        for path in sorted(self.builder.info.splits[self.split].filepaths):
            with path.open("rb") as file:  # it may lie in a bucket
                found.update(hashlib.file_digest(file, "sha256").digest())
        return found.hexdigest()


def open_split(source: str, *, required: Sequence[str] = ()) -> TfdsTable:
    """A split of a dataset, which is downloaded and prepared the first time.

    Args:
      source: `tfds:NAME#SPLIT`, where NAME is in TFDS's catalogue, as in `glue/sst2`, or a folder that TFDS prepared.
        Without `#SPLIT` it is `train`.
      required: columns that it must have.

    Raises:
      ConfigError: no such dataset, split or column, or a dataset that needs TensorFlow.
    """
    name, _, split = source.removeprefix(PREFIX).partition("#")
    builder = find_builder(name)
    columns = tuple(sorted(builder.info.features or ()))  # a prepared folder has them in no order
    table = TfdsTable(columns, builder.info.full_name, split or "train", builder)
    if missing := [column for column in required if column not in columns]:  # known before the download
        raise ConfigError(
            f"{table}: expected a column {', '.join(map(repr, missing))}. Found the columns "
            f"{', '.join(map(repr, columns))}. Name one of these."
        )
    if table.split not in prepare(builder).info.splits:
        raise ConfigError(
            f"{table}: there is no such split; {PREFIX}{name} has {', '.join(builder.info.splits)}. Name one of them "
            "behind the #."
        )
    return table


def splits_of(source: str) -> tuple[str, ...]:
    """The names of the splits of `tfds:NAME`; ConfigError as `open_split`."""
    return tuple(prepared(source.removeprefix(PREFIX).partition("#")[0]).info.splits)


def _plain(feature: Any, value: Any) -> Any:
    """A value as Python's own types, by its feature."""
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.FeaturesDict):
        return {name: _plain(feature[name], each) for name, each in value.items()}
    if isinstance(feature, tfds.features.Sequence):
        inner = feature.feature
        if isinstance(inner, tfds.features.FeaturesDict):  # a dict of sequences, and not a sequence of dicts
            return {name: [_plain(inner[name], each) for each in values] for name, values in value.items()}
        return [_plain(inner, each) for each in value]
    if isinstance(feature, tfds.features.ClassLabel):
        return feature.int2str(int(value)) if value >= 0 else None
    if isinstance(value, bytes):
        return value.decode()
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How the training split of a dataset is read: an example a row, in rows of several, or with others of like lengths."""

from zoo.data.buckets import BucketedExamples
from zoo.data.packing import Packable, PackedExamples
from zoo.data.schema import Dataset, Examples
from zoo.errors import ConfigError


def check_unpacked(packing: int) -> None:
    """ConfigError for packed examples where none are read."""
    if packing:
        raise ConfigError(
            f"data.packing is {packing}: how many rows a step has depends on the texts, which are not read where a "
            "step is compiled ahead of time; set data.packing=0 for that."
        )


def training_examples(dataset: Dataset) -> Examples:
    """The training split as the dataset wants it read.

    Raises:
      ConfigError: packing or buckets of examples that do not tell their lengths.
    """
    examples = dataset.split("train")
    if not dataset.packing and not dataset.bucket_batches:
        return examples
    if not isinstance(examples, Packable):
        raise ConfigError(
            f"data.packing is {dataset.packing} and data.bucket_batches {dataset.bucket_batches}, and these data "
            "cannot be packed or sorted by length; set both to 0."
        )
    if dataset.packing:
        return PackedExamples(examples, dataset.schema, dataset.seq_len, dataset.packing)
    return BucketedExamples(examples, dataset.bucket_batches)

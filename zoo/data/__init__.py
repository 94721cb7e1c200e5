# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Datasets: files to typed examples, and the Grain pipeline from examples to batches.

A new type of data is a file with a subclass of `DatasetConfig`, and a row in `DATASETS`.
"""

from zoo.data.schema import DataInfo, Dataset, DatasetConfig, Feature
from zoo.data.table import TableConfig

DATASETS: dict[str, type[DatasetConfig]] = {
    "table": TableConfig,
}

__all__ = ["DATASETS", "DataInfo", "Dataset", "DatasetConfig", "Feature", "TableConfig"]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Datasets and batches: sources, prepared text, packed sequences, and the Grain pipeline over whatever is opened.

`DATASETS` holds every type that the `data` group of a config may have; a new dataset is a file and a row here.
"""

from zoo.data.schema import DatasetConfig
from zoo.data.table import TableConfig
from zoo.data.text import TextConfig

DATASETS: dict[str, type[DatasetConfig]] = {"table": TableConfig, "text": TextConfig}

__all__ = ["DATASETS", "DatasetConfig", "TableConfig", "TextConfig"]

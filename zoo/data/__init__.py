# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Datasets and batches: sources, prepared text, packed sequences, tables, and the Grain pipeline over them.

`DATASETS` holds every type that the `data` group of a config may have. A new one is a file with a subclass of
`DatasetConfig`, and a row there.
"""

from zoo.data.choices import ChoicesConfig
from zoo.data.questions import QuestionsConfig
from zoo.data.schema import DataInfo, Dataset, DatasetConfig, Feature
from zoo.data.sentence_pairs import SentencePairsConfig
from zoo.data.table import TableConfig
from zoo.data.tagging import TaggingConfig
from zoo.data.text import TextConfig
from zoo.data.translation import TranslationConfig
from zoo.data.whole_documents import WholeDocumentsConfig

DATASETS: dict[str, type[DatasetConfig]] = {
    "choices": ChoicesConfig,
    "questions": QuestionsConfig,
    "sentence_pairs": SentencePairsConfig,
    "table": TableConfig,
    "tagging": TaggingConfig,
    "text": TextConfig,
    "whole_documents": WholeDocumentsConfig,
    "translation": TranslationConfig,
}

__all__ = [
    "DATASETS",
    "ChoicesConfig",
    "DataInfo",
    "Dataset",
    "DatasetConfig",
    "Feature",
    "QuestionsConfig",
    "SentencePairsConfig",
    "TableConfig",
    "TaggingConfig",
    "TextConfig",
    "TranslationConfig",
    "WholeDocumentsConfig",
]

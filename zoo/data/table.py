# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled texts, or pairs of texts, in the columns of a table: what a classifier or a regressor is fine-tuned on."""

import dataclasses
import logging
from pathlib import Path
from typing import Literal

from zoo.data.schema import DatasetConfig

EMBEDDED = Path(__file__).with_name("reviews.csv")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableConfig(DatasetConfig):
    """A table with a column of texts and one of labels.

    Attributes:
      source: a table (`zoo.data.formats`) of training rows, or `embedded`, 600 short film reviews.
      validation: a file of the same columns; "" holds out `validation_fraction` of the rows, evenly over the labels.
      text, text_pair, label: names of columns; "" for `text_pair` is one text a row.
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

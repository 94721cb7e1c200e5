# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Predictions of fine-tuned models for new rows of a table, written next to the table's columns.

A new head is a file with a subclass of `Predictor`, and a row in `PREDICTORS` (`table.py`).
"""

from zoo.predict.answers import Answers
from zoo.predict.choices import Choices
from zoo.predict.labels import Labels
from zoo.predict.predictor import Predictor
from zoo.predict.table import predict
from zoo.predict.tags import Tags

__all__ = ["Answers", "Choices", "Labels", "Predictor", "Tags", "predict"]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Evaluators: what a run measures of its model, by name, each with its data, its period and its metrics.

A new evaluator is a file with a subclass of `Evaluator`, and a row in `EVALUATORS`.
"""

from zoo.evals.evaluator import Evaluated, Evaluator
from zoo.evals.loss import Loss
from zoo.evals.sequence_classification import SequenceClassification

EVALUATORS: dict[str, type[Evaluator]] = {
    "loss": Loss,
    "sequence_classification": SequenceClassification,
}

__all__ = ["EVALUATORS", "Evaluated", "Evaluator", "Loss", "SequenceClassification"]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The evaluator of sequence classification: metrics of predicted classes or numbers."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo.data.schema import Schema
from zoo.errors import ConfigError
from zoo.evals.evaluator import Evaluated, Evaluator, results
from zoo.evals.label_metrics import CLASS_METRICS, NUMBER_METRICS, class_metrics, number_metrics
from zoo.objectives import Objective
from zoo.objectives.sequence_classification import SequenceClassification as SequenceClassificationObjective


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceClassification(Evaluator):
    """Accuracy, macro F1 and Matthews correlation of classes; Pearson, Spearman and squared error of numbers."""

    def check(self, objective: Objective, schema: Schema) -> None:
        if not isinstance(objective, SequenceClassificationObjective):
            raise ConfigError(
                "The evaluator sequence_classification needs the objective sequence_classification; use the evaluator "
                "loss, which every objective has."
            )

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return NUMBER_METRICS if _of(objective).is_regression else CLASS_METRICS

    def run(self, model: Evaluated) -> dict[str, float]:
        labels, predicted = label_predictions(model, self.split, self.num_batches)
        if _of(model.objective).is_regression:
            return number_metrics(labels, predicted)
        return class_metrics(labels, predicted)


def label_predictions(model: Evaluated, split: str, num_batches: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of a split's rows, and the predicted ones: classes int [n], or numbers float [n]."""
    found = list(results(model, _predict, model.batches(split, num_batches)))
    logits, labels, real = (np.concatenate(parts) for parts in zip(*found, strict=True))
    logits, labels = logits[real], labels[real]
    return labels, logits[:, 0] if _of(model.objective).is_regression else logits.argmax(axis=1)


def _predict(objective: Any, module: Any, batch: Any) -> tuple[Any, Any, Any]:
    return objective.logits(module, batch), batch["label"], jnp.any(batch["segments"] > 0, axis=1)


def _of(objective: Objective) -> SequenceClassificationObjective:
    if not isinstance(objective, SequenceClassificationObjective):
        raise ConfigError(f"The evaluator sequence_classification cannot evaluate {type(objective).__name__}.")
    return objective

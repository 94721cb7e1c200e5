# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The evaluator of labels: metrics of predicted classes, numbers or choices."""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from zoo.evals.evaluator import Evaluated, Evaluator, results
from zoo.evals.label_metrics import CLASS_METRICS, NUMBER_METRICS, class_metrics, number_metrics
from zoo.objectives import MultipleChoice, Objective
from zoo.objectives import SequenceClassification as SequenceClassificationObjective


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceClassification(Evaluator):
    """Accuracy, macro F1 and Matthews correlation of classes; Pearson, Spearman and squared error of numbers."""

    evaluates: ClassVar = (SequenceClassificationObjective, MultipleChoice)

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return NUMBER_METRICS if _is_number(objective) else CLASS_METRICS

    def run(self, model: Evaluated) -> dict[str, float]:
        labels, predicted = label_predictions(model, self.split, self.num_batches)
        return number_metrics(labels, predicted) if _is_number(model.objective) else class_metrics(labels, predicted)


def label_predictions(model: Evaluated, split: str, num_batches: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of a split's rows, and the predicted ones: classes int [n], or numbers float [n]."""
    found = list(results(model, _predict, model.batches(split, num_batches)))
    logits, labels, real = (np.concatenate(parts) for parts in zip(*found, strict=True))
    logits, labels = logits[real], labels[real]
    return labels, logits[:, 0] if _is_number(model.objective) else logits.argmax(axis=1)


def _predict(objective: Any, module: Any, batch: Any) -> tuple[Any, Any, Any]:
    segments = batch["segments"].reshape(len(batch["label"]), -1)  # [B, C, T] of choices
    return objective.logits(module, batch), batch["label"], jnp.any(segments > 0, axis=1)


def _is_number(objective: Objective) -> bool:
    return objective.data.schema["label"].kind == "float"

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Metrics of predicted labels: of classes by scikit-learn, of numbers by SciPy."""

import dataclasses
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo.data.schema import Schema
from zoo.errors import ConfigError
from zoo.evals.evaluator import Evaluated, Evaluator, results
from zoo.objectives import Objective
from zoo.objectives.sequence_classification import SequenceClassification as SequenceClassificationObjective

_CLASSES = ("accuracy", "f1_macro", "matthews_correlation")
_NUMBERS = ("pearson", "spearman", "mean_squared_error")


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
        return _NUMBERS if _of(objective).is_regression else _CLASSES

    def run(self, model: Evaluated) -> dict[str, float]:
        found = list(results(model, _predict, model.batches(self.split, self.num_batches)))
        logits, labels, real = (np.concatenate(parts) for parts in zip(*found, strict=True))
        logits, labels = logits[real], labels[real]
        if _of(model.objective).is_regression:
            return number_metrics(labels, logits[:, 0])
        return class_metrics(labels, logits.argmax(axis=1))


def class_metrics(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Metrics of classes int [n]. A class that neither has does not count for the macro average."""
    from sklearn import metrics  # takes a second to import

    zero: Any = 0.0  # scikit-learn's own annotation is too narrow
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a single class
        values = (
            metrics.accuracy_score(labels, predicted),
            metrics.f1_score(labels, predicted, average="macro", zero_division=zero),
            metrics.matthews_corrcoef(labels, predicted),
        )
    return dict(zip(_CLASSES, map(float, values), strict=True))


def number_metrics(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Metrics of numbers float [n]; a correlation with a constant is NaN, which is what it is."""
    from scipy import stats

    labels, predicted = labels.astype(np.float64), predicted.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants
        values = (
            stats.pearsonr(labels, predicted)[0],
            stats.spearmanr(labels, predicted)[0],
            np.mean(np.square(labels - predicted)),
        )
    return {name: float(np.asarray(value)) for name, value in zip(_NUMBERS, values, strict=True)}


def _predict(objective: Any, module: Any, batch: Any) -> tuple[Any, Any, Any]:
    return objective.logits(module, batch), batch["label"], jnp.any(batch["segments"] > 0, axis=1)


def _of(objective: Objective) -> SequenceClassificationObjective:
    if not isinstance(objective, SequenceClassificationObjective):
        raise ConfigError(f"The evaluator sequence_classification cannot evaluate {type(objective).__name__}.")
    return objective

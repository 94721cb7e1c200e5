# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Metrics of predicted labels: of classes by scikit-learn, of numbers by SciPy."""

import warnings
from typing import Any

import numpy as np

from zoo.errors import InputError

CLASS_METRICS = ("accuracy", "f1_macro", "matthews_correlation")
NUMBER_METRICS = ("pearson", "spearman", "mean_squared_error")


def class_metrics(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Metrics of classes int [n]. A class that neither has does not count for the macro average."""
    from sklearn import metrics  # takes a second to import

    check_labels(labels, predicted)
    zero: Any = 0.0  # scikit-learn's own annotation is too narrow
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a single class
        values = (
            metrics.accuracy_score(labels, predicted),
            metrics.f1_score(labels, predicted, average="macro", zero_division=zero),
            metrics.matthews_corrcoef(labels, predicted),
        )
    return dict(zip(CLASS_METRICS, map(float, values), strict=True))


def number_metrics(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Metrics of numbers float [n]; a correlation with a constant, or of a single pair, is NaN, which is what it is."""
    from scipy import stats

    check_labels(labels, predicted)
    labels, predicted = labels.astype(np.float64), predicted.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants
        values = (
            *((f(labels, predicted)[0] if len(labels) > 1 else np.nan) for f in (stats.pearsonr, stats.spearmanr)),
            np.mean(np.square(labels - predicted)),
        )
    return {name: float(np.asarray(value)) for name, value in zip(NUMBER_METRICS, values, strict=True)}


def check_labels(labels: np.ndarray, predicted: np.ndarray) -> None:
    """InputError unless there are predictions, as many as labels."""
    if labels.ndim != 1 or labels.shape != predicted.shape or not labels.size:
        raise InputError(
            "Expected one prediction for each label, and 1 label or more; "
            f"found labels {list(labels.shape)} and predictions {list(predicted.shape)}."
        )

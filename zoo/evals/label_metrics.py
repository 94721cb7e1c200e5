# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Metrics of predicted labels: of classes by scikit-learn, of numbers by SciPy."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from zoo.errors import InputError

CLASS_METRICS = ("accuracy", "f1_macro", "matthews_correlation")
NUMBER_METRICS = ("pearson", "spearman", "mean_squared_error")
CALIBRATION_ERROR = "expected_calibration_error"  # of reports alone
DEFINITIONS = {
    "accuracy": "Share of the rows whose predicted class is the label.",
    "f1": "Harmonic mean of the precision and the recall of class 1.",
    "f1_macro": "Unweighted mean over the classes of the F1 score, the harmonic mean of precision and recall.",
    "matthews_correlation": "Correlation of predicted classes with labels (Matthews 1975): 1 is perfect, 0 is chance.",
    "pearson": "Linear correlation of predicted numbers with labels.",
    "spearman": "Correlation of the ranks of predicted numbers with those of labels.",
    "mean_squared_error": "Mean of the squared differences between predicted numbers and labels.",
    CALIBRATION_ERROR: "Mean distance of confidence and accuracy over 15 equal bins of confidence, weighted by their "
    "rows (Guo et al. 2017, arXiv:1706.04599, equation 3); the confidence is the predicted class's probability.",
}
_BINS = 15  # arXiv:1706.04599, section 5


class Calibration(NamedTuple):
    """Bins of equal width over the confidences 0 to 1 that hold a row, in order.

    Attributes:
      confidence, accuracy: the means of each bin's rows. count: how many these are.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error; NaN without rows."""
        if not len(self.count):
            return float("nan")
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.count))


def calibration(confidence: np.ndarray, correct: np.ndarray) -> Calibration:
    """How often predictions of each confidence are right.

    Args:
      confidence: float [n], of the predicted class. correct: bool [n].
    """
    number = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)  # bins are open below
    count, sums, hits = (np.bincount(number, weights, _BINS) for weights in (None, confidence, correct.astype(float)))
    there = count > 0
    return Calibration(sums[there] / count[there], hits[there] / count[there], count[there])


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

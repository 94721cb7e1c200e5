# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The official metrics of the tasks of GLUE (Wang et al. 2018, arXiv:1804.07461, table 1), and of those of SuperGLUE
(Wang et al. 2019, arXiv:1905.00537, table 1) that choose one class for each example.
"""

import warnings
from typing import Any

import numpy as np

from zoo.errors import ConfigError
from zoo.evals.label_metrics import NUMBER_METRICS, class_metrics, number_metrics

_ACCURACY = ("accuracy",)

# `f1` is that of class 1, a paraphrase or duplicate; `f1_macro` is the mean over classes.
GLUE_METRICS: dict[str, tuple[str, ...]] = {
    "cola": ("matthews_correlation",),
    "sst2": _ACCURACY,
    "mrpc": ("accuracy", "f1"),
    "stsb": ("pearson", "spearman"),
    "qqp": ("accuracy", "f1"),
    "mnli": _ACCURACY,
    "qnli": _ACCURACY,
    "rte": _ACCURACY,
    "wnli": _ACCURACY,
    "ax": ("matthews_correlation",),
    "boolq": _ACCURACY,
    "cb": ("accuracy", "f1_macro"),
    "copa": _ACCURACY,
    "wic": _ACCURACY,
}


def glue_metric_names(task: str) -> tuple[str, ...]:
    """The names of a task's metrics; ConfigError if it is unknown."""
    if task not in GLUE_METRICS:
        raise ConfigError(f"Unknown GLUE or SuperGLUE task {task!r}; choose one of {', '.join(GLUE_METRICS)}.")
    return GLUE_METRICS[task]


def glue_metrics(task: str, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """A task's metrics, none in percent, of classes int [n]; of numbers float [n] for `stsb`.

    The Matthews correlation of a single class is 0, and other correlations with a constant are NaN, as in
    `class_metrics` and `number_metrics`.
    """
    names = glue_metric_names(task)
    if set(names) <= set(NUMBER_METRICS):
        values = number_metrics(labels, predicted)
    else:
        values = class_metrics(labels, predicted) | {"f1": _binary_f1(labels, predicted)}
    return {name: values[name] for name in names}


def _binary_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    from sklearn import metrics

    zero: Any = 0.0  # if neither has the class; scikit-learn's own annotation is too narrow
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a single class
        return float(metrics.f1_score(labels, predicted, labels=[1], average="macro", zero_division=zero))

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The plots of reports. Imported where they are drawn: matplotlib takes a while to import."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.evals.label_metrics import Calibration

_MOST_NUMBERED, _MOST_NAMED = 12, 40  # classes up to which cells have numbers, and axes the names of classes


def draw_classes(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str], bins: Calibration) -> Figure:
    """The confusion matrix of classes int [n], and accuracy by confidence; one figure takes less time than two.

    Not pyplot, here and below: no display, no global state.
    """
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_confusion(left, labels, predicted, classes)
    _draw_calibration(right, bins)
    return figure


def draw_numbers(labels: np.ndarray, predicted: np.ndarray) -> Figure:
    """Predicted numbers against labels, float [n] each, with the line on which they are equal."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(labels, predicted, s=8, alpha=0.5)
    mean = float(labels.mean())
    axes.axline((mean, mean), slope=1, color="gray", linewidth=1, linestyle="--")
    axes.set(xlabel="label", ylabel="predicted")
    axes.grid(alpha=0.3)
    return figure


def _draw_confusion(axes: Axes, labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> None:
    """Rows are labels. Colours are shares of a row, so that rare classes are seen; numbers are counts."""
    size = len(classes)
    counts = np.bincount(labels * size + predicted, minlength=size * size).reshape(size, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="label", title="confusion matrix")
    if size <= _MOST_NAMED:
        axes.set_xticks(range(size), classes, rotation=90 if size > 4 else 0)
        axes.set_yticks(range(size), classes)
    if size <= _MOST_NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color)


def _draw_calibration(axes: Axes, bins: Calibration) -> None:
    axes.plot([0, 1], [0, 1], "--", color="gray", linewidth=1)
    axes.bar(bins.confidence, bins.count / max(bins.count.sum(), 1), width=0.02, color="lightgray", label="rows")
    axes.plot(bins.confidence, bins.accuracy, "o-", label="accuracy")
    title = f"calibration: expected error {bins.error:.3f}"
    axes.set(xlabel="confidence", ylabel="accuracy; share of the rows", xlim=(0, 1), ylim=(0, 1.02), title=title)
    axes.grid(alpha=0.3)
    axes.legend()

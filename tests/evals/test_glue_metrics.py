# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Metrics of labels equal their definitions, written out here, and each GLUE task has the metrics of its paper."""

import math

import numpy as np
import pytest

from zoo.errors import ConfigError, InputError
from zoo.evals.glue_metrics import GLUE_METRICS, glue_metric_names, glue_metrics
from zoo.evals.label_metrics import class_metrics, number_metrics

COUNT = 500  # of two classes, of several, and of numbers each; scikit-learn takes some milliseconds for a set


def confusion(labels: np.ndarray, predicted: np.ndarray) -> list[list[int]]:
    """Examples of each class (rows) predicted as each class (columns)."""
    size = 1 + max(labels.max(), predicted.max())
    return [
        [sum(1 for y, p in zip(labels, predicted, strict=True) if (y, p) == (i, j)) for j in range(size)]
        for i in range(size)
    ]


def f1_of(table: list[list[int]], kind: int) -> float:
    """2 TP / (2 TP + FP + FN)."""
    hits = table[kind][kind] if kind < len(table) else 0
    both = sum(table[kind]) + sum(row[kind] for row in table) if kind < len(table) else 0
    return 2 * hits / both if both else 0.0


def f1_macro(table: list[list[int]]) -> float:
    seen = [kind for kind in range(len(table)) if sum(table[kind]) or sum(row[kind] for row in table)]
    return sum(f1_of(table, kind) for kind in seen) / len(seen)


def matthews_binary(table: list[list[int]]) -> float:
    """(TP TN - FP FN) / sqrt of the product of the sums of rows and columns."""
    (tn, fp), (fn, tp) = table if len(table) == 2 else [[table[0][0], 0], [0, 0]]
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(product) if product else 0.0


def matthews(table: list[list[int]]) -> float:
    """The covariance of one-hot labels and predictions over their deviations (Gorodkin 2004)."""
    total, hits = sum(map(sum, table)), sum(table[kind][kind] for kind in range(len(table)))
    golds, found = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    spread = (total**2 - sum(n**2 for n in golds)) * (total**2 - sum(n**2 for n in found))
    return (hits * total - sum(map(int.__mul__, golds, found))) / math.sqrt(spread) if spread else 0.0


def pearson(x: list[float], y: list[float]) -> float:
    """The covariance over the deviations."""
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    covariance = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    spread = math.fsum((a - mean_x) ** 2 for a in x) * math.fsum((b - mean_y) ** 2 for b in y)
    return covariance / math.sqrt(spread) if spread else math.nan


def ranks(x: list[float]) -> list[float]:
    """Equal numbers share the mean of their ranks."""
    return [sum(b < a for b in x) + (sum(b == a for b in x) + 1) / 2 for a in x]


def close(value: float):
    return pytest.approx(value, rel=0, abs=1e-9, nan_ok=True)


def random_classes(most: int):
    """Labels and predictions of 1 to `most` classes, of which more or fewer agree."""
    draw = np.random.default_rng(most)
    for _ in range(COUNT):
        length, classes = draw.integers(1, 30), draw.integers(1, most + 1)
        labels, other = draw.integers(0, classes, (2, length))
        yield labels, np.where(draw.random(length) < draw.random(), labels, other)


def random_numbers():
    """Labels of 0 to 5, many of them equal, and numbers more or less correlated with them, some of them constant."""
    draw = np.random.default_rng(0)
    for row in range(COUNT):
        length = draw.integers(1, 30)
        labels = draw.integers(0, 11, length) / 2
        predicted = labels * draw.normal() + draw.normal(size=length) * draw.random()
        yield labels, np.full(length, 2.0) if row % 20 == 0 else np.round(predicted, draw.integers(0, 4))


def test_metrics_of_random_sets_of_two_classes_equal_their_definitions():
    for labels, predicted in random_classes(2):
        table, accuracy = confusion(labels, predicted), sum(labels == predicted) / len(labels)
        assert glue_metrics("mrpc", labels, predicted) == {"accuracy": close(accuracy), "f1": close(f1_of(table, 1))}
        assert glue_metrics("cola", labels, predicted) == {"matthews_correlation": close(matthews_binary(table))}


def test_metrics_of_random_sets_of_several_classes_equal_their_definitions():
    for row, (labels, predicted) in enumerate(random_classes(4)):
        table, accuracy = confusion(labels, predicted), sum(labels == predicted) / len(labels)
        expected = {"accuracy": close(accuracy), "f1_macro": close(f1_macro(table))}
        assert class_metrics(labels, predicted) == expected | {"matthews_correlation": close(matthews(table))}
        if row < 50:
            assert glue_metrics("cb", labels, predicted) == expected


def test_metrics_of_random_sets_of_numbers_equal_their_definitions():
    for labels, predicted in random_numbers():
        x, y = labels.tolist(), predicted.tolist()
        expected = {"pearson": close(pearson(x, y)), "spearman": close(pearson(ranks(x), ranks(y)))}
        assert glue_metrics("stsb", labels, predicted) == expected
        squares = math.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / len(x)
        assert number_metrics(labels, predicted) == expected | {"mean_squared_error": close(squares)}


@pytest.mark.parametrize(
    ("task", "names"),
    [  # Table 1 of arXiv:1804.07461, then of arXiv:1905.00537
        ("cola", "matthews_correlation"),
        ("sst2", "accuracy"),
        ("mrpc", "accuracy f1"),
        ("stsb", "pearson spearman"),
        ("qqp", "accuracy f1"),
        ("mnli", "accuracy"),
        ("qnli", "accuracy"),
        ("rte", "accuracy"),
        ("wnli", "accuracy"),
        ("ax", "matthews_correlation"),
        ("boolq", "accuracy"),
        ("cb", "accuracy f1_macro"),
        ("copa", "accuracy"),
        ("wic", "accuracy"),
    ],
)
def test_a_task_has_the_metrics_of_its_paper(task, names):
    values = glue_metrics(task, np.array([0, 1, 1]), np.array([0, 1, 0]))
    assert tuple(values) == glue_metric_names(task) == tuple(names.split())


def test_every_task_is_tested():
    assert len(GLUE_METRICS) == 14


def test_a_correlation_without_two_values_is_what_it_is():
    ones = np.array([1, 1])
    assert glue_metrics("cola", ones, ones) == {"matthews_correlation": 0.0}
    assert all(map(math.isnan, glue_metrics("stsb", np.array([1.0, 2.0]), np.array([3.0, 3.0])).values()))
    single = number_metrics(np.array([1.0]), np.array([3.0]))
    assert math.isnan(single["pearson"]) and math.isnan(single["spearman"]) and single["mean_squared_error"] == 4.0


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'sst-2'; choose one of cola, sst2, mrpc, .*, wic\."):
        glue_metric_names("sst-2")


@pytest.mark.parametrize("task", ["cola", "stsb", "mrpc"])
@pytest.mark.parametrize("lengths", [(2, 1), (0, 0)])
def test_labels_without_their_predictions_are_refused(task, lengths):
    labels, predicted = (np.zeros(length, np.int32) for length in lengths)
    with pytest.raises(InputError, match="one prediction for each label"):
        glue_metrics(task, labels, predicted)

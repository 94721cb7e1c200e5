# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The loss of a classifier whose classes weigh differently, and what stays as it is."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from launch.config_flags import override
from tests.objectives.fakes import info
from zoo.data.schema import Feature
from zoo.errors import ConfigError
from zoo.evals.evaluator import total
from zoo.objectives import SequenceClassification

LOGITS = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [0.25, 0.25, -2.0], [-1.0, 1.0, 0.0]], np.float32)
LABELS = np.array([1, 2, 2, 0], np.int32)
WEIGHTS = (0.5, 1.0, 4.0)


CLASSES, NUMBER = Feature(kind="class", classes=("bad", "fair", "good")), Feature(kind="float")


def bound(label=CLASSES, **fields):
    schema = {name: Feature(kind="tokens") for name in ("tokens", "segments")} | {"label": label}
    return SequenceClassification(**fields).bind(info(schema=schema))


def sums_of(objective, logits=LOGITS, labels=LABELS, real=None):
    def model(tokens, *, token_types, segments, dropout_key):
        return SimpleNamespace(logits=jnp.asarray(logits))

    model.config = SimpleNamespace(num_token_types=0)
    segments = np.ones((len(labels), 2), np.int32) if real is None else np.repeat(real[:, None], 2, axis=1)
    return objective.loss(model, {"tokens": segments, "segments": segments, "label": labels})


def formula(weights, smoothing, rows=slice(None)):
    """What PyTorch documents for `CrossEntropyLoss(weight, label_smoothing)` and the mean, example by example."""
    numerator = denominator = 0.0
    for logits, label in zip(LOGITS[rows].astype(np.float64), LABELS[rows], strict=True):
        nats = [np.log(np.exp(logits).sum()) - logit for logit in logits]
        spread = sum(weight * each for weight, each in zip(weights, nats, strict=True)) / len(weights)
        numerator += (1 - smoothing) * weights[label] * nats[label] + smoothing * spread
        denominator += weights[label]
    return numerator / denominator


@pytest.mark.parametrize(
    ("weights", "smoothing", "of_torch"),  # the last column is PyTorch 2's, in float64
    [
        ((), 0.0, 1.4830909392089),
        ((), 0.1, 1.4997576058755666),
        (WEIGHTS, 0.0, 1.4641818736277086),
        (WEIGHTS, 0.1, 1.4414584254319405),
    ],
)
def test_the_loss_is_that_of_torch(weights, smoothing, of_torch):
    objective = bound(class_weights=weights, label_smoothing=smoothing)
    sums = sums_of(objective)
    assert set(sums) == set(objective.sums)
    assert objective.metrics(sums)["loss"] == pytest.approx(formula(weights or (1, 1, 1), smoothing), rel=1e-6)
    assert objective.metrics(sums)["loss"] == pytest.approx(of_torch, rel=1e-6)


def test_every_example_counts_once_for_accuracy():
    """Two of four are right, with 5 of the weights' sum of 9.5."""
    assert float(sums_of(bound(class_weights=WEIGHTS))["weight"]) == 9.5
    assert bound(class_weights=WEIGHTS).metrics(sums_of(bound(class_weights=WEIGHTS)))["accuracy"] == 0.5
    assert bound().metrics(sums_of(bound())) == pytest.approx({"loss": 1.4830909, "accuracy": 0.5})


def test_rows_that_fill_up_a_batch_have_no_weight():
    objective, real = bound(class_weights=WEIGHTS, label_smoothing=0.1), np.array([1, 0, 1, 1], np.int32)
    sums = sums_of(objective, logits=np.where(real[:, None] > 0, LOGITS, np.nan), real=real)
    assert float(sums["weight"]) == 5.5 and float(sums["examples"]) == 3.0
    assert objective.metrics(sums)["loss"] == pytest.approx(formula(WEIGHTS, 0.1, rows=[0, 2, 3]), rel=1e-6)
    nothing = objective.metrics(dict.fromkeys(objective.sums, 0.0))
    assert nothing == {"loss": 0.0, "accuracy": 0.0}


def test_parts_of_a_batch_add_up_to_its_mean():
    objective = bound(class_weights=WEIGHTS)
    parts = [sums_of(objective, LOGITS[rows], LABELS[rows]) for rows in (slice(1), slice(1, None))]
    found = objective.metrics(total(parts, objective.sums))
    assert found == pytest.approx({"loss": formula(WEIGHTS, 0.0), "accuracy": 0.5}, rel=1e-6)


def test_of_numbers_there_is_the_loss_alone():
    objective = bound(NUMBER)
    sums = sums_of(objective, LOGITS[:, :1], np.zeros(4, np.float32))
    assert objective.metrics(sums) == {"loss": pytest.approx(np.square(LOGITS[:, 0]).mean())}
    assert set(sums) == set(objective.sums)


@pytest.mark.parametrize(
    ("fields", "label", "message"),
    [
        ({"class_weights": (1.0, 2.0)}, CLASSES, "2 weights, .*3 classes, 'bad', 'fair', 'good'"),
        ({"class_weights": (1.0, 2.0, 0.0)}, CLASSES, "above 0 and finite"),
        ({"class_weights": (1.0, 2.0, -1.0)}, CLASSES, "above 0 and finite"),
        ({"class_weights": (1.0, 2.0, float("inf"))}, CLASSES, "above 0 and finite"),
        ({"class_weights": (1.0, 2.0, float("nan"))}, CLASSES, "above 0 and finite"),
        ({"class_weights": (1.0,)}, NUMBER, "the label is a number"),
    ],
)
def test_refused(fields, label, message):
    with pytest.raises(ConfigError, match=message):
        bound(label, **fields)


def test_they_are_set_by_a_flag():
    def weights(text):
        values = {"objective": {"type": "sequence_classification"}}
        return override(values, [("objective.class_weights", text)])["objective"]["class_weights"]

    assert weights("1,2.5,0.5") == (1, 2.5, 0.5)
    with pytest.raises(ConfigError, match="1,two"):
        weights("1,two")

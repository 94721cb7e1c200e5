# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The evaluator of labels: metrics of predicted classes, numbers or choices, and what a report shows of them."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from zoo.data.choices import ChoiceExamples
from zoo.data.ragged import SequenceExamples
from zoo.data.rows import Rows
from zoo.data.schema import Examples
from zoo.evals.evaluator import Evaluated, Evaluator, Findings, results
from zoo.evals.label_metrics import (
    CALIBRATION_ERROR,
    CLASS_METRICS,
    DEFINITIONS,
    NUMBER_METRICS,
    calibration,
    class_metrics,
    number_metrics,
)
from zoo.evals.worst import write_worst
from zoo.objectives import MultipleChoice, Objective
from zoo.objectives import SequenceClassification as SequenceClassificationObjective

_TEXTS = ("prefix", "text", "text_pair", "question", "options")  # columns that say what a row is


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceClassification(Evaluator):
    """Accuracy, macro F1 and Matthews correlation of classes; Pearson, Spearman and squared error of numbers."""

    evaluates: ClassVar = (SequenceClassificationObjective, MultipleChoice)
    definitions: ClassVar = DEFINITIONS

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return NUMBER_METRICS if _is_number(objective) else CLASS_METRICS

    def run(self, model: Evaluated) -> dict[str, float]:
        return self.examine(model).metrics

    def examine(self, model: Evaluated) -> "LabelFindings":
        labels, logits = _labels_and_logits(model, self.split, self.num_batches)
        return LabelFindings(
            metrics=self.score(model.objective, labels, _predicted(model.objective, logits)),
            labels=labels,
            logits=logits,
            classes=model.objective.data.schema["label"].classes,
            rows=_rows(model.examples(self.split)),
        )

    def score(self, objective: Objective, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        """The metrics of classes int [n], or of numbers float [n]."""
        return number_metrics(labels, predicted) if _is_number(objective) else class_metrics(labels, predicted)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LabelFindings(Findings):
    """Predictions of a split, in its order.

    Attributes:
      labels: int or float [n]. logits: float32 [n, C], or the numbers [n, 1].
      classes: the names of the classes; () of numbers. rows: where they come from, if that is kept.
    """

    labels: np.ndarray
    logits: np.ndarray
    classes: tuple[str, ...]
    rows: Rows | None

    @property
    def predicted(self) -> np.ndarray:
        """Classes int [n], or numbers float [n]."""
        return self.logits.argmax(axis=1) if self.classes else self.logits[:, 0]

    def write(self, folder: Path) -> str:
        return self._write_classes(folder) if self.classes else self._write_numbers(folder)

    def _write_classes(self, folder: Path) -> str:
        from zoo.evals.plots import draw_classes

        log_probabilities = _log_softmax(self.logits)
        confidence, right = np.exp(log_probabilities.max(axis=1)), self.predicted == self.labels
        bins = calibration(confidence[known := np.isfinite(confidence)], right[known])
        draw_classes(self.labels, self.predicted, self.classes, bins).savefig(folder / "classes.png")
        loss = -np.take_along_axis(log_probabilities, self.labels[:, None], axis=1)[:, 0]
        values = {
            "label": [self.classes[index] for index in self.labels],
            "predicted": [self.classes[index] for index in self.predicted],
            "probability": confidence,
            "loss": loss,
        }
        value = f"`{CALIBRATION_ERROR}` is {bins.error:.4g}: {DEFINITIONS[CALIBRATION_ERROR]}"
        plot = f"![Confusion matrix and calibration]({folder.name}/classes.png)"
        return f"{value}\n\n{plot}\n\n{self._write_worst(folder, ~right, values)}"

    def _write_numbers(self, folder: Path) -> str:
        from zoo.evals.plots import draw_numbers

        draw_numbers(self.labels, self.predicted).savefig(folder / "numbers.png")
        loss = np.square(self.labels.astype(np.float64) - self.predicted)
        values = {"label": self.labels, "predicted": self.predicted, "loss": loss}
        plot = f"![Predictions against labels]({folder.name}/numbers.png)"
        return f"{plot}\n\n{self._write_worst(folder, np.ones(len(loss), bool), values)}"

    def _write_worst(self, folder: Path, chosen: np.ndarray, values: dict[str, Any]) -> str:
        return write_worst(folder, self.rows, _TEXTS, values, chosen=chosen, badness=np.asarray(values["loss"]))


def _labels_and_logits(model: Evaluated, split: str, num_batches: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of a split's rows, and the model's answers to them."""
    found = list(results(model, _answer, model.batches(split, num_batches)))
    logits, labels, real = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return labels[real], logits[real]


def _answer(objective: Any, module: Any, batch: Any) -> tuple[Any, Any, Any]:
    segments = batch["segments"].reshape(len(batch["label"]), -1)  # [B, C, T] of choices
    return objective.logits(module, batch), batch["label"], jnp.any(segments > 0, axis=1)


def _predicted(objective: Objective, logits: np.ndarray) -> np.ndarray:
    return logits[:, 0] if _is_number(objective) else logits.argmax(axis=1)


def _is_number(objective: Objective) -> bool:
    return objective.data.schema["label"].kind == "float"


def _rows(examples: Examples) -> Rows | None:
    return examples.rows if isinstance(examples, SequenceExamples | ChoiceExamples) else None


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """[n, C], in float64; NaN where a logit is."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

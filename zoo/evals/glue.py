# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The official metrics of a task of GLUE (arXiv:1804.07461) or SuperGLUE (arXiv:1905.00537)."""

import dataclasses
import logging
from pathlib import Path
from typing import ClassVar

import numpy as np

from zoo.evals.evaluator import Evaluated
from zoo.evals.glue_metrics import glue_metric_names, glue_metrics
from zoo.evals.glue_submission import expected_labels, submission_labels, submission_lines, submission_name
from zoo.evals.sequence_classification import LabelFindings, SequenceClassification
from zoo.objectives import Objective

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Glue(SequenceClassification):
    """Attributes: task, such as `mnli`; it decides which metrics there are."""

    task: str

    def __post_init__(self):
        super().__post_init__()
        glue_metric_names(self.task)

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return glue_metric_names(self.task)

    def examine(self, model: Evaluated) -> "GlueFindings":
        found = super().examine(model)
        return GlueFindings(**vars(found), task=self.task, split=self.split, num_batches=self.num_batches)

    def score(self, objective: Objective, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        return glue_metrics(self.task, labels, predicted)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GlueFindings(LabelFindings):
    """Adds the file that the benchmark's site takes.

    Attributes: as of `Glue`.
    """

    task: str
    split: str
    num_batches: int

    def write(self, folder: Path) -> str:
        return f"{super().write(folder)}\n{self.write_predictions(folder)}"

    def write_predictions(self, folder: Path) -> str:
        """Writes the file, of a whole split of a task of GLUE; returns Markdown about it."""
        name = submission_name(self.task, self.split)
        if not name:
            return f"The task `{self.task}` is none of GLUE's, so that there is no file for its site.\n"
        if self.num_batches:
            return "There is no file for GLUE's site: `num_batches` leaves rows out.\n"
        if self.classes and not submission_labels(self.task, self.classes):
            why = (
                f"There is no file for GLUE's site: it expects the classes {', '.join(expected_labels(self.task))}, or "
                f"0, 1 and so on; the data have {', '.join(self.classes)}. Rename them in data.labels and the table."
            )
            _log.warning("%s: %s", folder, why)
            return f"{why}\n"
        ids = None if self.rows is None else self.rows.get("id")
        with open(folder / name, "w", encoding="utf-8") as file:
            file.writelines(submission_lines(self.task, self.predicted, self.classes, ids))
        return f"Predictions in GLUE's format: [{name}]({folder.name}/{name})\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GlueSubmission(Glue):
    """Predictions of a split whose labels the benchmark keeps secret: no metrics, but a file for its site."""

    needs_labels: ClassVar = False

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return ()

    def examine(self, model: Evaluated) -> "SubmissionFindings":
        return SubmissionFindings(**vars(super().examine(model)))

    def score(self, objective: Objective, labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        return {}


class SubmissionFindings(GlueFindings):
    """The file alone."""

    def write(self, folder: Path) -> str:
        return self.write_predictions(folder)

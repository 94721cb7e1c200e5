# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The official metrics of a task of GLUE (arXiv:1804.07461) or SuperGLUE (arXiv:1905.00537)."""

import dataclasses

from zoo.evals.evaluator import Evaluated
from zoo.evals.glue_metrics import glue_metric_names, glue_metrics
from zoo.evals.sequence_classification import SequenceClassification, label_predictions
from zoo.objectives import Objective


@dataclasses.dataclass(frozen=True, kw_only=True)
class Glue(SequenceClassification):
    """Attributes: task, such as `mnli`; it decides which metrics there are."""

    task: str

    def __post_init__(self):
        super().__post_init__()
        glue_metric_names(self.task)

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return glue_metric_names(self.task)

    def run(self, model: Evaluated) -> dict[str, float]:
        return glue_metrics(self.task, *label_predictions(model, self.split, self.num_batches))

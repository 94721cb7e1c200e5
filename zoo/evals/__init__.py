# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Evaluators: what a run measures of its model, by name, each with its data, its period and its metrics.

A new evaluator is a file with a subclass of `Evaluator`, and a row in `EVALUATORS`.
"""

from zoo.evals.evaluator import Evaluated, Evaluator, Findings
from zoo.evals.glue import Glue, GlueSubmission
from zoo.evals.loss import Loss
from zoo.evals.question_answering import QuestionAnswering
from zoo.evals.sequence_classification import SequenceClassification
from zoo.evals.token_classification import TokenClassification
from zoo.evals.translation import Translation

EVALUATORS: dict[str, type[Evaluator]] = {
    "glue": Glue,
    "glue_submission": GlueSubmission,
    "loss": Loss,
    "question_answering": QuestionAnswering,
    "sequence_classification": SequenceClassification,
    "token_classification": TokenClassification,
    "translation": Translation,
}

__all__ = [
    "EVALUATORS",
    "Evaluated",
    "Evaluator",
    "Findings",
    "Glue",
    "GlueSubmission",
    "Loss",
    "QuestionAnswering",
    "SequenceClassification",
    "TokenClassification",
    "Translation",
]

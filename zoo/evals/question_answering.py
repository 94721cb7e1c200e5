# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""SQuAD's exact match and F1 of predicted answers, of both versions (arXiv:1606.05250, arXiv:1806.03822)."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zoo.data.answers import Span, no_answer_score, read_answers, texts_above
from zoo.data.questions import QuestionExamples
from zoo.data.rows import Rows
from zoo.data.schema import Schema
from zoo.errors import ConfigError
from zoo.evals.evaluator import Evaluated, Evaluator, Findings, results
from zoo.evals.squad_metric import DEFINITIONS, best_threshold, exact_match, f1, squad_scores
from zoo.evals.worst import write_worst
from zoo.files import write_json
from zoo.objectives import Objective
from zoo.objectives.question_answering import QuestionAnswering as QuestionAnsweringObjective


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuestionAnswering(Evaluator):
    """`exact_match` and `f1`, as fractions; where questions may have no answer, also at the best thresholds.

    Attributes:
      max_answer_tokens: the longest answer.
      no_answer_threshold: by how much "no answer" must score more than the best answer to be given.
    """

    evaluates: ClassVar = (QuestionAnsweringObjective,)
    definitions: ClassVar = DEFINITIONS
    max_answer_tokens: int = 30
    no_answer_threshold: float = 0.0

    def check(self, objective: Objective, schema: Schema) -> None:
        super().check(objective, schema)
        if self.num_batches:
            raise ConfigError("The evaluator question_answering needs whole contexts; leave num_batches at 0.")

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return ("exact_match", "f1")

    def run(self, model: Evaluated) -> dict[str, float]:
        return self.examine(model).metrics

    def examine(self, model: Evaluated) -> "AnswerFindings":
        examples = model.examples(self.split)
        if not isinstance(examples, QuestionExamples):
            raise ConfigError(f"The split {self.split!r} holds no questions; set data.type to 'questions'.")
        logits = results(model, _logits, model.batches(self.split))
        found = read_answers(examples.windows, examples.rows["context"], logits, max_tokens=self.max_answer_tokens)
        answers, golds = dict(zip(examples.rows["id"], found, strict=True)), examples.golds
        texts = {name: answer.text for name, answer in answers.items()}
        if all(golds.values()):
            return AnswerFindings(metrics=squad_scores(texts, golds), predicted=texts, golds=golds, rows=examples.rows)
        given = texts_above(answers, self.no_answer_threshold)
        metrics = squad_scores(given, golds) | _at_best_threshold(texts, golds, answers)
        return AnswerFindings(metrics=metrics, predicted=given, golds=golds, rows=examples.rows)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AnswerFindings(Findings):
    """The answer to each question and the right ones, by id in the order of `rows`; "" is no answer."""

    predicted: Mapping[str, str]
    golds: Mapping[str, Sequence[str]]
    rows: Rows

    def write(self, folder: Path) -> str:
        write_json(folder / "predictions.json", self.predicted)  # as SQuAD's official script reads them
        pairs = [(text, self.golds[name]) for name, text in self.predicted.items()]
        scores = np.array([f1(*pair) for pair in pairs])
        values = {
            "right": [golds for _, golds in pairs],
            "predicted": [text for text, _ in pairs],
            "exact_match": [exact_match(*pair) for pair in pairs],
            "f1": scores,
        }
        worst = write_worst(
            folder, self.rows, ("id", "question", "context"), values, chosen=scores < 1, badness=-scores
        )
        link = f"[predictions.json]({folder.name}/predictions.json)"
        return f"Answers by id, as SQuAD's script reads them: {link}\n\n{worst}"


def _at_best_threshold(
    texts: Mapping[str, str], golds: Mapping[str, Sequence[str]], answers: Mapping[str, Span]
) -> dict[str, float]:
    best = best_threshold(texts, golds, {name: no_answer_score(answer) for name, answer in answers.items()})
    return {f"best_{name}": value for name, value in best._asdict().items()}


def _logits(objective: Any, module: Any, batch: Any) -> Any:
    return objective.logits(module, batch)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""SQuAD's exact match and F1 of predicted answers, of both versions (arXiv:1606.05250, arXiv:1806.03822)."""

import dataclasses
from typing import Any, ClassVar

from zoo.data.answers import no_answer_score, read_answers, texts_above
from zoo.data.questions import QuestionExamples
from zoo.data.schema import Schema
from zoo.errors import ConfigError
from zoo.evals.evaluator import Evaluated, Evaluator, results
from zoo.evals.squad_metric import best_threshold, squad_scores
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
    max_answer_tokens: int = 30
    no_answer_threshold: float = 0.0

    def check(self, objective: Objective, schema: Schema) -> None:
        super().check(objective, schema)
        if self.num_batches:
            raise ConfigError("The evaluator question_answering needs whole contexts; leave num_batches at 0.")

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return ("exact_match", "f1")

    def run(self, model: Evaluated) -> dict[str, float]:
        examples = model.examples(self.split)
        if not isinstance(examples, QuestionExamples):
            raise ConfigError(f"The split {self.split!r} holds no questions; set data.type to 'questions'.")
        logits = results(model, _logits, model.batches(self.split))
        found = read_answers(examples.windows, examples.rows["context"], logits, max_tokens=self.max_answer_tokens)
        answers, golds = dict(zip(examples.rows["id"], found, strict=True)), examples.golds
        texts = {name: answer.text for name, answer in answers.items()}
        if all(golds.values()):
            return squad_scores(texts, golds)
        best = best_threshold(texts, golds, {name: no_answer_score(answer) for name, answer in answers.items()})
        return squad_scores(texts_above(answers, self.no_answer_threshold), golds) | {
            f"best_{name}": value for name, value in best._asdict().items()
        }


def _logits(objective: Any, module: Any, batch: Any) -> Any:
    return objective.logits(module, batch)

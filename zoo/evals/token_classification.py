# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Entity-level precision, recall and F1 of tagged words, as CoNLL-2003 counts them (arXiv:cs/0306050)."""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from zoo.data.schema import Schema
from zoo.data.words import WordExamples, word_tags
from zoo.errors import ConfigError
from zoo.evals.entities import entity_scores, split_tag
from zoo.evals.evaluator import Evaluated, Evaluator, results
from zoo.objectives import Objective
from zoo.objectives.token_classification import TokenClassification as TokenClassificationObjective


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenClassification(Evaluator):
    """Over the first token of each word. Words that were cut off are predicted to be outside of all entities."""

    evaluates: ClassVar = (TokenClassificationObjective,)

    def check(self, objective: Objective, schema: Schema) -> None:
        super().check(objective, schema)
        for tag in schema["tags"].classes:
            split_tag(tag)  # an unknown prefix is refused before training

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return ("precision", "recall", "f1", "accuracy")

    def run(self, model: Evaluated) -> dict[str, float]:
        examples, objective = model.examples(self.split), model.objective
        if not isinstance(examples, WordExamples) or not isinstance(objective, TokenClassificationObjective):
            raise ConfigError(f"The split {self.split!r} holds no tagged words; set data.type to 'tagging'.")
        tags: list[np.ndarray] = []
        for batch in results(model, _tags, model.batches(self.split)):
            tags += [*batch]
        predicted = [word_tags(row, first, objective.tags) for row, first in zip(tags, examples.first, strict=False)]
        golds = [[objective.tags[tag] for tag in row] for row in examples.tags[: len(predicted)]]
        return entity_scores(golds, predicted)


def _tags(objective: Any, module: Any, batch: Any) -> Any:
    return jnp.argmax(objective.logits(module, batch), axis=-1)

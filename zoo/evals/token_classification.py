# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Entity-level precision, recall and F1 of tagged words, as CoNLL-2003 counts them (arXiv:cs/0306050)."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from zoo.data.rows import Rows
from zoo.data.schema import Schema
from zoo.data.words import WordExamples, word_tags
from zoo.errors import ConfigError
from zoo.evals.entities import DEFINITIONS, TypeScores, entity_scores, split_tag, type_scores
from zoo.evals.evaluator import Evaluated, Evaluator, Findings, results
from zoo.evals.worst import write_worst
from zoo.objectives import Objective
from zoo.objectives.token_classification import TokenClassification as TokenClassificationObjective


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenClassification(Evaluator):
    """Over the first token of each word. Words that were cut off are predicted to be outside of all entities."""

    evaluates: ClassVar = (TokenClassificationObjective,)
    definitions: ClassVar = DEFINITIONS

    def check(self, objective: Objective, schema: Schema) -> None:
        super().check(objective, schema)
        for tag in schema["tags"].classes:
            split_tag(tag)  # an unknown prefix is refused before training

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        types = {split_tag(tag)[1] for tag in objective.data.schema["tags"].classes} - {""}
        return ("precision", "recall", "f1", "accuracy", *(f"f1:{kind}" for kind in sorted(types)))

    def define(self, metric: str) -> str:
        name, colon, _ = metric.partition(":")  # f1:TYPE
        return super().define(name + colon)

    def run(self, model: Evaluated) -> dict[str, float]:
        return self.examine(model).metrics

    def examine(self, model: Evaluated) -> "TagFindings":
        examples, objective = model.examples(self.split), model.objective
        if not isinstance(examples, WordExamples) or not isinstance(objective, TokenClassificationObjective):
            raise ConfigError(f"The split {self.split!r} holds no tagged words; set data.type to 'tagging'.")
        tags: list[np.ndarray] = []
        for batch in results(model, _tags, model.batches(self.split)):
            tags += [*batch]
        predicted = [word_tags(row, first, objective.tags) for row, first in zip(tags, examples.first, strict=False)]
        golds = [[objective.tags[tag] for tag in row] for row in examples.tags[: len(predicted)]]
        scores = dict.fromkeys(self.metric_names(objective), 0.0) | entity_scores(golds, predicted)  # of every type
        return TagFindings(metrics=scores, golds=golds, predicted=predicted, rows=examples.examples.rows)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TagFindings(Findings):
    """The tags of each word of a split, in its order, a list a row; `rows` is where they come from, if that is kept."""

    golds: list[list[str]]
    predicted: list[list[str]]
    rows: Rows | None

    def write(self, folder: Path) -> str:
        pairs = zip(self.golds, self.predicted, strict=True)
        wrong = np.array([sum(gold != tag for gold, tag in zip(*pair, strict=True)) for pair in pairs], np.float64)
        values = {"tags": self.golds, "predicted": self.predicted, "wrong": wrong.astype(int).tolist()}
        worst = write_worst(folder, self.rows, ("words",), values, chosen=wrong > 0, badness=wrong)
        return f"{self._write_types(folder)}\n{worst}"

    def _write_types(self, folder: Path) -> str:
        """The table of the types as a file, and the same as Markdown."""
        lines = [("type", *TypeScores._fields)]
        for kind, scores in type_scores(self.golds, self.predicted).items():
            lines.append((kind, *(f"{value:.4g}" for value in scores)))
        (folder / "types.tsv").write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
        head, *body = (f"| {' | '.join(line)} |\n" for line in lines)
        return "".join([head, "|---" * len(lines[0]), "|\n", *body])


def _tags(objective: Any, module: Any, batch: Any) -> Any:
    return jnp.argmax(objective.logits(module, batch), axis=-1)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Which columns of a table a trained model reads: kept with its weights, so that predicting needs no flags."""

import dataclasses
from pathlib import Path
from typing import Literal

from zoo import checks
from zoo.files import read_json, write_json

FILE = "inputs.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a model was trained on.

    Attributes:
      columns: names of the table's columns by what they hold (`text`). seq_len: the longest sequence in tokens.
      stride, max_question_tokens, unanswerable: as in `QuestionsConfig`, of a model that answers questions.
      no_answer_threshold: by how much "no answer" must score more than the best answer to be given.
      labels: what the data call the options, of a model that chooses one.
    """

    columns: dict[str, str]
    seq_len: int
    stride: int = 0
    max_question_tokens: int = 64
    unanswerable: Literal["refused", "allowed"] = "refused"
    no_answer_threshold: float = 0.0
    labels: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        """Writes the file into a model's folder."""
        write_json(folder / FILE, checks.plain(self))

    @classmethod
    def load(cls, folder: Path) -> "Inputs | None":
        """The columns that a model's folder names; None if it names none.

        Raises:
          FormatError, ConfigError: the file is damaged.
        """
        values = read_json(folder / FILE, default={})
        return checks.build(cls, values, str(folder / FILE)) if values else None

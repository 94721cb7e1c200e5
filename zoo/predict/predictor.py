# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The interface of what is predicted by a head: what it reads of a table's rows, and what it writes next to them."""

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from zoo.data.inputs import Inputs
from zoo.data.rows import Rows
from zoo.data.schema import Examples
from zoo.nn.config import TransformerConfig
from zoo.text.tokenizer import Tokenizer

MULTIPLE = 32  # batches are padded to a multiple of so many tokens, so that few lengths are compiled
_DIGITS = 6  # of a number in the output


@dataclasses.dataclass(frozen=True)
class Predictor(abc.ABC):
    """What a model's head predicts.

    Attributes:
      config: the model's. inputs: the columns that it reads, by what they hold, and the longest sequence.
    """

    head: ClassVar[str]
    roles: ClassVar[tuple[str, ...]]  # what a column may hold
    required: ClassVar[tuple[str, ...]]  # what some column must hold; by default the one of this name

    config: TransformerConfig
    tokenizer: Tokenizer
    inputs: Inputs

    @property
    @abc.abstractmethod
    def columns(self) -> dict[str, type]:
        """Names and types of the columns that it writes."""

    @property
    def texts(self) -> Sequence[str]:
        """Which of its columns must be text."""
        return [*self.inputs.columns]

    @abc.abstractmethod
    def encode(self, rows: Rows) -> tuple[Examples, np.ndarray]:
        """The examples of some rows, and the length of each in tokens."""

    @abc.abstractmethod
    def values(self, rows: Rows, examples: Any, logits: list[np.ndarray]) -> dict[str, list[Any]]:
        """What it writes for each row, from the logits of each example."""


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The softmax of logits `[..., C]`."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def rounded(values: np.ndarray) -> list[float]:
    """Numbers as they are written."""
    return [round(float(value), _DIGITS) for value in values]


def label_names(config: TransformerConfig) -> tuple[str, ...]:
    """The names of a classifier's classes; LABEL_0 and so on where its config has none, as in Transformers."""
    return config.label_names or tuple(f"LABEL_{index}" for index in range(config.num_labels))

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What every objective offers: a corruption in numpy, a loss in JAX, and metrics that add up over batches."""

import abc
import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float

Example = dict[str, np.ndarray]
Batch = Mapping[str, Any]
Sums = dict[str, Float[Array, ""]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """An objective. A frozen dataclass of a few numbers; it holds no parameters and knows no family.

    Attributes:
      head: name of the head that the objective needs (see `zoo.create`).
    """

    head: ClassVar[str]

    @classmethod
    @abc.abstractmethod
    def create(cls, tokenizer, seq_len: int, **options) -> "Task":
        """The objective for one vocabulary and one row length (tokens)."""

    @abc.abstractmethod
    def transform(self, example: Example, rng: np.random.Generator) -> Example:
        """One row of data made into one training example. Numpy only: it runs in the data workers."""

    @abc.abstractmethod
    def loss(self, model, batch: Batch, *, dropout_key=None) -> tuple[Float[Array, ""], Sums]:
        """The mean loss of a batch, and the sums behind its metrics.

        The sums add up over batches. `sums["loss"] / sums["weight"]` is the mean that training makes smaller,
        so micro-batches that hold different numbers of predictions still weigh every prediction alike.
        """

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """What the sums of one or more batches mean: loss (nats per prediction), perplexity, accuracy."""
        weight = float(sums["weight"]) or 1.0
        loss = float(sums["loss"]) / weight
        return {"loss": loss, "perplexity": _exp(loss), "accuracy": float(sums["correct"]) / weight}


def _exp(loss: float) -> float:
    return math.exp(loss) if loss < 709.0 else math.inf  # math.exp raises above the largest float64

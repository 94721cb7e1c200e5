# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on a label of a text or of a pair: a class (BERT, section 4.1), or a number, as in STS-B."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.data.schema import DataInfo, Feature
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.objectives.head_logits import head_logits, is_example
from zoo.objectives.loss import weighted_sum
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceClassification(Objective):
    """Cross-entropy over the classes of the label, or the squared error of a label that is a number.

    Attributes:
      label_smoothing: fraction of a class's probability that is spread over all classes (arXiv:1512.00567, section 7).
      class_weights: of the loss of each class, in the order of the data's classes; () is 1 for all. The mean over
        examples is weighted by those of their labels, as by PyTorch's `CrossEntropyLoss(weight=...)`; accuracy is not.
    """

    head: ClassVar[str] = "sequence_classification"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "label"})
    reads_packed: ClassVar[bool] = True
    sums: ClassVar[tuple[str, ...]] = ("loss", "weight", "correct", "examples")
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()

    def __post_init__(self):
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ConfigError(
                f"objective.label_smoothing must be at least 0 and below 1; found {self.label_smoothing}."
            )
        if not all(0.0 < weight < math.inf for weight in self.class_weights):
            raise ConfigError(f"objective.class_weights must be above 0 and finite; found {self.class_weights}.")

    def bind(self, info: DataInfo) -> "SequenceClassification":
        bound = super().bind(info)
        kind = bound.label.kind
        if kind not in ("class", "float"):
            raise ConfigError(f"SequenceClassification reads a label that is a class or a float; the data have {kind}.")
        bound._check_class_weights()
        return bound

    def _check_class_weights(self) -> None:
        """ConfigError unless there is one for each class."""
        weights, classes = self.class_weights, self.label.classes
        if weights and self.is_regression:
            raise ConfigError(f"objective.class_weights is {weights}, and the label is a number; leave it empty.")
        if weights and len(weights) != len(classes):
            raise ConfigError(
                f"objective.class_weights has {len(weights)} weights, {weights}, and the data have {len(classes)} "
                f"classes, {', '.join(map(repr, classes))}; give one weight for each class, in this order."
            )

    @property
    def label(self) -> Feature:
        """The label's entry of the schema."""
        return self.data.schema["label"]

    @property
    def is_regression(self) -> bool:
        """Whether the label is a number."""
        return self.label.kind == "float"

    @property
    def metric_names(self) -> tuple[str, ...]:
        return ("loss",) if self.is_regression else ("loss", "accuracy")

    def configure(self, config: TransformerConfig) -> TransformerConfig:
        names = self.label.classes
        labels = (1, ()) if self.is_regression else (len(names), names)
        return super().configure(config.replace(num_labels=labels[0], label_names=labels[1]))

    def logits(self, module: Any, batch: Batch, *, dropout_key=None) -> Float[Array, "*B C"]:
        """The model's answer, in float32; of packed rows [R, K, C]."""
        return head_logits(module, batch, dropout_key=dropout_key)

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        logits, label = self.logits(module, batch, dropout_key=dropout_key), batch["label"].reshape(-1)
        logits = logits.reshape(-1, logits.shape[-1])
        real = is_example(batch).astype(jnp.float32).reshape(-1)
        weights = ones = jnp.ones_like(real)
        if self.is_regression:
            losses, correct = jnp.square(logits[:, 0] - label), jnp.zeros_like(real)
        else:
            losses, weights = self._cross_entropy(logits, jax.nn.one_hot(label, logits.shape[-1]))
            correct = (jnp.argmax(logits, axis=-1) == label).astype(jnp.float32)
        sums = {"loss": losses, "weight": weights, "correct": correct, "examples": ones}
        return {name: weighted_sum(values, real) for name, values in sums.items()}

    def _cross_entropy(
        self, logits: Float[Array, "B C"], label: Float[Array, "B C"]
    ) -> tuple[Float[Array, "B"], Float[Array, "B"]]:
        """Losses, and the weights of the labels; each class's part of a smoothed loss has that class's weight."""
        classes = logits.shape[-1]
        target = label * (1 - self.label_smoothing) + self.label_smoothing / classes
        by_class = jnp.asarray(self.class_weights or (1.0,) * classes, jnp.float32)[None]
        return -jnp.sum(target * by_class * jax.nn.log_softmax(logits), axis=-1), jnp.sum(label * by_class, axis=-1)

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        found = super().metrics(sums)
        found["accuracy"] = float(sums["correct"]) / (float(sums["examples"]) or 1.0)  # whatever the classes weigh
        return {name: found[name] for name in self.metric_names}

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on a label of a text or of a pair: a class (BERT, section 4.1), or a number, as in STS-B."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.data.schema import DataInfo, Feature
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.objectives.loss import weighted_sum
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceClassification(Objective):
    """Cross-entropy over the classes of the label, or the squared error of a label that is a number.

    Attributes:
      label_smoothing: fraction of a class's probability that is spread over all classes (arXiv:1512.00567, section 7).
    """

    head: ClassVar[str] = "sequence_classification"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "label"})
    label_smoothing: float = 0.0

    def __post_init__(self):
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ConfigError(
                f"objective.label_smoothing must be at least 0 and below 1; found {self.label_smoothing}."
            )

    def bind(self, info: DataInfo) -> "SequenceClassification":
        bound = super().bind(info)
        kind = bound.label.kind
        if kind not in ("class", "float"):
            raise ConfigError(f"SequenceClassification reads a label that is a class or a float; the data have {kind}.")
        return bound

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

    def logits(self, module: Any, batch: Batch, *, dropout_key=None) -> Float[Array, "B C"]:
        """The model's answer, in float32."""
        types = batch.get("token_types") if module.config.num_token_types else None
        out = module(batch["tokens"], token_types=types, segments=batch["segments"], dropout_key=dropout_key)
        return out.logits.astype(jnp.float32)

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        logits = self.logits(module, batch, dropout_key=dropout_key)
        weights = jnp.any(batch["segments"] > 0, axis=1).astype(jnp.float32)  # rows that only fill up a batch weigh 0
        if self.is_regression:
            losses, correct = jnp.square(logits[:, 0] - batch["label"]), jnp.zeros_like(weights)
        else:
            target = jax.nn.one_hot(batch["label"], logits.shape[-1])
            target = target * (1 - self.label_smoothing) + self.label_smoothing / logits.shape[-1]
            losses = -jnp.sum(target * jax.nn.log_softmax(logits), axis=-1)
            correct = (jnp.argmax(logits, axis=-1) == batch["label"]).astype(jnp.float32)
        sums = {"loss": losses, "correct": correct, "weight": jnp.ones_like(weights)}
        return {name: weighted_sum(values, weights) for name, values in sums.items()}

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        found = super().metrics(sums)
        return {name: found[name] for name in self.metric_names}

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on a tag for each word, such as the entity that it is part of (BERT, section 5.3)."""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.nn.config import TransformerConfig
from zoo.objectives.head_logits import head_logits
from zoo.objectives.loss import cross_entropy, weighted_sums
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenClassification(Objective):
    """Cross-entropy over the tags, at the tokens that have one."""

    head: ClassVar[str] = "token_classification"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "tags"})
    reads_packed: ClassVar[bool] = True

    @property
    def tags(self) -> tuple[str, ...]:
        """The names of the tags."""
        return self.data.schema["tags"].classes

    def configure(self, config: TransformerConfig) -> TransformerConfig:
        return super().configure(config.replace(num_labels=len(self.tags), label_names=self.tags))

    def logits(self, module: Any, batch: Batch, *, dropout_key=None) -> Float[Array, "B T C"]:
        """The model's answer, in float32."""
        return head_logits(module, batch, dropout_key=dropout_key)

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        logits = self.logits(module, batch, dropout_key=dropout_key)
        weights = ((batch["tags"] >= 0) & (batch["segments"] > 0)).astype(jnp.float32)
        tags = jnp.maximum(batch["tags"], 0)
        return weighted_sums(cross_entropy(logits, tags), jnp.argmax(logits, axis=-1) == tags, weights)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on which of several continuations or answers is right (GPT, section 3.2; BERT, section 4.4)."""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.objectives.head_logits import head_logits, is_example
from zoo.objectives.loss import cross_entropy, weighted_sums
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultipleChoice(Objective):
    """Cross-entropy over the choices, each of which is scored as a sequence of its own."""

    head: ClassVar[str] = "multiple_choice"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "label"})
    reads_packed: ClassVar[bool] = True

    def logits(self, module: Any, batch: Batch, *, dropout_key=None) -> Float[Array, "*B C"]:
        """The score of each choice, in float32; of packed rows [R, K, C]."""
        return head_logits(module, batch, dropout_key=dropout_key)

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        logits = self.logits(module, batch, dropout_key=dropout_key)
        weights = is_example(batch).astype(jnp.float32)
        return weighted_sums(
            cross_entropy(logits, batch["label"]), jnp.argmax(logits, axis=-1) == batch["label"], weights
        )

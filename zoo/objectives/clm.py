# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Causal language modelling: every token predicts the next one of its own document."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zoo.objectives.loss import weighted_mean
from zoo.objectives.objective import Batch, Example, Sums, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class CausalLM(Task):
    """Next-token prediction (GPT-2, section 2). No prediction crosses a segment's end or reaches into padding.

    Attributes:
      bytes_per_token: mean UTF-8 length of the data's tokens. When given, `bits_per_byte` joins the metrics, which
        compares models of different vocabularies.
    """

    head: ClassVar[str] = "causal_lm"
    bytes_per_token: float | None = None

    @classmethod
    def create(cls, tokenizer, seq_len: int, **options) -> "CausalLM":
        del tokenizer, seq_len
        return cls(**options)

    def transform(self, example: Example, rng: np.random.Generator) -> Example:
        del rng
        return example

    def loss(self, model, batch: Batch, *, dropout_key=None) -> tuple[Float[Array, ""], Sums]:
        tokens, segments = batch["tokens"], batch["segments"]
        # Rolled rather than cut to T - 1: the length stays the one that kernels and meshes like.
        targets, target_segments = jnp.roll(tokens, -1, axis=1), jnp.roll(segments, -1, axis=1)
        follows = (segments > 0) & (segments == target_segments)
        weights = follows.at[:, -1].set(False).astype(jnp.float32)
        out = model(tokens, segments=segments, positions=batch["positions"], dropout_key=dropout_key, targets=targets)
        return weighted_mean(out.losses, out.predicted == targets, weights)

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        metrics = super().metrics(sums)
        if self.bytes_per_token:
            metrics["bits_per_byte"] = metrics["loss"] / math.log(2) / self.bytes_per_token
        return metrics

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Causal language modelling: every token predicts the next one of its own document."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Int

from zoo.objectives.loss import perplexity, weighted_sums
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class CausalLM(Objective):
    """Next-token prediction (GPT-2, section 2). No prediction crosses a segment's end or reaches into padding.

    Where the mean length of the data's tokens is known, `bits_per_byte` joins the metrics, which compares models of
    different vocabularies.
    """

    head: ClassVar[str] = "causal_lm"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "positions"})

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        return next_token_sums(module, batch, dropout_key=dropout_key)

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        metrics = super().metrics(sums)
        metrics["perplexity"] = perplexity(metrics["loss"])
        if self.info is not None and self.info.bytes_per_token:
            metrics["bits_per_byte"] = metrics["loss"] / math.log(2) / self.info.bytes_per_token
        return metrics


def next_token_sums(
    module: Any, batch: Batch, *, prefix: Int[Array, "B T"] | None = None, dropout_key: Array | None = None
) -> Sums:
    """The sums of the predictions of the next token of each segment; those of a `prefix` are read, not predicted."""
    tokens, segments, positions = batch["tokens"], batch["segments"], batch["positions"]
    # Rolled rather than cut to T - 1: the length stays the one that kernels and meshes like.
    targets, target_segments = jnp.roll(tokens, -1, axis=1), jnp.roll(segments, -1, axis=1)
    predicted = (segments > 0) & (segments == target_segments)
    options = {}
    if prefix is not None:
        predicted &= jnp.roll(prefix, -1, axis=1) == 0
        options["prefix"] = prefix
    weights = predicted.at[:, -1].set(False).astype(jnp.float32)
    out = module(tokens, segments=segments, positions=positions, dropout_key=dropout_key, targets=targets, **options)
    return weighted_sums(out.losses, out.predicted == targets, weights)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Causal language modelling: every token predicts the next one of its own document."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Int

from zoo.objectives.loss import TOKEN_SUMS, loss_options, mean_nll, perplexity, token_sums
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class CausalLM(Objective):
    """Next-token prediction (GPT-2, section 2). No prediction crosses a segment's end or reaches into padding.

    Where the mean length of the data's tokens is known, `bits_per_byte` joins the metrics, which compares models of
    different vocabularies.

    Attributes:
      z_loss: factor on the squared log of the softmax's normalizer, which keeps it near 0 (PaLM, arXiv:2204.02311,
        section 5, has 1e-4); 0 is none. It is part of `loss`, also of an evaluation, and of no other metric.
    """

    head: ClassVar[str] = "causal_lm"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "positions"})
    sums: ClassVar[tuple[str, ...]] = TOKEN_SUMS
    z_loss: float = 0.0

    def __post_init__(self):
        loss_options(self.z_loss)

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        return self._next_tokens(module, batch, dropout_key=dropout_key)

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        metrics = super().metrics(sums)
        nll = mean_nll(sums)
        metrics["perplexity"] = perplexity(nll)
        if self.info is not None and self.info.bytes_per_token:
            metrics["bits_per_byte"] = nll / math.log(2) / self.info.bytes_per_token
        return metrics

    def _next_tokens(
        self, module: Any, batch: Batch, *, prefix: Int[Array, "B T"] | None = None, dropout_key: Array | None = None
    ) -> Sums:
        """Sums over the predictions of the next token of each segment; those of a `prefix` are read, not predicted."""
        tokens, segments, positions = batch["tokens"], batch["segments"], batch["positions"]
        # Rolled rather than cut to T - 1: the length stays the one that kernels and meshes like.
        targets, target_segments = jnp.roll(tokens, -1, axis=1), jnp.roll(segments, -1, axis=1)
        predicted = (segments > 0) & (segments == target_segments)
        options: dict[str, Any] = {}
        if prefix is not None:
            predicted &= jnp.roll(prefix, -1, axis=1) == 0
            options["prefix"] = prefix
        weights = predicted.at[:, -1].set(False).astype(jnp.float32)
        options |= dict(targets=targets, loss_options=loss_options(self.z_loss), dropout_key=dropout_key)
        out = module(tokens, segments=segments, positions=positions, **options)
        return token_sums(out, targets, weights)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Replaced-token detection (ELECTRA, arXiv:2003.10555, section 2): a discriminator says of every token whether it is
the original, or what a generator filled in.

As the authors' code does it: the loss is over all tokens that are not padding, special ones included; a sample that
equals the original is an original.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from zoo.objectives.generator import GeneratorObjective
from zoo.objectives.loss import weighted_sum, weighted_sums
from zoo.objectives.objective import Batch, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplacedTokenDetection(GeneratorObjective):
    """Whether each token is the original: ELECTRA.

    Attributes:
      over: the tokens that the discriminator's loss is over: `all`, or those that were hidden, the paper's ablation
        ELECTRA 15 %.
    """

    head: ClassVar[str] = "replaced_token_detection"
    sums: ClassVar[tuple[str, ...]] = (*GeneratorObjective.sums, "replaced", "flagged", "found")
    main_weight: float = 50.0
    over: Literal["all", "hidden"] = "all"

    def main_weights(self, batch: Batch) -> Float[Array, "..."]:
        return super().main_weights(batch) if self.over == "all" else batch["mask_weights"]

    def loss(self, module: Any, batch: Batch, *, dropout_key=None, scales: Mapping[str, Array] | None = None) -> Sums:
        keys = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        filled = self.fill(module, batch, keys[0])
        out = module.main(filled.tokens, segments=batch["segments"], positions=batch["positions"], dropout_key=keys[1])
        logits, truth = out.logits.astype(jnp.float32), filled.replaced
        counted = (batch["segments"] > 0) if self.over == "all" else filled.hidden
        weights = counted.astype(jnp.float32)
        losses = optax.sigmoid_binary_cross_entropy(logits, truth.astype(jnp.float32))
        flagged = logits > 0
        counts = {
            name: weighted_sum(which.astype(jnp.float32), weights)
            for name, which in (("replaced", truth), ("flagged", flagged), ("found", flagged & truth))
        }
        main = weighted_sums(losses, flagged == truth, weights)
        return self.joined(filled.sums, main, batch, scales) | counts

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        replaced, flagged, found = (float(sums[name]) for name in ("replaced", "flagged", "found"))
        return super().metrics(sums) | {
            "precision": found / flagged if flagged else 0.0,
            "recall": found / replaced if replaced else 0.0,
            "replaced": replaced / (float(sums["weight"]) or 1.0),
        }

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling in which a generator's samples stand in place of mask tokens: two ablations of ELECTRA
(arXiv:2003.10555, section 3.4).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from zoo.nn.config import TransformerConfig
from zoo.nn.linear import Linear
from zoo.objectives.generator import GeneratorObjective
from zoo.objectives.loss import weighted_sums
from zoo.objectives.objective import Batch, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplaceMLM(GeneratorObjective):
    """The model that is kept never sees a mask token, and predicts the hidden tokens alone."""

    head: ClassVar[str] = "masked_lm"

    def main_weights(self, batch: Batch) -> Float[Array, "..."]:
        return batch["mask_weights"]

    def loss(self, module: Any, batch: Batch, *, dropout_key=None, scales: Mapping[str, Array] | None = None) -> Sums:
        keys = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        filled = self.fill(module, batch, keys[0])
        targets, weights = batch["mask_targets"], batch["mask_weights"]
        out = module.main(
            filled.tokens,
            segments=batch["segments"],
            positions=batch["positions"],
            dropout_key=keys[1],
            logits_at=batch["mask_positions"],
            targets=targets,
        )
        main = weighted_sums(out.losses, out.predicted == targets, weights)
        return self.joined(filled.sums, main, batch, scales)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllTokensMLM(GeneratorObjective):
    """The model that is kept predicts every token, and may copy it: the ablation All-Tokens MLM.

    With a probability D of its own for each token it copies what it reads, else it draws from its softmax. A prediction
    is correct if it copies with D above 1/2 or takes the likeliest word otherwise, and that is the original. The layer
    that gives D is trained and in the run's checkpoints, but not in the exported model, whose head has no place for it.
    """

    head: ClassVar[str] = "masked_lm"

    def extra(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> Mapping[str, nnx.Module]:
        """`copy`: the logit of D, from a token's last hidden vector."""
        return {"copy": Linear({"embed": config.width}, {"classes": 1}, config, dtype="float32", rngs=rngs)}

    def loss(self, module: Any, batch: Batch, *, dropout_key=None, scales: Mapping[str, Array] | None = None) -> Sums:
        keys = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        filled = self.fill(module, batch, keys[0])
        out = module.main(
            filled.tokens,
            segments=batch["segments"],
            positions=batch["positions"],
            dropout_key=keys[1],
            targets=filled.original,
        )
        copies = module.extra["copy"](out.hidden)[..., 0]
        losses = mixed_losses(out.losses.astype(jnp.float32), copies, ~filled.replaced)
        correct = jnp.where(copies > 0, ~filled.replaced, out.predicted == filled.original)
        return self.joined(filled.sums, weighted_sums(losses, correct, self.main_weights(batch)), batch, scales)


def mixed_losses(
    losses: Float[Array, "B T"], copies: Float[Array, "B T"], is_original: Bool[Array, "B T"]
) -> Float[Array, "B T"]:
    """`-log(D [original] + (1 - D) p)` for words with `-log p` and logits of D, without a loss of precision."""
    drawn = jax.nn.log_sigmoid(-copies) - losses
    return -jnp.where(is_original, jnp.logaddexp(jax.nn.log_sigmoid(copies), drawn), drawn)

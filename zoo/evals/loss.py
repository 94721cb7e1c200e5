# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The objective's own metrics over a split: loss, and what goes with it."""

import dataclasses
from typing import Any, ClassVar

from zoo.evals.evaluator import Evaluated, Evaluator, total
from zoo.objectives import Objective

DEFINITIONS = {
    "loss": "Mean of what training minimizes, without dropout: of cross-entropies in nats, or of squared errors.",
    "main_loss": "Mean of the loss of the model that is kept: of the discriminator's binary cross-entropy, in nats.",
    "mlm_loss": "Mean cross-entropy of a hidden token, in nats.",
    "pair_loss": "Mean cross-entropy of the label of a pair of texts, in nats.",
    "pair_accuracy": "Share of the pairs of texts whose label is right.",
    "generator_loss": "Mean cross-entropy of a hidden token by the generator, in nats.",
    "generator_accuracy": "Share of the hidden tokens that the generator takes for the likeliest.",
    "generator_perplexity": "Exponential of the generator's mean cross-entropy.",
    "precision": "Of the tokens that the discriminator takes for replaced, the share that are.",
    "recall": "Of the replaced tokens, the share that the discriminator finds.",
    "replaced": "Share of the tokens that the generator replaced.",
    "accuracy": "Share of the predictions (tokens, labels or spans) that are right.",
    "perplexity": "Exponential of the mean cross-entropy of a token.",
    "bits_per_byte": "Cross-entropy of a token in bits, divided by the mean length of the text's tokens in bytes.",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss(Evaluator):
    """Sums over batches, so that the batch size does not matter."""

    definitions: ClassVar = DEFINITIONS

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        return objective.metric_names

    def run(self, model: Evaluated) -> dict[str, float]:
        sums = model.losses(self.split, self.num_batches)
        return model.objective.metrics(total(sums, model.objective.sums))


def loss_sums(objective: Objective, module: Any, batch: Any) -> Any:
    """The sums of one batch."""
    return objective.loss(module, batch)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Translation, and whatever else makes one text of another (arXiv:1706.03762, sections 3.1 and 5.4)."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from zoo.data.schema import DataInfo
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.nn.encoder_decoder import check_start, shift_right
from zoo.objectives.loss import cross_entropy, perplexity, weighted_sum, weighted_sums
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seq2Seq(Objective):
    """An encoder reads the source; a decoder, given the target's tokens before each, predicts them up to the end token.

    The loss is a mean over target tokens. `perplexity` is that of the targets, without smoothing.

    Attributes:
      label_smoothing: fraction of a token's probability that is spread over the vocabulary, the token included, as by
        PyTorch's `CrossEntropyLoss(label_smoothing=...)`. 0 does without the logits of a whole batch in memory.
    """

    head: ClassVar[str] = "seq2seq_lm"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "targets", "target_segments"})
    sums: ClassVar[tuple[str, ...]] = ("loss", "weight", "correct", "nll")
    label_smoothing: float = 0.1

    def __post_init__(self):
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ConfigError(
                f"objective.label_smoothing must be at least 0 and below 1, such as 0.1; found {self.label_smoothing}."
            )

    def bind(self, info: DataInfo) -> "Seq2Seq":
        if info.vocabulary.eos_id is None:
            raise ConfigError(
                "A target ends with an end token, which the tokenizer lacks; use one that has it, or train one with "
                "data.tokenizer.special=t5."
            )
        return super().bind(info)

    def configure(self, config: TransformerConfig) -> TransformerConfig:
        config = super().configure(config)
        check_start(config)
        return config

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        targets = batch["targets"]
        weights = (batch["target_segments"] > 0).astype(jnp.float32)
        inputs = dict(segments=batch["segments"], decoder_tokens=shift_right(module.config, targets))
        if not self.label_smoothing:
            out = module(batch["tokens"], **inputs, targets=targets, dropout_key=dropout_key)
            sums = weighted_sums(out.losses, out.predicted == targets, weights)
            return sums | {"nll": sums["loss"]}
        logits = module(batch["tokens"], **inputs, dropout_key=dropout_key).logits.astype(jnp.float32)
        losses = cross_entropy(logits, targets)
        uniform = jax.nn.logsumexp(logits, axis=-1) - jnp.mean(logits, axis=-1)  # against every token alike
        smoothed = (1 - self.label_smoothing) * losses + self.label_smoothing * uniform
        sums = weighted_sums(smoothed, jnp.argmax(logits, axis=-1) == targets, weights)
        return sums | {"nll": weighted_sum(losses, weights)}

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        weight = float(sums["weight"]) or 1.0
        return super().metrics(sums) | {"perplexity": perplexity(float(sums["nll"]) / weight)}

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Translation, and whatever else makes one text of another (arXiv:1706.03762, sections 3.1 and 5.4)."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp

from zoo.data.schema import DataInfo
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.nn.encoder_decoder import check_start, shift_right
from zoo.objectives.loss import TOKEN_SUMS, loss_options, mean_nll, perplexity, token_sums
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seq2Seq(Objective):
    """An encoder reads the source; a decoder, given the target's tokens before each, predicts them up to the end token.

    The loss is a mean over target tokens. `perplexity` is that of the targets, without smoothing and z-loss.

    Attributes:
      label_smoothing: fraction of a token's probability that is spread over the vocabulary, the token included, as by
        PyTorch's `CrossEntropyLoss(label_smoothing=...)`.
      z_loss: as of `CausalLM`.
    """

    head: ClassVar[str] = "seq2seq_lm"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "targets", "target_segments"})
    sums: ClassVar[tuple[str, ...]] = TOKEN_SUMS
    label_smoothing: float = 0.1
    z_loss: float = 0.0

    def __post_init__(self):
        loss_options(self.z_loss, self.label_smoothing)

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
        out = module(
            batch["tokens"],
            segments=batch["segments"],
            decoder_tokens=shift_right(module.config, targets),
            targets=targets,
            loss_options=loss_options(self.z_loss, self.label_smoothing),
            dropout_key=dropout_key,
        )
        return token_sums(out, targets, weights)

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        return super().metrics(sums) | {"perplexity": perplexity(mean_nll(sums))}

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling (BERT, arXiv:1810.04805, section 3.1 and appendix A.1), with new masks at every epoch.

Differs from the original code in three points: a sequence is masked each time it is read and not ten times ahead of
the run (RoBERTa, arXiv:1907.11692, section 4.1); the fraction to mask is of the tokens that may be masked and not of
all; and a random replacement is drawn from the ordinary vocabulary, where the original draws special tokens too.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from zoo.data.random import Key
from zoo.data.schema import DataInfo, Vocabulary
from zoo.errors import ConfigError
from zoo.objectives.loss import perplexity, weighted_sums
from zoo.objectives.masking import mask_tokens
from zoo.objectives.objective import Batch, Objective, Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedLM(Objective):
    """Predicts hidden tokens from both sides; the output projection runs at the hidden positions only.

    Attributes:
      mask_rate: fraction of the ordinary tokens of a sequence to predict. Of these, 80 % become the mask token, 10 % a
        random ordinary token, 10 % stay.
      max_predictions: M, the most tokens masked in one sequence; 0 is the fraction of a full one.
    """

    head: ClassVar[str] = "masked_lm"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "positions"})
    mask_rate: float = 0.15
    max_predictions: int = 0

    def __post_init__(self):
        if not 0.0 < self.mask_rate < 1.0:
            raise ConfigError(f"objective.mask_rate must be above 0 and below 1; found {self.mask_rate!r}.")
        if self.max_predictions < 0:
            raise ConfigError(f"objective.max_predictions must be 0 (automatic) or more; found {self.max_predictions}.")

    def bind(self, info: DataInfo) -> "MaskedLM":
        _mask_id(info.vocabulary)
        return super().bind(info)

    @property
    def predictions(self) -> int:
        return self.max_predictions or max(1, round(self.mask_rate * self.data.seq_len))

    @functools.cached_property
    def ordinary_ids(self) -> np.ndarray:
        """The vocabulary without its special tokens: what is hidden, and drawn as a replacement."""
        vocabulary = self.data.vocabulary
        return np.setdiff1d(np.arange(vocabulary.vocab_size, dtype=np.int32), sorted(vocabulary.special_ids))

    def arrange(self, batch: dict[str, np.ndarray], key: Key) -> dict[str, np.ndarray]:
        """Hides tokens, and adds `mask_positions`, `mask_targets` and `mask_weights`, [B, M] each."""
        return mask_tokens(
            batch,
            key,
            mask_id=_mask_id(self.data.vocabulary),
            ordinary_ids=self.ordinary_ids,
            rate=self.mask_rate,
            max_predictions=self.predictions,
        )

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        out = module(
            batch["tokens"],
            segments=batch["segments"],
            positions=batch["positions"],
            dropout_key=dropout_key,
            logits_at=batch["mask_positions"],
            targets=batch["mask_targets"],
        )
        return weighted_sums(out.losses, out.predicted == batch["mask_targets"], batch["mask_weights"])

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        metrics = super().metrics(sums)
        return metrics | {"perplexity": perplexity(metrics["loss"])}


def _mask_id(vocabulary: Vocabulary) -> int:
    """The mask token; ConfigError if there is none."""
    if vocabulary.mask_id is None:
        raise ConfigError(
            "Masked language modelling needs a tokenizer with a mask token, and this one has none; use a WordPiece "
            "tokenizer (data.tokenizer.kind=wordpiece), or RoBERTa's tokens (data.tokenizer.special=roberta)."
        )
    return vocabulary.mask_id

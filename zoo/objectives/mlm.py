# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling (BERT, arXiv 1810.04805, section 3.1 and appendix A.1), masked anew at every visit.

Differs from the original code in three points: a row is masked each time it is read and not ten times ahead of the run
(RoBERTa, arXiv 1907.11692, section 4.1); the share to hide is taken of the tokens that may be hidden and not of all;
and a random replacement is drawn from the ordinary vocabulary, where the original draws special tokens too.
"""

import dataclasses
import functools
from typing import ClassVar

import numpy as np
from jaxtyping import Array, Float

from zoo.errors import ConfigError
from zoo.objectives.loss import weighted_mean
from zoo.objectives.objective import Batch, Example, Sums, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedLM(Task):
    """Predicts hidden tokens from both sides; the vocabulary product runs at the hidden positions only.

    Attributes:
      vocab_size: V, of the tokenizer.
      mask_id: the token that hides another.
      special_ids: tokens that are never hidden and never drawn as a replacement; holds mask_id.
      max_predictions: M, the most tokens hidden in one row; the fixed width of `mask_positions`.
      mask_rate: share of the ordinary tokens of a row to predict. Of these, 80 % become the mask token, 10 % a random
        ordinary token, 10 % stay.
    """

    head: ClassVar[str] = "masked_lm"
    vocab_size: int
    mask_id: int
    special_ids: tuple[int, ...]
    max_predictions: int
    mask_rate: float = 0.15

    def __post_init__(self):
        if not 0.0 < self.mask_rate < 1.0:
            raise ConfigError(f"mask_rate must lie between 0 and 1, both excluded; found {self.mask_rate!r}.")
        if self.max_predictions < 1:
            raise ConfigError(f"max_predictions must be 1 or more; found {self.max_predictions!r}.")
        if self.mask_id not in self.special_ids:
            raise ConfigError(f"special_ids must hold the mask token's id {self.mask_id}; found {self.special_ids}.")

    @classmethod
    def create(cls, tokenizer, seq_len: int, **options) -> "MaskedLM":
        """Without `max_predictions`, a full row has room for its whole share, and no more."""
        if tokenizer.mask_id is None:
            raise ConfigError("The mlm task needs a tokenizer with a mask token; use data.tokenizer.kind='wordpiece'.")
        rate = options.setdefault("mask_rate", cls.mask_rate)
        options.setdefault("max_predictions", max(1, round(rate * seq_len)))
        special = tuple(sorted(tokenizer.special_ids))
        return cls(vocab_size=tokenizer.vocab_size, mask_id=tokenizer.mask_id, special_ids=special, **options)

    @functools.cached_property
    def ordinary_ids(self) -> np.ndarray:
        """The vocabulary without its special tokens."""
        return np.setdiff1d(np.arange(self.vocab_size, dtype=np.int32), self.special_ids)

    def transform(self, example: Example, rng: np.random.Generator) -> Example:
        """Adds `mask_positions`, `mask_targets` (int32 [M]) and `mask_weights` (float32 [M]); hides the tokens there.

        Rows with less to hide are padded with position 0 at weight 0. At least one token is hidden where one may be.
        """
        tokens = example["tokens"]
        candidates = np.flatnonzero((example["segments"] > 0) & ~np.isin(tokens, self.special_ids))
        count = min(max(1, round(self.mask_rate * len(candidates))), len(candidates), self.max_predictions)
        chosen = np.sort(rng.choice(candidates, count, replace=False))
        hidden = tokens.copy()
        hidden[chosen] = self._replace(tokens[chosen], rng)
        return {
            **example,
            "tokens": hidden,
            "mask_positions": self._pad(chosen, np.int32),
            "mask_targets": self._pad(tokens[chosen], np.int32),
            "mask_weights": self._pad(np.ones(count), np.float32),
        }

    def loss(self, model, batch: Batch, *, dropout_key=None) -> tuple[Float[Array, ""], Sums]:
        out = model(
            batch["tokens"],
            segments=batch["segments"],
            positions=batch["positions"],
            dropout_key=dropout_key,
            logits_at=batch["mask_positions"],
            targets=batch["mask_targets"],
        )
        return weighted_mean(out.losses, out.predicted == batch["mask_targets"], batch["mask_weights"])

    def _replace(self, tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        draw, random = rng.random(len(tokens)), rng.choice(self.ordinary_ids, len(tokens))
        return np.where(draw < 0.8, self.mask_id, np.where(draw < 0.9, random, tokens))

    def _pad(self, values: np.ndarray, dtype) -> np.ndarray:
        return np.pad(values, (0, self.max_predictions - len(values))).astype(dtype)

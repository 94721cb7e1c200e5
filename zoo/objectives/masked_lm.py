# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling (BERT, arXiv:1810.04805, section 3.1 and appendix A.1).

By default a sequence gets a new mask each time it is read (RoBERTa, arXiv:1907.11692, section 4.1); `duplicates` of 10
is BERT's ten masks, made ahead of the run. Differs from the original code in two points: the fraction to mask is of the
tokens that may be masked and not of all, and a random replacement is drawn from the ordinary vocabulary, where the
original draws special tokens too.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from zoo.data.random import Key
from zoo.data.schema import DataInfo
from zoo.errors import ConfigError
from zoo.objectives.loss import TOKEN_SUMS, loss_options, mean_nll, perplexity, token_sums
from zoo.objectives.masked_objective import MaskedObjective
from zoo.objectives.masking import Masking, mask_tokens
from zoo.objectives.objective import Batch, Sums
from zoo.objectives.units import Unit

Bound = TypeVar("Bound", bound="MaskedLM")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedLM(MaskedObjective):
    """Predicts hidden tokens from both sides; the output projection runs at the hidden positions only.

    Attributes:
      mask_rate, max_predictions, shares: as of `MaskedObjective`.
      final_mask_rate: the fraction after `mask_rate_steps` steps, to which it moves linearly (arXiv:2305.15096 goes
        from 0.3 to 0.15), and at every evaluation; 0 is `mask_rate` throughout.
      unit: what is hidden as a whole. `token`; `word`, BERT's whole-word masking; `ngram`, ALBERT's one to three words,
        n of them with a probability proportional to 1 / n (arXiv:1909.11942, section 4.1); `span`, SpanBERT's one to
        ten words, of a geometric distribution (arXiv:1907.10529, section 3.1). All but the first need
        `data.word_starts`.
      replaced: whether this is chosen for each `token`, as in BERT's and ALBERT's code, or once for all tokens of a
        `unit`, as of SpanBERT's spans.
      duplicates: how many times a sequence is masked in different ways; later passes repeat them. 0 is at every visit.
      z_loss: as of `CausalLM`.
    """

    head: ClassVar[str] = "masked_lm"
    sums: ClassVar[tuple[str, ...]] = TOKEN_SUMS
    final_mask_rate: float = 0.0
    mask_rate_steps: int = 0
    unit: Unit = "token"
    replaced: Literal["token", "unit"] = "token"
    duplicates: int = 0
    z_loss: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        loss_options(self.z_loss)
        if self.final_mask_rate and not 0.0 < self.final_mask_rate < 1.0:
            raise ConfigError(
                f"objective.final_mask_rate must be above 0 and below 1, or 0 for none; found {self.final_mask_rate!r}."
            )
        if self.duplicates < 0:
            raise ConfigError(
                f"objective.duplicates must be 0 (new masks at every visit) or more; found {self.duplicates}."
            )
        if bool(self.final_mask_rate) != (self.mask_rate_steps > 0):
            raise ConfigError(
                f"objective.final_mask_rate is {self.final_mask_rate!r} and objective.mask_rate_steps "
                f"{self.mask_rate_steps}; a schedule needs both, above 0."
            )
        if self.final_mask_rate and self.duplicates:
            raise ConfigError(
                "objective.final_mask_rate changes the masks with the step, and objective.duplicates repeats them; set "
                "one of them to 0."
            )

    def bind(self: Bound, info: DataInfo) -> Bound:
        if self.unit != "token" and "word_starts" not in info.schema:
            raise ConfigError(
                f"objective.unit {self.unit!r} needs to know where words begin; set data.word_starts=True, on data of "
                "type 'text' or 'sentence_pairs'."
            )
        return super().bind(info)

    @property
    def highest_rate(self) -> float:
        return max(self.mask_rate, self.final_mask_rate)

    @property
    def arrangements(self) -> int:
        return self.duplicates

    def arrange(self, batch: dict[str, np.ndarray], key: Key) -> dict[str, np.ndarray]:
        """Hides tokens, and adds `mask_positions`, `mask_targets` and `mask_weights`, [B, M] each."""
        return mask_tokens(batch, key, self.masking, rate=self._rate(key), max_predictions=self.predictions)

    @functools.cached_property
    def masking(self) -> Masking:
        return dataclasses.replace(super().masking, unit=self.unit, replaced_by_unit=self.replaced == "unit")

    def _rate(self, key: Key) -> float:
        if not self.final_mask_rate:
            return self.mask_rate
        progress = min(key.step / self.mask_rate_steps, 1.0) if key.is_training else 1.0
        return self.mask_rate + progress * (self.final_mask_rate - self.mask_rate)

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        out = module(
            batch["tokens"],
            segments=batch["segments"],
            positions=batch["positions"],
            dropout_key=dropout_key,
            logits_at=batch["mask_positions"],
            targets=batch["mask_targets"],
            loss_options=loss_options(self.z_loss),
        )
        return token_sums(out, batch["mask_targets"], batch["mask_weights"])

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        return super().metrics(sums) | {"perplexity": perplexity(mean_nll(sums))}

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What the objectives that hide tokens share: how many, and what becomes of them."""

import abc
import dataclasses
import functools
from collections.abc import Sequence
from typing import ClassVar, TypeVar

import numpy as np
from jaxtyping import Int32

from zoo.data.schema import DataInfo, Vocabulary
from zoo.errors import ConfigError
from zoo.objectives.masking import Masking
from zoo.objectives.objective import Objective

Bound = TypeVar("Bound", bound="MaskedObjective")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedObjective(Objective, abc.ABC):
    """Hides some tokens of each sequence, which are then predicted.

    Attributes:
      mask_rate: fraction of the ordinary tokens of a sequence to hide.
      max_predictions: M, the most tokens hidden in one sequence; 0 is the fraction of a full one.
      shares: of the hidden tokens, those that become the mask token, a random ordinary token, and that stay.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "positions"})
    mask_rate: float = 0.15
    max_predictions: int = 0
    shares: tuple[float, ...] = (0.8, 0.1, 0.1)

    def __post_init__(self):
        if not 0.0 < self.mask_rate < 1.0:
            raise ConfigError(f"objective.mask_rate must be above 0 and below 1; found {self.mask_rate!r}.")
        if self.max_predictions < 0:
            raise ConfigError(f"objective.max_predictions must be 0 (automatic) or more; found {self.max_predictions}.")
        _check_shares(self.shares)

    def bind(self: Bound, info: DataInfo) -> Bound:
        _mask_id(info.vocabulary)
        return super().bind(info)

    @property
    def predictions(self) -> int:
        return self.max_predictions or max(1, round(self.highest_rate * self.data.seq_len))

    @property
    def highest_rate(self) -> float:
        """The highest fraction that is ever hidden."""
        return self.mask_rate

    @functools.cached_property
    def masking(self) -> Masking:
        """How tokens are hidden."""
        vocabulary = self.data.vocabulary
        shares = (self.shares[0], self.shares[1])
        return Masking(mask_id=_mask_id(vocabulary), ordinary_ids=_ordinary_ids(vocabulary), shares=shares)


def _check_shares(shares: Sequence[float]) -> None:
    """ConfigError if these are not the shares of a whole: tokens that are masked, replaced and kept."""
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        rest = 1 - sum(shares[:2])
        nearest = f"; with the first two that would be ({shares[0]}, {shares[1]}, {rest:.6g})" if 0 <= rest <= 1 else ""
        raise ConfigError(
            f"objective.shares must be three numbers from 0 to 1 (mask, random, keep) that add up to 1; found "
            f"{tuple(shares)}{nearest}."
        )


def _ordinary_ids(vocabulary: Vocabulary) -> Int32[np.ndarray, "N"]:
    """The vocabulary without its special tokens: what is hidden, and drawn as a replacement."""
    return np.setdiff1d(np.arange(vocabulary.vocab_size, dtype=np.int32), sorted(vocabulary.special_ids))


def _mask_id(vocabulary: Vocabulary) -> int:
    """The mask token; ConfigError if there is none."""
    if vocabulary.mask_id is None:
        raise ConfigError(
            "An objective that masks tokens needs a tokenizer with a mask token, and this one has none; use a "
            "WordPiece tokenizer (data.tokenizer.kind=wordpiece), or RoBERTa's tokens (data.tokenizer.special=roberta)."
        )
    return vocabulary.mask_id

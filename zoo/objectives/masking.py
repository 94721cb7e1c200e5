# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The corruption of masked language modelling (BERT, arXiv:1810.04805, appendix A.1), of a whole batch at a time."""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int32, Int64

from zoo.data.random import Key
from zoo.objectives.units import MAX_NGRAM, Unit, Words, choose_ngrams, choose_spans

_CHOICE, _ACTION, _REPLACEMENT = 0, 1, 2  # purposes of random numbers
_POSITION = np.uint64(2**32 - 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Masking:
    """What is hidden, and how.

    Attributes:
      mask_id: the token that hides others.
      ordinary_ids: the tokens that may be hidden and that replacements are drawn from; special tokens are not in it.
      unit: which tokens are hidden together (`zoo.objectives.units`).
      shares: of the hidden tokens, those that become the mask token and a random one; the rest stay.
      replaced_by_unit: whether all tokens of a unit have one lot, and not each its own.
    """

    mask_id: int
    ordinary_ids: np.ndarray
    unit: Unit = "token"
    shares: tuple[float, float] = (0.8, 0.1)
    replaced_by_unit: bool = False


def mask_tokens(
    batch: Mapping[str, np.ndarray], key: Key, masking: Masking, *, rate: float, max_predictions: int
) -> dict[str, np.ndarray]:
    """The batch with tokens hidden, and `mask_positions`, `mask_targets` (int32 [B, M]), `mask_weights` (float32).

    Of a row's ordinary tokens, `rate` is hidden, rounded to a whole number (halves to the even one): at least one where
    there is one, and at most M; of words and n-grams as many as fit into this number. Positions ascend; a row with
    fewer than M is filled up with position 0 at weight 0. Units other than tokens read `word_starts`, which is left
    out.

    Args:
      max_predictions: M.
    """
    tokens = batch["tokens"]
    candidates = _ordinary(tokens, masking.ordinary_ids) & (batch["segments"] > 0)
    totals = candidates.sum(axis=1)
    counts = np.minimum(np.clip(np.rint(rate * totals), 1, max_predictions), totals).astype(np.int64)
    if masking.unit == "token":
        positions, chosen = choose(candidates, counts, max_predictions, key)
        units = positions
    else:
        words = Words.of(candidates, batch["word_starts"], batch["segments"])
        unit = _UNITS[masking.unit](words, counts, key)
        positions, chosen = listed(unit >= 0, max_predictions)
        units = np.take_along_axis(unit, positions, axis=1)
    lots = key.uniform(max_predictions, _ACTION)
    if masking.replaced_by_unit:
        lots = np.take_along_axis(key.uniform(tokens.shape[1], _ACTION), units, axis=1)
    targets = np.where(chosen, np.take_along_axis(tokens, positions, axis=1), 0)
    hidden = tokens.copy()
    rows, columns = np.nonzero(chosen)
    hidden[rows, positions[rows, columns]] = _replaced(targets, lots, key, masking)[rows, columns]
    return {
        **{name: value for name, value in batch.items() if name != "word_starts"},
        "tokens": hidden,
        "mask_positions": positions.astype(np.int32),
        "mask_targets": targets.astype(np.int32),
        "mask_weights": chosen.astype(np.float32),
    }


def choose(
    candidates: Bool[np.ndarray, "B T"], counts: Int64[np.ndarray, "B"], width: int, key: Key, *, purpose: int = _CHOICE
) -> tuple[Int64[np.ndarray, "B M"], Bool[np.ndarray, "B M"]]:
    """Of each row's candidates, so many, every set of them as likely; ascending, then position 0 and False.

    Args:
      width: M, at least the largest count. purpose: of the random numbers.
    """
    length = candidates.shape[1]
    # A random number above, the position below: the smallest are a random set, and carry where they are.
    drawn = key.bits(length, purpose).astype(np.uint64) << np.uint64(32) | np.arange(length, dtype=np.uint64)
    drawn[~candidates] = np.iinfo(np.uint64).max
    taken = min(width, length)
    drawn = np.sort(np.partition(drawn, taken - 1, axis=1)[:, :taken], axis=1)
    chosen = np.arange(taken) < counts[:, None]
    positions = np.sort(np.where(chosen, drawn & _POSITION, _POSITION).astype(np.int64), axis=1)
    filling = ((0, 0), (0, width - taken))
    return np.pad(np.where(chosen, positions, 0), filling), np.pad(chosen, filling)


def _ordinary(tokens: Int32[np.ndarray, "B T"], ordinary_ids: np.ndarray) -> Bool[np.ndarray, "B T"]:
    table = np.zeros(max(int(tokens.max(initial=0)), int(ordinary_ids.max(initial=0))) + 1, bool)
    table[ordinary_ids] = True
    return table[tokens]


def listed(chosen: Bool[np.ndarray, "B T"], width: int) -> tuple[Int64[np.ndarray, "B M"], Bool[np.ndarray, "B M"]]:
    """The positions of each row's chosen tokens, ascending, then position 0 and False."""
    there = np.arange(width) < chosen.sum(axis=1)[:, None]
    positions = np.zeros(there.shape, np.int64)
    positions[there] = np.nonzero(chosen)[1]
    return positions, there


def _replaced(targets: np.ndarray, lots: np.ndarray, key: Key, masking: Masking) -> Int32[np.ndarray, "B M"]:
    """What stands in place of the targets, by a number from 0 to 1 for each."""
    hidden, random = masking.shares
    drawn = masking.ordinary_ids[key.integers(len(masking.ordinary_ids), targets.shape[1], _REPLACEMENT)]
    kept = np.where(lots < hidden + random, drawn, targets)
    return np.where(lots < hidden, masking.mask_id, kept).astype(np.int32)


_UNITS = {
    "word": functools.partial(choose_ngrams, max_words=1),
    "ngram": functools.partial(choose_ngrams, max_words=MAX_NGRAM),
    "span": choose_spans,
}

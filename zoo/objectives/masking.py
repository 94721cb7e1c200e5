# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The corruption of masked language modelling (BERT, arXiv:1810.04805, appendix A.1), of a whole batch at a time."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int32, Int64

from zoo.data.random import Key

_CHOICE, _ACTION, _REPLACEMENT = 0, 1, 2  # purposes of random numbers
_HIDDEN, _RANDOM = 0.8, 0.1  # shares that become the mask token and a random token; the rest stay
_POSITION = np.uint64(2**32 - 1)


def mask_tokens(
    batch: Mapping[str, np.ndarray],
    key: Key,
    *,
    mask_id: int,
    ordinary_ids: np.ndarray,
    rate: float,
    max_predictions: int,
) -> dict[str, np.ndarray]:
    """The batch with tokens hidden, and `mask_positions`, `mask_targets` (int32 [B, M]), `mask_weights` (float32).

    Of a row's ordinary tokens, `rate` is hidden, rounded to a whole number (halves to the even one): at least one where
    there is one, and at most M. Of these, 80 % become the mask token, 10 % a random ordinary token, and 10 % stay.
    Positions ascend; a row with fewer than M is filled up with position 0 at weight 0.

    Args:
      ordinary_ids: the tokens that may be hidden and that replacements are drawn from; special tokens are not in it.
      max_predictions: M.
    """
    tokens = batch["tokens"]
    candidates = _ordinary(tokens, ordinary_ids) & (batch["segments"] > 0)
    totals = candidates.sum(axis=1)
    counts = np.minimum(np.clip(np.rint(rate * totals), 1, max_predictions), totals).astype(np.int64)
    positions, chosen = choose(candidates, counts, max_predictions, key)
    targets = np.where(chosen, np.take_along_axis(tokens, positions, axis=1), 0)
    hidden = tokens.copy()
    rows, columns = np.nonzero(chosen)
    hidden[rows, positions[rows, columns]] = _replaced(targets, key, mask_id, ordinary_ids)[rows, columns]
    return {
        **batch,
        "tokens": hidden,
        "mask_positions": positions.astype(np.int32),
        "mask_targets": targets.astype(np.int32),
        "mask_weights": chosen.astype(np.float32),
    }


def choose(
    candidates: Bool[np.ndarray, "B T"], counts: Int64[np.ndarray, "B"], width: int, key: Key
) -> tuple[Int64[np.ndarray, "B M"], Bool[np.ndarray, "B M"]]:
    """Of each row's candidates, so many, every set of them as likely; ascending, then position 0 and False.

    Args:
      width: M, at least the largest count.
    """
    length = candidates.shape[1]
    # A random number above, the position below: the smallest are a random set, and carry where they are.
    drawn = key.bits(length, _CHOICE).astype(np.uint64) << np.uint64(32) | np.arange(length, dtype=np.uint64)
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


def _replaced(targets: np.ndarray, key: Key, mask_id: int, ordinary_ids: np.ndarray) -> Int32[np.ndarray, "B M"]:
    action, width = key.uniform(targets.shape[1], _ACTION), targets.shape[1]
    random = ordinary_ids[key.integers(len(ordinary_ids), width, _REPLACEMENT)]
    kept = np.where(action < _HIDDEN + _RANDOM, random, targets)
    return np.where(action < _HIDDEN, mask_id, kept).astype(np.int32)

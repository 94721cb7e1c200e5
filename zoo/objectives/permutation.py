# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What permutation language modelling predicts, and in which order (XLNet, arXiv:1906.08237, sections 2.2 and 2.3).

As `data_utils.py` of the authors' code, for whole batches: of each row the spans are drawn one behind another, and all
rows take their next span at once, so that a batch costs as many steps as its longest row has spans.
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Int32, Int64

from zoo.data.random import Key
from zoo.objectives.masking import choose

SpanUnit = Literal["token", "word"]
MAX_SPAN = 5

_SIZE, _PLACE, _REST = 0, 1, 2  # purposes of random numbers of a part; those of the next part follow
ORDER, _PURPOSES = 0, 3
_POSITION = np.uint64(2**32 - 1)


def choose_spans(
    candidates: Bool[np.ndarray, "B P"],
    starts: Bool[np.ndarray, "B P"],
    goal: int,
    key: Key,
    *,
    unit: SpanUnit,
    k: float,
    part: int,
) -> Bool[np.ndarray, "B P"]:
    """Which tokens of a part of each row are predicted: `goal` of the candidates, or all where there are fewer.

    Each span is of n units, n from 1 to 5 with a probability proportional to 1 / n, begins where a word does, and has a
    context of n k tokens for itself, in which its place is random (`_sample_mask`). A part in which no other span fits
    is filled up with single tokens.

    Args:
      starts: whether a word begins. unit: `token` is the released code's, in which a span is n pieces of words; `word`
        is n words, as the code means to do, the last span being cut at `goal`.
      k: K of the paper, tokens of context for each one of a span. part: gives a row's parts other random numbers.
    """
    batch, length = candidates.shape
    first, rows = 1 + _PURPOSES * part, np.arange(batch)
    share = np.cumsum(1.0 / np.arange(1, MAX_SPAN + 1))
    drawn = 1 + np.searchsorted(share / share[-1], key.uniform(goal, first + _SIZE), side="right")
    places = key.uniform(goal, first + _PLACE)
    begins = _next_start(starts)
    left, position, open_ = np.full(batch, goal), np.zeros(batch, np.int64), np.ones(batch, bool)
    steps = np.zeros((batch, length + 1), np.int8)  # 1 where a span begins, -1 behind it
    for draw in range(goal):
        size = np.minimum(drawn[:, draw], left)
        context = np.floor(size * k).astype(np.int64)
        before = (places[:, draw] * context).astype(np.int64)
        begin = begins[rows, np.minimum(position + before, length)]
        end = begin + size if unit == "token" else _words_behind(begins, begin, size)
        open_ &= end < length  # the code gives up on a part at the first span that does not fit
        end = np.minimum(end, begin + left)
        if not open_.any():
            break
        steps[rows[open_], begin[open_]] += 1
        steps[rows[open_], end[open_]] -= 1
        left = np.where(open_, left - (end - begin), left)
        open_ &= left > 0
        position = end + context - before
    predicted = (np.cumsum(steps[:, :length], axis=1, dtype=np.int8) > 0) & candidates
    rest = candidates & ~predicted
    missing = np.minimum(goal - predicted.sum(axis=1), rest.sum(axis=1))
    width = int(missing.max(initial=0))
    if width:
        filling, there = choose(rest, missing, width, key, purpose=first + _REST)
        predicted[np.nonzero(there)[0], filling[there]] = True
    return predicted


def _next_start(starts: Bool[np.ndarray, "B P"]) -> Int64[np.ndarray, "B P+1"]:
    """The first word's beginning at or behind each position, and behind the last; P where there is none."""
    length = starts.shape[1]
    places = np.where(np.pad(starts, ((0, 0), (0, 1))), np.arange(length + 1), length)
    return np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]


def _words_behind(
    begins: Int64[np.ndarray, "B Q"], begin: Int64[np.ndarray, "B"], count: Int64[np.ndarray, "B"]
) -> Int64[np.ndarray, "B"]:
    """Where the word begins that is `count` words behind the one at `begin`."""
    rows, last, end = np.arange(len(begin)), begins.shape[1] - 1, begin
    for number in range(MAX_SPAN):
        end = np.where(number < count, begins[rows, np.minimum(end + 1, last)], end)
    return end


def draw_order(
    hidden: Bool[np.ndarray, "B T"], there: Bool[np.ndarray, "B T"], key: Key, *, reuse_len: int, perm_size: int
) -> Int32[np.ndarray, "B T"]:
    """The place of each token in the order of prediction: a token sees those at its place and at lower ones.

    The first `reuse_len` tokens of a row come before the others. In each of these two parts all tokens that are not
    hidden share the first place. The hidden ones follow block by block, those of a block in an order that is random and
    the same in all blocks of the part (`_local_perm`).

    Args:
      hidden: those that are predicted, and special tokens. there: tokens that are not padding, which no other token
        sees. perm_size: tokens of a block, which divides both parts.
    """
    batch, length = hidden.shape
    # A random number above, the position below: sorted, they carry a permutation of the positions.
    drawn = key.bits(2 * perm_size, ORDER).reshape(batch, 2, perm_size).astype(np.uint64) << np.uint64(32)
    permutations = np.sort(drawn | np.arange(perm_size, dtype=np.uint64), axis=2) & _POSITION
    parts = np.repeat([0, 1], [reuse_len // perm_size, (length - reuse_len) // perm_size])
    places = permutations[:, parts].astype(np.int32).reshape(batch, length)
    positions = np.arange(length, dtype=np.int32)
    base = np.where(positions < reuse_len, 0, reuse_len + 1).astype(np.int32)
    block = positions // perm_size * perm_size - np.where(positions < reuse_len, 0, reuse_len).astype(np.int32)
    return np.where(there, base + np.where(hidden, 1 + block + places, 0), length + 2).astype(np.int32)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Which tokens are hidden together: words, n-grams of words (ALBERT), spans of words (SpanBERT); for whole batches.

The rules take one draw after another until a row's budget is spent. Here all rows of a batch take their next draw at
once, so that a batch costs as many steps as its longest row has draws.
"""

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Int64

from zoo.data.random import Key

Unit = Literal["token", "word", "ngram", "span"]
MAX_NGRAM, MAX_SPAN, SPAN_P = 3, 10, 0.2  # words; the parameter of the geometric distribution

_ORDER, _LENGTH, _ANCHOR = 3, 4, 5  # purposes of random numbers; those of spans grow by two from round to round
_ROUND = 32  # spans that are drawn at a time


@dataclasses.dataclass(frozen=True)
class Words:
    """The words of B rows, W at most.

    Attributes:
      candidates: the tokens that may be hidden. index: the word of each, from 0.
      first, stop: the first token of each word and the one behind its last, [B, W]; 0 for words that are not there.
      count: words of each row.
      following: how many words a run from each one on has, itself included; a run ends at a token that may not be
        hidden and where the segment changes.
    """

    candidates: Bool[np.ndarray, "B T"]
    index: Int64[np.ndarray, "B T"]
    first: Int64[np.ndarray, "B W"]
    stop: Int64[np.ndarray, "B W"]
    count: Int64[np.ndarray, "B"]
    following: Int64[np.ndarray, "B W"]

    @classmethod
    def of(cls, candidates: np.ndarray, starts: np.ndarray, segments: np.ndarray) -> "Words":
        """The words that begin where `starts` says, and at the beginning of each run."""
        run = candidates.copy()  # whether a run begins
        run[:, 1:] &= ~candidates[:, :-1] | (segments[:, 1:] != segments[:, :-1])
        begins = run | (candidates & (starts > 0))
        ends = candidates.copy()
        ends[:, :-1] &= ~candidates[:, 1:] | begins[:, 1:]
        index, count = np.cumsum(begins, axis=1) - 1, begins.sum(axis=1)
        width = int(count.max(initial=0))
        there = np.arange(width) < count[:, None]
        first, stop, opens = (np.zeros(there.shape, np.int64) for _ in range(3))
        first[there], stop[there] = np.nonzero(begins)[1], np.nonzero(ends)[1] + 1
        opens[there] = run[begins]
        # The word behind a run's last one is where the next run opens, or the end of the row.
        closes = np.where(opens > 0, np.arange(width), count[:, None])
        closes = np.concatenate([closes, np.broadcast_to(count[:, None], (len(count), 1))], axis=1)
        behind = np.minimum.accumulate(closes[:, :0:-1], axis=1)[:, ::-1] if width else closes[:, :0]
        return cls(candidates, index, first, stop, count, np.where(there, behind - np.arange(width), 0))

    def owners(self, unit: Int64[np.ndarray, "B W"]) -> Int64[np.ndarray, "B T"]:
        """What `unit` says of each token's word; -1 for tokens that may not be hidden."""
        if not unit.shape[1]:
            return np.full(self.index.shape, -1, np.int64)
        return np.where(self.candidates, np.take_along_axis(unit, np.maximum(self.index, 0), axis=1), -1)


def choose_ngrams(
    words: Words, counts: Int64[np.ndarray, "B"], key: Key, *, max_words: int
) -> Int64[np.ndarray, "B T"]:
    """For each token the first token of the n-gram that it is hidden with, or -1; at most `counts` a row.

    As ALBERT's code does it (arXiv:1909.11942, section 4.1; `create_pretraining_data.py`): the words of a row are
    visited in random order, each as the beginning of n of them with a probability proportional to 1 / n. What exceeds
    the budget is shortened to fewer words, or left out; what overlaps with a chosen one is left out. With `max_words`
    of 1 it is BERT's whole-word masking. Unlike there, an n-gram does not cross special tokens.
    """
    rows, width = np.arange(len(counts)), words.first.shape[1]
    unit = np.full(words.first.shape, -1, np.int64)
    sizes = np.zeros((*words.first.shape, max_words), np.int64)  # tokens of the n-grams from each word on
    for n in range(min(max_words, width)):
        sizes[:, : width - n, n] = words.stop[:, n:] - words.first[:, : width - n]
    drawn = _lengths(words.following, max_words, key.uniform(width, _LENGTH))
    order = np.argsort(np.where(words.following > 0, key.uniform(width, _ORDER), 2.0), axis=1)
    steps, left = np.arange(max_words), counts.astype(np.int64)
    for visit in range(width):
        rows = rows[(left[rows] > 0) & (visit < words.count[rows])]
        if not len(rows):
            break
        word = order[rows, visit]
        size = sizes[rows, word]
        taken = ((steps < drawn[rows, word, None]) & (size <= left[rows, None])).sum(axis=1)
        places = np.minimum(word[:, None] + steps, width - 1)
        is_hidden = (steps < taken[:, None]) & (unit[rows[:, None], places] >= 0)
        taken[is_hidden.any(axis=1)] = 0
        number, step = np.nonzero(steps < taken[:, None])
        unit[rows[number], places[number, step]] = words.first[rows, word][number]
        left[rows] -= np.where(taken > 0, size[np.arange(len(rows)), taken - 1], 0)
    return words.owners(unit)


def choose_spans(words: Words, counts: Int64[np.ndarray, "B"], key: Key) -> Int64[np.ndarray, "B T"]:
    """For each token the first token of the span that it is hidden with, or -1; exactly `counts` a row.

    As SpanBERT's code does it (arXiv:1907.10529, section 3.1; `PairWithSpanMaskingScheme`): a token is drawn, and if
    it is not hidden yet its word and those behind it are, n in all, n from a geometric distribution of p = 0.2 that
    ends at 10. The last span is cut at the budget; spans that touch are one. Unlike there, a span does not cross
    special tokens.
    """
    batch, length = words.candidates.shape
    rows, left, hidden = np.arange(batch), counts.astype(np.int64), np.zeros((batch, length), bool)
    totals = words.candidates.sum(axis=1)
    places = np.argsort(~words.candidates, axis=1, kind="stable")  # the candidates of each row first
    cumulative = np.cumsum(SPAN_P * (1 - SPAN_P) ** np.arange(MAX_SPAN))
    column, draw = np.arange(length), 0
    while (left > 0).any():
        if draw % _ROUND == 0:
            offset = 2 * (draw // _ROUND)
            lengths = 1 + np.searchsorted(cumulative / cumulative[-1], key.uniform(_ROUND, _LENGTH + offset))
            anchors = key.uniform(_ROUND, _ANCHOR + offset)
        drawn = (anchors[:, draw % _ROUND] * totals).astype(np.int64)
        anchor = places[rows, np.minimum(drawn, np.maximum(totals - 1, 0))]
        some = np.flatnonzero((left > 0) & ~hidden[rows, anchor])
        word = words.index[some, anchor[some]]
        last = word + np.minimum(lengths[some, draw % _ROUND], words.following[some, word]) - 1
        inside = (column >= words.first[some, word, None]) & (column < words.stop[some, last, None]) & ~hidden[some]
        inside &= np.cumsum(inside, axis=1) <= left[some, None]
        hidden[some] |= inside
        left[some] -= inside.sum(axis=1)
        draw += 1
    begins = hidden.copy()
    begins[:, 1:] &= ~hidden[:, :-1]
    return np.where(hidden, np.maximum.accumulate(np.where(begins, column, 0), axis=1), -1)


def _lengths(
    following: Int64[np.ndarray, "B W"], longest: int, uniform: Float32[np.ndarray, "B W"]
) -> Int64[np.ndarray, "B W"]:
    """Words of an n-gram, n with a probability proportional to 1 / n among those that there are; 0 for none."""
    cumulative = np.cumsum(1.0 / np.arange(1, longest + 1))
    most = np.minimum(following, longest)
    drawn = 1 + np.searchsorted(cumulative, uniform * cumulative[np.maximum(most, 1) - 1], side="right")
    return np.minimum(drawn, most)

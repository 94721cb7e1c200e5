# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Span corruption of whole batches: T5's (arXiv:1910.10683, section 3.1.4 and 3.3.4) and UL2's denoisers.

The arithmetic is that of the authors' code (`t5/data/preprocessors.py`: `random_spans_noise_mask`,
`random_spans_helper`, `noise_span_to_unique_sentinel`, `random_prefix_noise_mask`), with halves rounded to the even
number. Rows may differ in length and in denoiser; none is visited on its own.
"""

import abc
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Int64

from zoo.data.ragged import numbered
from zoo.data.random import Key
from zoo.errors import ConfigError
from zoo.objectives.masking import choose

_DENOISER, NOISE, OTHER, _SUFFIX = range(4)  # purposes of random numbers


class Lengths(NamedTuple):
    """The most that rows of some lengths become: tokens of the inputs and of the targets, and sentinels."""

    inputs: np.ndarray
    targets: np.ndarray
    sentinels: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Denoiser(abc.ABC):
    """One way to hide part of a text.

    Attributes:
      rate: the fraction of a text's tokens that is hidden and predicted.
      weight: how often it is chosen for a row, relative to the others.
      mode: a token of the vocabulary that comes first in the inputs (UL2's mode switching); "" is none.
    """

    rate: float
    weight: float = 1.0
    mode: str = ""

    @abc.abstractmethod
    def lengths(self, lengths: Int64[np.ndarray, "B"]) -> Lengths:
        """What rows of these lengths become, end tokens and mode token included."""

    def check(self, where: str) -> None:
        """ConfigError for a field that cannot be; `where` is the name of the group."""
        if not 0.0 < self.rate < 1.0:
            raise ConfigError(f"{where}.rate must be above 0 and below 1, such as 0.15; found {self.rate!r}.")
        if self.weight <= 0:
            raise ConfigError(f"{where}.weight must be above 0, such as 1.0; found {self.weight!r}.")

    def check_length(self, seq_len: int, where: str) -> None:
        """ConfigError for texts of so many tokens that cannot be hidden so."""
        del seq_len, where


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spans(Denoiser):
    """Spans anywhere, each with a sentinel of its own; of a row, their number and that of their tokens are exact.

    T5's, and UL2's R (regular) and X (extreme) denoisers.

    Attributes:
      mean_span: tokens of a span on average.
    """

    rate: float = 0.15
    mean_span: float = 3.0

    def check(self, where: str) -> None:
        super().check(where)
        if self.mean_span < 1:
            raise ConfigError(f"{where}.mean_span must be 1 token or more, such as 3.0; found {self.mean_span!r}.")

    def check_length(self, seq_len: int, where: str) -> None:
        noise = int(span_sizes(np.array([seq_len]), self.rate, self.mean_span)[0][0])
        spans, others = round(noise / self.mean_span), max(seq_len, 2) - noise
        if spans > others:
            raise ConfigError(
                f"{where}.mean_span is {self.mean_span!r}: {noise} of {seq_len} tokens are hidden in {spans} spans, "
                f"which the {others} others cannot part; set it to {-(-noise // others)} or more."
            )

    def lengths(self, lengths: Int64[np.ndarray, "B"]) -> Lengths:
        noise, spans = span_sizes(lengths, self.rate, self.mean_span)
        return Lengths(lengths - noise + spans + 1 + bool(self.mode), noise + spans + 1, spans)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suffix(Denoiser):
    """The end of the text, to be predicted from its beginning, without sentinels: a prefix language model.

    UL2's S (sequential) denoiser. The number of tokens is uniform from 1 on with a mean of `rate`; with 0.5 it is that
    of T5's `prefix_lm`, 1 to all but one.
    """

    rate: float = 0.25

    def check(self, where: str) -> None:
        super().check(where)
        if self.rate > 0.5:
            raise ConfigError(
                f"{where}.rate is the mean of a suffix of any size from one token on, and so at most 0.5; found "
                f"{self.rate!r}."
            )

    def lengths(self, lengths: Int64[np.ndarray, "B"]) -> Lengths:
        most = suffix_sizes(lengths, self.rate)
        return Lengths(np.maximum(lengths, 1) + bool(self.mode), most + 1, np.zeros_like(lengths))


Fractions = Float64[np.ndarray, "B"] | float


def span_sizes(
    lengths: Int64[np.ndarray, "B"], rates: Fractions, mean_spans: Fractions
) -> tuple[Int64[np.ndarray, "B"], Int64[np.ndarray, "B"]]:
    """Tokens of the noise, and its spans, in rows of these lengths; one of less than 2 tokens counts as one of 2."""
    lengths = np.maximum(lengths, 2)
    noise = np.clip(np.rint(lengths * rates), 1, lengths - 1).astype(np.int64)
    spans = np.maximum(np.rint(noise / mean_spans), 1).astype(np.int64)
    return noise, np.minimum(spans, np.minimum(noise, lengths - noise))


def suffix_sizes(lengths: Int64[np.ndarray, "B"], rates: Fractions) -> Int64[np.ndarray, "B"]:
    """The most tokens of a suffix whose size is uniform from 1 on, with a mean of `rates` of the length."""
    return np.maximum(np.minimum(np.rint(2 * rates * lengths) - 1, lengths - 1), 1).astype(np.int64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tokens:
    """The tokens that stand in place of others.

    Attributes:
      sentinels: in the order in which spans take them. modes: of each denoiser, -1 for none. pad: after the end token.
    """

    sentinels: np.ndarray
    modes: np.ndarray
    eos: int
    pad: int


def draw_noise(
    lengths: Int64[np.ndarray, "B"], denoisers: Sequence[Denoiser], key: Key, *, length: int
) -> tuple[Bool[np.ndarray, "B T"], Int64[np.ndarray, "B"]]:
    """Which tokens of rows of `lengths` are noise, and the index of each row's denoiser.

    Args:
      length: T, at least the largest of `lengths`.
    """
    chosen = np.zeros(len(lengths), np.int64)
    if len(denoisers) > 1:
        bounds = np.cumsum([denoiser.weight for denoiser in denoisers])
        drawn = key.uniform(1, _DENOISER)[:, 0] * bounds[-1]
        chosen = np.minimum(np.searchsorted(bounds, drawn, side="right"), len(denoisers) - 1)
    rates = np.array([denoiser.rate for denoiser in denoisers])[chosen]
    is_suffix = np.array([isinstance(denoiser, Suffix) for denoiser in denoisers])[chosen]
    columns = np.arange(length)
    noise = np.zeros((len(lengths), length), bool)
    if is_suffix.any():
        sizes = 1 + (key.uniform(1, _SUFFIX)[:, 0] * suffix_sizes(lengths, rates)).astype(np.int64)
        noise = columns >= (lengths - sizes)[:, None]
    if not is_suffix.all():
        means = np.array([getattr(denoiser, "mean_span", 1.0) for denoiser in denoisers])[chosen]
        sizes = span_sizes(lengths, rates, means)
        noise = np.where(is_suffix[:, None], noise, random_spans(lengths, *sizes, key, length=length))
    return noise & (columns < lengths[:, None]), chosen


def random_spans(
    lengths: Int64[np.ndarray, "B"],
    noise: Int64[np.ndarray, "B"],
    spans: Int64[np.ndarray, "B"],
    key: Key,
    *,
    length: int,
) -> Bool[np.ndarray, "B T"]:
    """Noise of so many tokens in so many spans, with a span of others before each (`random_spans_noise_mask`).

    Both kinds of token are cut into spans at random, every composition as likely; the first span is not noise, the last
    one is.
    """
    ends = random_ends(noise, spans, key, NOISE)
    others = random_ends(np.maximum(lengths, 2) - noise, spans, key, OTHER)
    rows = np.arange(len(lengths))[:, None]
    steps = np.zeros((len(lengths), max(length, 2) + 1), np.int8)
    steps[rows, others + np.pad(ends[:, :-1], ((0, 0), (1, 0)))] = 1
    steps[rows, others + ends] = -1  # after the 1 that columns beyond the last span have put behind it
    return np.cumsum(steps, axis=1, dtype=np.int8)[:, :length] > 0


def random_ends(
    totals: Int64[np.ndarray, "B"], counts: Int64[np.ndarray, "B"], key: Key, purpose: int
) -> Int64[np.ndarray, "B K"]:
    """Where each of `counts` spans ends among `totals` tokens, none empty; the total from the last one on."""
    candidates = np.arange(max(int(totals.max(initial=0)) - 1, 1)) < (totals - 1)[:, None]
    width = max(int(counts.max(initial=1)) - 1, 1)
    cuts, chosen = choose(candidates, counts - 1, width, key, purpose=purpose)
    return np.concatenate([np.where(chosen, cuts + 1, totals[:, None]), totals[:, None]], axis=1)


def corrupt(
    tokens: Int32[np.ndarray, "B T"],
    lengths: Int64[np.ndarray, "B"],
    noise: Bool[np.ndarray, "B T"],
    chosen: Int64[np.ndarray, "B"],
    denoisers: Sequence[Denoiser],
    special: Tokens,
    *,
    inputs_length: int,
    targets_length: int,
) -> dict[str, np.ndarray]:
    """The batch that an encoder-decoder reads: int32, and `target_weights` float32.

    `tokens` are those left with each span of noise as a sentinel, `targets` the noise with each span of what is left
    as one; both end with the end token, and then padding, of segment and weight 0. Of a row without tokens all is.

    Args:
      lengths: of the rows, whose padding comes last. chosen: the index of each row's denoiser.
    """
    there = np.arange(tokens.shape[1]) < lengths[:, None]
    bare = np.array([isinstance(denoiser, Suffix) for denoiser in denoisers])[chosen]
    modes = special.modes[chosen]
    inputs, inputs_end = _collapsed(tokens, there, noise, bare, special, modes, inputs_length)
    targets, targets_end = _collapsed(tokens, there, there & ~noise, bare, special, None, targets_length)
    return {
        "tokens": inputs,
        "segments": (np.arange(inputs_length) < inputs_end[:, None]).astype(np.int32),
        "targets": targets,
        "target_weights": (np.arange(targets_length) < targets_end[:, None]).astype(np.float32),
    }


def _collapsed(
    tokens: Int32[np.ndarray, "B T"],
    there: Bool[np.ndarray, "B T"],
    spans: Bool[np.ndarray, "B T"],
    bare: Bool[np.ndarray, "B"],
    special: Tokens,
    modes: Int[np.ndarray, "B"] | None,
    width: int,
) -> tuple[Int32[np.ndarray, "B S"], Int64[np.ndarray, "B"]]:
    """The rows with a sentinel in place of each span, none where `bare`, and the end token; and where they end."""
    begins = spans & ~bare[:, None]
    begins[:, 1:] &= ~spans[:, :-1]
    _, numbers = numbered(begins.sum(axis=1))
    values = tokens.copy()
    values[begins] = special.sentinels[numbers]
    kept = there & (begins | ~spans)
    first = np.zeros(len(tokens), np.int64) if modes is None else ((modes >= 0) & there[:, 0]).astype(np.int64)
    ends = first + kept.sum(axis=1)
    columns, rows = np.arange(width), np.flatnonzero(there[:, 0])
    found = np.full((len(tokens), width), special.pad, np.int32)
    if modes is not None:
        found[first > 0, 0] = modes[first > 0]
    found[(columns >= first[:, None]) & (columns < ends[:, None])] = values[kept]
    found[rows, ends[rows]] = special.eos
    return found, ends + there[:, 0]


DENOISERS: dict[str, type[Denoiser]] = {"spans": Spans, "suffix": Suffix}

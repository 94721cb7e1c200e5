# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows of running text and two segments behind it, as XLNet was pretrained on (arXiv:1906.08237, section 2.5).

The rules are those of the authors' code (`data_utils.py`, `create_tfrecords` and `_split_a_and_b`). A row begins with
`stride` tokens of the text, which the next row goes on behind, so that a model's memory of them is of one text. The
segment A follows them up to the end of a sentence, a random one. The segment B is what comes next or, in half of the
rows, text from a random place, whole sentences. Both are then cut at their ends, one token at a time from the longer,
until the row is full: `text A <sep> B <sep> <cls>`.

Of a text in two directions all of this is done for the text read backwards, too. Differs: a B from elsewhere may be of
the whole split, where theirs is of the part of the text that the row's stream reads.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from zoo.data.packed import Frame, check_ids
from zoo.data.pairs import SentenceStream, cuts
from zoo.data.passes import in_passes, numbers_of, passes_of
from zoo.data.random import PAIRS, Key, below
from zoo.data.schema import BACKWARD, Batch, Directions
from zoo.errors import ConfigError, InputError

FRAME, LEAST = 3, 2  # <sep>, <sep> and <cls>; tokens of the two segments, at least

_SEGMENTS = 8  # purpose of random numbers, beside those of `zoo.data.pairs`
_CUT, _KIND, _PLACE = range(3)


class _Reader(NamedTuple):
    """The sentences of a text as rows read it, each forwards or backwards, by places counted from where it begins.

    Attributes:
      bounds: where each sentence begins in the text, and the text's length. is_backward: of each row.
    """

    bounds: np.ndarray
    is_backward: Bool[np.ndarray, "B"]

    @property
    def length(self) -> int:
        return int(self.bounds[-1])

    def at_or_after(self, place: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B"]:
        """The number of the first bound at each place or behind it."""
        forward = np.searchsorted(self.bounds, place)
        backward = len(self.bounds) - np.searchsorted(self.bounds, self.length - place, side="right")
        return np.where(self.is_backward, backward, forward)

    def place(self, number: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B"]:
        """Where the bounds of these numbers are."""
        backward = self.length - self.bounds[len(self.bounds) - 1 - number]
        return np.where(self.is_backward, backward, self.bounds[number])


class SegmentPairs:
    """The examples of running text with two segments: `tokens`, `segments` and `positions`, int32 [B, T] each.

    `segments` is 1, and 2 from the first token of B on. With `word_starts`, int32 [B, T] of that name is 1 where a word
    begins in the text, and at special tokens.

    An index counts rows; its upper 32 bits are the pass, 0 for the one that evaluations read.

    Args:
      frame: of <sep> and <cls>, which come last. seq_len: T, in tokens.
      stride: tokens of running text in a row, by which the next one begins further on.
      directions: as of `zoo.data.packed.PackedText`.
    """

    def __init__(
        self,
        stream: SentenceStream,
        seq_len: int,
        frame: Frame,
        *,
        stride: int,
        vocab_size: int,
        word_starts: bool = False,
        directions: Directions = "forward",
    ):
        if stream.bounds is None:
            raise ConfigError("Segments need data with sentences; prepare them again with data.sentences.")
        self._stream, self._bounds, self._seq_len, self._frame = stream, stream.bounds, seq_len, frame
        self._stride, self._capacity = stride, seq_len - stride - FRAME
        self._vocab_size, self._word_starts, self._directions = vocab_size, word_starts, directions
        self._count = 1 + (len(stream.tokens) - stride - self._capacity) // stride
        if self._count < 1:
            raise InputError(
                f"The text has {len(stream.tokens)} tokens, fewer than a sequence of data.seq_len {seq_len} takes; "
                "give more text, or a larger data.validation_fraction if it is the validation split that lacks it."
            )

    def __len__(self) -> int:
        return self._count * (2 if self._directions == "both" else 1)

    def of_passes(
        self, numbers: Int64[np.ndarray, "B"], passes: Int64[np.ndarray, "B"], seed: int
    ) -> Int64[np.ndarray, "B"]:
        """The indices of rows by their numbers in passes of a run, whose segments are others in each."""
        return in_passes(numbers, passes, seed)

    def read(self, indices: Int64[np.ndarray, "B"], *, batch: np.ndarray | None = None) -> Batch:
        """The rows at `indices`; an index of -1 gives a row of zeros."""
        del batch  # all are full
        self._stream.check_unchanged()
        is_row, numbers = indices >= 0, numbers_of(np.maximum(indices, 0))
        if numbers.max(initial=0) >= len(self):
            raise IndexError(f"sequence {numbers.max()} of {len(self)} sequences")
        is_backward, start = numbers >= self._count, numbers % self._count * self._stride
        middle, other = self._segments(np.maximum(indices, 0), start + self._stride, is_backward)
        column, first = np.arange(self._seq_len), (middle - start)[:, None]  # the place of the first separator
        place = column + np.where(column < first, start[:, None], other[:, None] - first - 1)
        place = np.where(is_backward[:, None], len(self._stream.tokens) - 1 - place, place)
        is_special = (column == first) | (column >= self._seq_len - 2)
        there = is_row[:, None]
        fields = {
            "tokens": self._tokens(place, is_special) * there,
            "segments": (1 + (column > first)).astype(np.int32) * there,
            "positions": column.astype(np.int32) * there,
        }
        if self._word_starts:
            bits = self._stream.word_bits.take(place >> 3, mode="clip") >> (place & 7).astype(np.uint8) & 1
            fields["word_starts"] = np.where(is_special, 1, bits).astype(np.int32) * there
        if self._directions == "both":
            fields[BACKWARD] = is_backward.astype(np.float32)
        return fields

    def _tokens(self, place: Int64[np.ndarray, "B T"], is_special: Bool[np.ndarray, "B T"]) -> np.ndarray:
        tokens = self._stream.tokens.take(place, mode="clip").astype(np.int32)
        check_ids(tokens, self._vocab_size)
        separator, classifying = self._frame.suffix
        tokens[is_special] = separator
        tokens[:, -1] = classifying
        return tokens

    def _segments(
        self, indices: Int64[np.ndarray, "B"], begin: Int64[np.ndarray, "B"], is_backward: Bool[np.ndarray, "B"]
    ) -> tuple[Int64[np.ndarray, "B"], Int64[np.ndarray, "B"]]:
        """Where A, which begins at `begin`, ends, and where B begins; it fills up the row."""
        reader, bits = _Reader(self._bounds, is_backward), self._bits(indices)
        low, high = (reader.at_or_after(begin + size) for size in (1, self._capacity))
        cuts_of_a, end = high - low, reader.place(high)  # the ends of sentences that fit, and behind them
        middle = np.where(cuts_of_a > 0, reader.place(low + below(cuts_of_a, bits[:, _CUT])), end)
        left = np.maximum(self._capacity - (middle - begin), 1)
        drawn = below(reader.length - left, bits[:, _PLACE])
        other = reader.place(reader.at_or_after(drawn + 1) - 1)
        other_end = reader.place(reader.at_or_after(drawn + left))
        is_random = (cuts_of_a == 0) | (bits[:, _KIND] < 2**31)
        second, second_end = np.where(is_random, [other, other_end], [middle, end])
        size = np.stack([middle - begin, second_end - second], axis=1)
        return middle - cuts(size, self._capacity)[:, 0], second

    def _bits(self, indices: Int64[np.ndarray, "B"]) -> np.ndarray:
        """uint32 [B, 3], by the pass and the row's number in it."""
        found, passes = np.zeros((len(indices), 3), np.uint32), passes_of(indices)
        for each in np.unique(passes):  # a batch lies in two of them at most
            rows = passes == each
            found[rows] = Key(int(each), PAIRS, 0, indices[rows]).bits(3, _SEGMENTS)
        return found

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sequences of whole documents: each goes where it fits, and only one that is longer than a sequence is cut.

No document begins in one sequence and goes on in another, as where they are cut from concatenated text
(`zoo.data.packed`), at the price of a little padding: 1 % or less for the usual lengths. First-fit-decreasing assigns
the documents once, when the data are opened.
"""

import numpy as np
from jaxtyping import Int64

from zoo.data.packed import Frame, Stream, check_ids
from zoo.data.packing import first_fit_decreasing
from zoo.data.ragged import begins, numbered
from zoo.data.schema import Batch
from zoo.errors import ConfigError, InputError


class FittedText:
    """The examples of fitted text: `tokens`, `segments` (from 1; 0 is padding) and `positions`, int32 [B, T] each.

    Each document, or each part of one that is longer than a sequence, is a segment with positions from 0 and the
    frame's special tokens around it. With `word_starts`, int32 [B, T] of that name is 1 where a word begins, and at
    special tokens.

    Args:
      stream: the documents, with the frame's separator already after each.
      seq_len: T, in tokens.
      vocab_size: tokens from here on are damage.
    """

    def __init__(self, stream: Stream, seq_len: int, frame: Frame, *, vocab_size: int, word_starts: bool = False):
        self._around = len(frame.prefix) + len(frame.suffix)
        capacity = seq_len - self._around
        if capacity < 1:
            raise ConfigError(f"data.seq_len {seq_len} must exceed the special tokens of a document; raise it.")
        if not len(stream.tokens):
            raise InputError("There are no tokens to pack; prepare a source that holds text.")
        self._stream, self._seq_len, self._frame = stream, seq_len, frame
        self._vocab_size, self._word_starts = vocab_size, word_starts
        starts, sizes = _pieces(stream.ends, capacity)
        row = first_fit_decreasing(sizes + self._around, seq_len, seq_len)
        order = np.argsort(row, kind="stable")
        self._starts, self._sizes = starts[order], sizes[order]
        self._firsts = np.concatenate(
            [[0], np.cumsum(np.bincount(row))]
        )  # the first piece of each sequence, and the end

    def __len__(self) -> int:
        return len(self._firsts) - 1

    @property
    def fill(self) -> float:
        """The fraction of the sequences that is not padding."""
        return float(self._sizes.sum() + self._around * len(self._sizes)) / (len(self) * self._seq_len)

    def read(self, indices: Int64[np.ndarray, "B"], *, batch: np.ndarray | None = None) -> Batch:
        """The sequences at `indices`; an index of -1 gives a row of zeros."""
        del batch  # every sequence is as long as any other
        if len(indices) and not -1 <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"indices from {indices.min()} to {indices.max()} of {len(self)} sequences")
        self._stream.check_unchanged()
        firsts = self._firsts[indices]
        counts = np.where(indices < 0, 0, self._firsts[indices + 1] - firsts)
        row, segment = numbered(counts)
        piece = firsts[row] + segment
        sizes = self._sizes[piece]
        # Where each piece begins in its row: after the whole lengths of those before it there.
        whole = sizes + self._around
        first = begins(whole)
        first -= first[begins(counts)[row]]
        of, place = numbered(whole)
        target = (row[of], first[of] + place)
        shape = (len(indices), self._seq_len)
        fields = {name: np.zeros(shape, np.int32) for name in ("tokens", "segments", "positions")}
        fields["tokens"][indices >= 0] = self._frame.pad_id
        fields["segments"][target] = segment[of] + 1
        fields["positions"][target] = place
        prefix = len(self._frame.prefix)
        inside = (place >= prefix) & (place < prefix + sizes[of])
        source = (self._starts[piece][of] + place - prefix)[inside]
        body = self._stream.tokens.take(source)
        check_ids(body, self._vocab_size)
        fields["tokens"][target[0][inside], target[1][inside]] = body
        for offset, token in enumerate(self._frame.prefix):
            fields["tokens"][row, first + offset] = token
        for offset, token in enumerate(self._frame.suffix, prefix):
            fields["tokens"][row, first + sizes + offset] = token
        if self._word_starts:
            fields["word_starts"] = (fields["segments"] > 0).astype(np.int32)
            bits = self._stream.word_bits.take(source >> 3) >> (source & 7).astype(np.uint8) & 1
            fields["word_starts"][target[0][inside], target[1][inside]] = bits
        return fields


def _pieces(ends: Int64[np.ndarray, "_"], capacity: int) -> tuple[Int64[np.ndarray, "M"], Int64[np.ndarray, "M"]]:
    """Start and size of each document, or of its parts of `capacity` tokens and the rest; none of an empty one."""
    before = np.concatenate([[0], ends[:-1]])
    document, part = numbered(-(-(ends - before) // capacity))
    starts = before[document] + part * capacity
    return starts, np.minimum(ends[document] - starts, capacity)

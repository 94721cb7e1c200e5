# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sequences of one length, cut from the concatenated documents: no token is lost.

Only the last one is padded; where they are cut between sentences, most are, by half a sentence on average.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int32, Int64

from zoo.data.checked import CheckedArray
from zoo.data.ragged import numbered
from zoo.data.schema import BACKWARD, Batch, Directions, Segments
from zoo.errors import ConfigError, InputError, IntegrityError
from zoo.text.tokenizer import Tokenizer

_STRETCH = 2**15  # sentences


@runtime_checkable
class Stream(Protocol):
    """Documents one behind another.

    Attributes:
      tokens: integers [N]. ends: int64 [documents], where each ends in `tokens`.
      word_bits: uint8 [N / 8], whether a word begins at a token; the first token is in the lowest bit.
    """

    ends: np.ndarray

    @property
    def tokens(self) -> np.ndarray | CheckedArray: ...

    @property
    def word_bits(self) -> np.ndarray | CheckedArray: ...

    def check_unchanged(self) -> None:
        """IntegrityError if the tokens are no longer those that were opened."""
        ...


class Frame(NamedTuple):
    """The special tokens of packed text.

    Attributes:
      prefix, suffix: ids around every sequence, in the segments of its first and last token ([CLS], [SEP]).
      separator: id after every document, in its segment (the end of text).
      pad_id: token of the padding.
    """

    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()
    separator: int | None = None
    pad_id: int = 0

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Frame":
        """Sequences are `[CLS] ... [SEP]` if the tokenizer has both; otherwise its end token follows each document.

        Where the classifying token comes last, as XLNet's, they are `... <sep> <cls>`, with <eod> after each document.
        """
        if tokenizer.cls_id is None or tokenizer.sep_id is None:
            return cls(separator=tokenizer.eos_id, pad_id=tokenizer.fill_id)
        if (around := tuple(tokenizer.encode(""))) == (tokenizer.sep_id, tokenizer.cls_id):
            return cls(suffix=around, separator=tokenizer.token_to_id("<eod>"), pad_id=tokenizer.fill_id)
        return cls((tokenizer.cls_id,), (tokenizer.sep_id,), pad_id=tokenizer.fill_id)


class PackedText:
    """The examples of packed text: `tokens`, `segments` (from 1; 0 is padding) and `positions`, int32 [B, T] each.

    With `word_starts`, int32 [B, T] of that name is 1 where a word begins, and at special tokens.

    Args:
      stream: the documents, with the frame's separator already after each.
      seq_len: T, in tokens.
      segments: `documents` numbers the documents in a sequence and restarts positions with each; `sequence` makes it
        all one, so that attention crosses documents as GPT-2's does.
      vocab_size: tokens from here on are damage.
      stride: tokens of the stream from the beginning of one sequence to that of the next, which overlap where it is
        fewer than a sequence holds; 0 is as many.
      bounds: int64 [sentences + 1], where each sentence begins in the stream, and its end: sequences then hold as many
        whole sentences as fit (`between_sentences`), and do not overlap.
      directions: `both` has each sequence twice, the second half of the examples being the stream read backwards, which
        `backward` of a batch says, float32 [B]. Special tokens stay where they are, words begin at the tokens at which
        they do in the text, and all sequences are full: what is left at the end of a direction is in none.
    """

    def __init__(
        self,
        stream: Stream,
        seq_len: int,
        frame: Frame,
        *,
        segments: Segments,
        vocab_size: int,
        word_starts: bool = False,
        stride: int = 0,
        bounds: Int64[np.ndarray, "_"] | None = None,
        directions: Directions = "forward",
    ):
        self._capacity = seq_len - len(frame.prefix) - len(frame.suffix)
        if self._capacity < 1:
            raise ConfigError(f"data.seq_len {seq_len} must exceed the special tokens of a sequence; raise it.")
        if not 0 <= stride <= self._capacity:
            raise ConfigError(
                f"data.stride {stride} exceeds the {self._capacity} tokens of the text that a sequence of data.seq_len "
                f"{seq_len} holds; set it to {self._capacity} or less, or to 0."
            )
        if not len(stream.tokens):
            raise InputError("There are no tokens to pack; prepare a source that holds text.")
        self._cuts = None if bounds is None else between_sentences(bounds, self._capacity)
        self._stride = stride or self._capacity
        self._full = 1 + (len(stream.tokens) - self._capacity) // self._stride  # sequences without padding
        if directions == "both" and self._full < 1:
            raise InputError(
                f"The text has {len(stream.tokens)} tokens, fewer than a sequence of data.seq_len {seq_len} holds; "
                "give more text, or set data.directions='forward'."
            )
        self._stream, self._seq_len, self._frame = stream, seq_len, frame
        self._segments, self._vocab_size, self._word_starts = segments, vocab_size, word_starts
        self._directions: Directions = directions

    def __len__(self) -> int:
        if self._cuts is not None:
            return len(self._cuts) - 1
        if self._directions == "both":
            return 2 * self._full
        return 1 + max(0, -(-(len(self._stream.tokens) - self._capacity) // self._stride))

    def read(self, indices: Int64[np.ndarray, "B"], *, batch: np.ndarray | None = None) -> Batch:
        """The sequences at `indices`; an index of -1 gives a row of zeros."""
        del batch  # every sequence is as long as any other
        if len(indices) and not -1 <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"indices from {indices.min()} to {indices.max()} of {len(self)} sequences")
        self._stream.check_unchanged()
        starts, sizes = self._spans(np.maximum(indices, 0))
        sizes = np.where(indices < 0, 0, sizes)
        if self._segments == "documents":
            segments, firsts = self._documents(starts, sizes)
        else:
            segments = firsts = np.zeros((len(indices), self._seq_len), np.int32)
        ends = np.where(indices < 0, 0, sizes + self._seq_len - self._capacity)
        position = np.arange(self._seq_len, dtype=np.int32)
        there = position < ends[:, None]
        tokens = self._tokens(starts, sizes, there)
        tokens[indices < 0] = 0
        fields = {"tokens": tokens, "segments": (segments + 1) * there, "positions": (position - firsts) * there}
        if self._word_starts:
            fields["word_starts"] = self._starts(starts, sizes) * there
        return fields if self._directions == "forward" else self._turned(fields, indices >= self._full)

    def _turned(self, fields: Batch, rows: Bool[np.ndarray, "B"]) -> Batch:
        """The fields with some rows, which are full, in the order in which a backward reader meets their tokens."""
        first = len(self._frame.prefix)
        body = slice(first, first + self._capacity)
        turned = {name: values[rows] for name, values in fields.items()}
        for values in turned.values():
            values[:, body] = values[:, body][:, ::-1].copy()
        last = fields["segments"][rows, -1:]
        turned["segments"][:, body] = last + 1 - turned["segments"][:, body]  # numbered from the row's beginning on
        column = np.arange(self._seq_len, dtype=np.int32)
        begins = np.diff(turned["segments"], axis=1, prepend=turned["segments"][:, :1]) != 0
        turned["positions"] = column - np.maximum.accumulate(np.where(begins, column, 0), axis=1)
        for name, values in turned.items():
            fields[name][rows] = values
        return {**fields, BACKWARD: rows.astype(np.float32)}

    def _spans(self, indices: Int64[np.ndarray, "B"]) -> tuple[Int64[np.ndarray, "B"], Int64[np.ndarray, "B"]]:
        """Where the text of each sequence begins in the stream, and how many tokens it has."""
        if self._cuts is not None:
            return self._cuts[indices], self._cuts[indices + 1] - self._cuts[indices]
        starts = indices * self._stride
        if self._directions == "both":
            behind = len(self._stream.tokens) - self._capacity - (indices - self._full) * self._stride
            starts = np.where(indices >= self._full, behind, starts)
        return starts, np.minimum(len(self._stream.tokens) - starts, self._capacity)

    def _tokens(self, starts: np.ndarray, sizes: np.ndarray, there: np.ndarray) -> Int32[np.ndarray, "B T"]:
        prefix, suffix, _, pad_id = self._frame
        body = self._stream.tokens.take(starts[:, None] + np.arange(self._capacity), mode="clip")
        check_ids(body, self._vocab_size)
        tokens = np.full(there.shape, pad_id, np.int32)
        tokens[:, : len(prefix)] = prefix
        tokens[:, len(prefix) : len(prefix) + self._capacity] = body
        rows = np.arange(len(starts))
        for offset, token in enumerate(suffix, len(prefix)):
            tokens[rows, sizes + offset] = token
        tokens[~there] = pad_id
        return tokens

    def _starts(self, starts: np.ndarray, sizes: np.ndarray) -> Int32[np.ndarray, "B T"]:
        """1 at the beginnings of words and at all that no document holds."""
        columns = np.arange(self._capacity)
        places = np.minimum(starts[:, None] + columns, len(self._stream.tokens) - 1)
        bits = self._stream.word_bits.take(places >> 3) >> (places & 7).astype(np.uint8) & 1
        begins = np.ones((len(starts), self._seq_len), np.int32)
        prefix = len(self._frame.prefix)
        begins[:, prefix : prefix + self._capacity] = np.where(columns < sizes[:, None], bits, 1)
        return begins

    def _documents(self, starts: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each position, int32 [B, T]: how many documents began in the row before it, and where its own did."""
        ends = self._stream.ends
        first = np.searchsorted(ends, starts, side="right")
        last = np.searchsorted(ends, starts + np.maximum(sizes, 1) - 1, side="right")
        counts = last - first  # of the documents that end in a row before its last token: another begins there
        rows, number = numbered(counts)
        positions = ends[first[rows] + number] - starts[rows] + len(self._frame.prefix)
        began = np.zeros((len(starts), self._seq_len), np.int32)
        np.add.at(began, (rows, positions), 1)  # more than one where documents are empty
        firsts = np.zeros_like(began)
        firsts[rows, positions] = positions
        return np.cumsum(began, axis=1, dtype=np.int32), np.maximum.accumulate(firsts, axis=1)


def between_sentences(bounds: Int64[np.ndarray, "_"], capacity: int) -> Int64[np.ndarray, "_"]:
    """Where sequences of up to `capacity` tokens begin, and the end: each has as many whole sentences as fit.

    A sentence that is longer is cut. A sequence also ends after every `_STRETCH` sentences, so that these stretches of
    text are cut side by side.
    """
    begin, found = bounds[:-1:_STRETCH], []
    stop = np.append(begin[1:], bounds[-1])
    while len(begin):
        found.append(begin)
        reach = begin + capacity
        whole = bounds[np.searchsorted(bounds, reach, side="right") - 1]
        begin = np.where(whole > begin, whole, reach)
        goes_on = begin < stop
        begin, stop = begin[goes_on], stop[goes_on]
    return np.append(np.sort(np.concatenate(found)), bounds[-1])


def check_ids(tokens: np.ndarray, vocab_size: int) -> None:
    """IntegrityError for prepared tokens outside the vocabulary."""
    if not 0 <= tokens.min(initial=0) <= tokens.max(initial=0) < vocab_size:
        raise IntegrityError(
            f"The prepared tokens hold ids from {tokens.min()} to {tokens.max()}, and the vocabulary ends at "
            f"{vocab_size - 1}; prepare the data again."
        )

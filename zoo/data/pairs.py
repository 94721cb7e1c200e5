# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Pairs of texts for next-sentence prediction (BERT) and sentence-order prediction (ALBERT), drawn again in every pass.

The rules are those of the authors' code (`create_pretraining_data.py` of each; arXiv:1810.04805, appendix A.2;
arXiv:1909.11942, section 3.1). A document is cut into chunks of consecutive sentences, each as long as a pair; the
first sentences of a chunk, one or more, are the first text A. The second text B is the rest of the chunk or, if the
pair is a random one, sentences of another document from a random one on; the rest then opens the next chunk.

So a chunk depends on chance in those before it. The random numbers of a chunk are a hash of its first sentence and of
the pass, from which chunks of many documents are followed side by side: once at the beginning of a pass, which keeps no
more than where each chunk begins. A batch finds all the rest again from there.
"""

import functools
import threading
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int32, Int64

from zoo.data.packed import Frame, Stream
from zoo.data.passes import in_passes, numbers_of, passes_of
from zoo.data.random import PAIRS, Key, below
from zoo.data.schema import Batch
from zoo.errors import ConfigError, InputError, IntegrityError

Kind = Literal["next", "order"]
FRAME, LEAST = 3, 5  # [CLS], [SEP] and [SEP]; the shortest sequence, which holds a token of each text

_TARGET, _CHUNK, _ELSEWHERE, _FIRST, _SECOND = range(1, 6)  # purposes of random numbers; 0 is of a pass
_DOCUMENTS = 2**18  # followed at a time
_PASSES = 3  # whose chunks are kept: two that a batch may lie in, and that of evaluations


@runtime_checkable
class SentenceStream(Stream, Protocol):
    """Documents one behind another, with their sentences.

    Attributes:
      bounds: int64 [sentences + 1], where each sentence begins in `tokens`, and N.
    """

    bounds: np.ndarray | None


class Chunks(NamedTuple):
    """Some consecutive sentences of a document each, by the numbers of sentences; [B].

    Attributes:
      middle: where the first text ends. stop: where the chunk ends. following: where the next chunk begins.
      target: tokens that its pair should have. label: 1 for a pair that is not what it was in the document.
      is_random: whether the second text is of another document.
    """

    middle: Int64[np.ndarray, "B"]
    stop: Int64[np.ndarray, "B"]
    following: Int64[np.ndarray, "B"]
    target: Int64[np.ndarray, "B"]
    label: Bool[np.ndarray, "B"]
    is_random: Bool[np.ndarray, "B"]


class Pairs(NamedTuple):
    """Where the two texts of each pair begin in the stream, how many tokens they have, and the label."""

    begin: Int64[np.ndarray, "B 2"]
    size: Int64[np.ndarray, "B 2"]
    label: Int32[np.ndarray, "B"]


class PairedText:
    """The examples of sentence pairs: `[CLS] A [SEP] B [SEP]`.

    The fields are `tokens`, `segments` (1; 0 is padding), `positions` and `token_types` (1 for B and its separator),
    int32 [B, T] each, and `label`, int32 [B]; with `word_starts`, int32 [B, T] of that name is 1 where a word begins,
    and at special tokens.

    An index counts the pairs of a pass; its upper 32 bits are the pass, 0 for the one that evaluations read. A pass of
    a run has as many visits as that one has pairs: where chance makes a few more of them, or fewer, some are left out,
    or visited twice.

    Args:
      frame: of [CLS], [SEP] and padding. kind: `next` replaces the second text in half of the pairs by a random one,
        `order` swaps the two texts of half of the pairs.
      short_fraction: of the documents, those whose pairs have a random length, from 2 tokens on.
      one_sentence: what a chunk of a single sentence gives: a pair with a `random` second text, labelled 1 (both
        authors' code), or none (`skipped`).
    """

    def __init__(
        self,
        stream: SentenceStream,
        seq_len: int,
        frame: Frame,
        *,
        kind: Kind,
        short_fraction: float,
        one_sentence: Literal["random", "skipped"],
        vocab_size: int,
        word_starts: bool = False,
    ):
        if stream.bounds is None:
            raise ConfigError("Pairs need data with sentences; prepare them again with data.sentences.")
        self._stream, self._bounds, self._seq_len, self._frame = stream, stream.bounds, seq_len, frame
        self._kind, self._short_fraction, self._one_sentence = kind, short_fraction, one_sentence
        self._vocab_size, self._word_starts = vocab_size, word_starts
        self._capacity = seq_len - FRAME
        self._stops = np.searchsorted(self._bounds, stream.ends)  # of each document, in sentences
        if (self._bounds[self._stops] != stream.ends).any():
            raise IntegrityError("The sentences are not those of the documents; prepare the data again.")
        self._lock, self._firsts = threading.Lock(), functools.lru_cache(_PASSES)(self._follow)
        self._count = len(self._firsts(0))
        if not self._count:
            raise InputError(
                "No document has two sentences in a row that fit into a pair; set data.sentences or data.document to "
                "what the text is, or data.one_sentence='random'."
            )

    def __len__(self) -> int:
        return self._count

    def of_passes(
        self, numbers: Int64[np.ndarray, "B"], passes: Int64[np.ndarray, "B"], seed: int
    ) -> Int64[np.ndarray, "B"]:
        """The indices of pairs by their numbers in passes of a run; the chunks of every pass are others."""
        return in_passes(numbers, passes, seed)

    def num_tokens(self, indices: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B"]:
        """See `zoo.data.packing.Packable`."""
        return np.where(indices < 0, 0, self._pairs(indices).size.sum(axis=1) + FRAME)

    def read(self, indices: Int64[np.ndarray, "B"], *, batch: np.ndarray | None = None) -> Batch:
        """The pairs at `indices`; an index of -1 gives a row of zeros."""
        del batch  # all are padded to one length
        self._stream.check_unchanged()
        pairs, column = self._pairs(indices), np.arange(self._seq_len)
        begin, size, is_row = pairs.begin[:, :, None], pairs.size[:, :, None], (indices >= 0)[:, None]
        there = (column < size[:, 0] + size[:, 1] + FRAME) & is_row
        is_second = (column > size[:, 0] + 1) & there
        place = np.where(is_second, begin[:, 1] - size[:, 0] - 2, begin[:, 0] - 1) + column
        special = np.stack([np.zeros_like(pairs.label), pairs.size[:, 0] + 1, pairs.size.sum(axis=1) + 2], axis=1)
        fields = {
            "tokens": self._tokens(place, special, there, is_row),
            "segments": there.astype(np.int32),
            "positions": (column * there).astype(np.int32),
            "token_types": is_second.astype(np.int32),
            "label": pairs.label * is_row[:, 0],
        }
        return fields | ({"word_starts": self._starts(place, special) * there} if self._word_starts else {})

    def _tokens(self, place: np.ndarray, special: np.ndarray, there: np.ndarray, is_row: np.ndarray) -> np.ndarray:
        tokens = self._stream.tokens.take(place, mode="clip").astype(np.int32)
        if not 0 <= tokens.min(initial=0) <= tokens.max(initial=0) < self._vocab_size:
            raise IntegrityError(
                f"The prepared tokens hold ids from {tokens.min()} to {tokens.max()}, and the vocabulary ends at "
                f"{self._vocab_size - 1}; prepare the data again."
            )
        np.put_along_axis(tokens, special, np.array([*self._frame.prefix, *self._frame.suffix * 2], np.int32)[None], 1)
        return np.where(there, tokens, self._frame.pad_id * is_row.astype(np.int32))

    def _starts(self, place: np.ndarray, special: np.ndarray) -> Int32[np.ndarray, "B T"]:
        """1 at the beginnings of words and at special tokens."""
        place = np.clip(place, 0, len(self._stream.tokens) - 1)
        starts = (self._stream.word_bits.take(place >> 3) >> (place & 7).astype(np.uint8) & 1).astype(np.int32)
        np.put_along_axis(starts, special, np.int32(1), 1)
        return starts

    # Which pairs there are.

    def _pairs(self, indices: Int64[np.ndarray, "B"]) -> Pairs:
        indices = np.maximum(indices, 0)
        first, passes = self._first(indices), passes_of(indices)
        begin, size = np.zeros((2, len(indices), 2), np.int64)
        found = Pairs(begin, size, np.zeros(len(indices), np.int32))
        for each in np.unique(passes):  # a batch lies in two of them at most
            rows = passes == each
            for ours, theirs in zip(found, self._draw(int(each), first[rows]), strict=True):
                ours[rows] = theirs
        return found

    def _first(self, indices: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B"]:
        """The sentences with which pairs begin."""
        passes, numbers = passes_of(indices), numbers_of(indices)
        if numbers.max(initial=0) >= len(self):
            raise IndexError(f"pair {numbers.max()} of {len(self)} pairs")
        found = np.zeros_like(indices)
        for each in np.unique(passes):
            with self._lock:  # so that no two threads follow the chunks of the same pass
                firsts = self._firsts(int(each))
            rows = passes == each
            found[rows] = firsts[numbers[rows] * len(firsts) // len(self)]
        return found

    def _follow(self, number: int) -> Int64[np.ndarray, "N"]:
        """The first sentences of all chunks of a pass that give a pair, ascending."""
        found = []
        for begin in range(0, len(self._stops), _DOCUMENTS):
            document = np.arange(begin, min(begin + _DOCUMENTS, len(self._stops)))
            first, block = self._first_of(document), []
            while len(first):
                chunks = self._chunks(number, first, document)
                is_pair = (chunks.stop > first + 1) | (self._one_sentence == "random")
                block.append(first[is_pair])
                goes_on = chunks.following < self._stops[document]
                first, document = chunks.following[goes_on], document[goes_on]
            found.append(np.sort(np.concatenate(block)))
        return np.concatenate(found)

    def _chunks(self, number: int, first: Int64[np.ndarray, "B"], document: Int64[np.ndarray, "B"]) -> Chunks:
        """The chunks of a pass that begin with these sentences, of these documents."""
        target, bits = self._targets(number, document), Key(number, PAIRS, 0, first).bits(2, _CHUNK)
        stop = self._stop(first, target, document)
        middle = first + 1 + below(stop - first - 1, bits[:, 0])
        is_alone = stop == first + 1
        label = is_alone | (bits[:, 1] < 2**31)
        is_random = label if self._kind == "next" else is_alone
        return Chunks(middle, stop, np.where(is_random, middle, stop), target, label, is_random)

    def _targets(self, number: int, document: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B"]:
        """How many tokens the pairs of a document should have, the special ones not counted."""
        bits = Key(number, PAIRS, 0, document).bits(2, _TARGET)
        is_short = bits[:, 0] < self._short_fraction * 2**32
        return np.where(is_short, 2 + below(np.full(len(document), self._capacity - 1), bits[:, 1]), self._capacity)

    def _draw(self, number: int, first: Int64[np.ndarray, "B"]) -> Pairs:
        """The pairs of the chunks that begin with these sentences."""
        document = np.searchsorted(self._stops, first, side="right")
        chunks, bounds = self._chunks(number, first, document), self._bounds
        begin = np.stack([bounds[first], bounds[chunks.middle]], axis=1)
        end = np.stack([bounds[chunks.middle], bounds[chunks.stop]], axis=1)
        rows = np.flatnonzero(chunks.is_random)
        left = (chunks.target - end[:, 0] + begin[:, 0])[rows]
        begin[rows, 1], end[rows, 1] = self._elsewhere(number, first[rows], document[rows], left)
        if self._kind == "order":
            is_swapped = (chunks.label & ~chunks.is_random)[:, None]
            begin, end = (np.where(is_swapped, each[:, ::-1], each) for each in (begin, end))
        cut = cuts(end - begin, self._capacity)
        key = Key(number, PAIRS, 0, first)
        front = np.stack([_heads(cut[:, 0], key, _FIRST), _heads(cut[:, 1], key, _SECOND)], axis=1)
        return Pairs(begin + front, end - begin - cut, chunks.label.astype(np.int32))

    def _elsewhere(
        self,
        number: int,
        first: Int64[np.ndarray, "B"],
        document: Int64[np.ndarray, "B"],
        target: Int64[np.ndarray, "B"],
    ) -> tuple[Int64[np.ndarray, "B"], Int64[np.ndarray, "B"]]:
        """Where texts of other documents begin and end, of `target` tokens or a sentence, or what is left of them."""
        bits = Key(number, PAIRS, 0, first).bits(2, _ELSEWHERE)
        other = below(np.full(len(first), len(self._stops) - 1), bits[:, 0])
        other += other >= document
        begin = self._first_of(other)
        sentence = begin + below(self._stops[other] - begin, bits[:, 1])
        return self._bounds[sentence], self._bounds[self._stop(sentence, target, other)]

    def _first_of(self, document: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B"]:
        return np.where(document > 0, self._stops[document - 1], 0)

    def _stop(
        self, first: Int64[np.ndarray, "B"], target: Int64[np.ndarray, "B"], document: Int64[np.ndarray, "B"]
    ) -> Int64[np.ndarray, "B"]:
        """Where sentences from `first` on have `target` tokens or more, at least one of them, or the document ends."""
        enough = np.searchsorted(self._bounds, self._bounds[first] + target)
        return np.clip(enough, first + 1, self._stops[document])


def cuts(size: Int64[np.ndarray, "B 2"], capacity: int) -> Int64[np.ndarray, "B 2"]:
    """How many tokens two texts lose until they fit: one at a time from the longer, the second if they are equal."""
    excess = np.maximum(size.sum(axis=1) - capacity, 0)
    to_equal = np.minimum(excess, np.abs(size[:, 0] - size[:, 1]))
    cut = np.stack([(excess - to_equal) // 2, (excess - to_equal + 1) // 2], axis=1)
    cut[np.arange(len(size)), (size[:, 1] >= size[:, 0]).astype(np.int64)] += to_equal
    return cut


def _heads(tosses: Int64[np.ndarray, "B"], key: Key, purpose: int) -> Int64[np.ndarray, "B"]:
    """How many of so many tosses of a coin are heads."""
    bits = key.bits(-(-int(tosses.max(initial=0)) // 32), purpose)
    used = np.clip(tosses[:, None] - 32 * np.arange(bits.shape[1]), 0, 32).astype(np.uint64)
    mask = ((np.uint64(1) << used) - np.uint64(1)).astype(np.uint32)
    return np.bitwise_count(bits & mask).sum(axis=1, dtype=np.int64)

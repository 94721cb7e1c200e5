# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Counts of n-grams: a pass over the tokens in shards, each counted by sorting, whose sorted counts are merged.

An n-gram is known by the number of its prefix among the (n-1)-grams and by its last token: one integer,
`prefix * (vocab_size + 1) + token`, whatever n is. The n-grams of each order are in increasing order of that integer,
which is the lexicographic order of their tokens. So counts do not depend on the shards, and a shard needs memory for
its own tokens only.

Before each document stands `<s>`, the id `vocab_size`, which is context only: no n-gram has it at another place than
the first, and none crosses documents. lmplz (Heafield et al. 2013, "Scalable Modified Kneser-Ney Language Model
Estimation") counts alike.
"""

import collections
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, Integer

from zoo.errors import ConfigError, InputError

SHARD_TOKENS = 2**20
MAX_VOCAB_SIZE = 2**26
MAX_ORDER = 16


class Level(NamedTuple):
    """The n-grams of one order, sorted.

    Attributes:
      keys: `prefix * (vocab_size + 1) + token`, where `prefix` is the place of the first n-1 tokens in the level below.
      counts: how often each occurs.
      suffixes: the place of the last n-1 tokens in the level below.
    """

    keys: Int64[np.ndarray, "N"]
    counts: Int64[np.ndarray, "N"]
    suffixes: Int64[np.ndarray, "N"]


@dataclasses.dataclass(frozen=True)
class Counts:
    """How often each n-gram occurs, of all orders up to one.

    Attributes:
      unigrams: by token; the last is `<s>`.
      levels: of the orders 2, 3 and so on.
    """

    unigrams: Int64[np.ndarray, "N1"]
    levels: tuple[Level, ...]

    @property
    def order(self) -> int:
        """Tokens of the longest n-grams."""
        return len(self.levels) + 1

    @property
    def vocab_size(self) -> int:
        """Tokens that can be predicted, so without `<s>`."""
        return len(self.unigrams) - 1


def count(
    tokens: Integer[np.ndarray, "N"],
    ends: Integer[np.ndarray, "B"],
    *,
    order: int,
    vocab_size: int,
    shard_tokens: int = SHARD_TOKENS,
    threads: int = 2,
) -> Counts:
    """Counts the n-grams of documents.

    Args:
      tokens: all documents, one after the other; a memory map is read shard by shard.
      ends: where each document ends in `tokens`.
      shard_tokens: tokens counted at a time, at most; the result does not depend on it.
      threads: shards counted at the same time.

    Raises:
      ConfigError: an order, a vocabulary or a number of shards that cannot be. InputError: no tokens, an id outside of
        the vocabulary, or ends that do not belong to the tokens.
    """
    check(tokens, ends, vocab_size)
    if not 1 <= order <= MAX_ORDER:
        raise ConfigError(f"order must be from 1 to {MAX_ORDER}; found {order!r}. 3 and 5 are usual.")
    if shard_tokens < 1 or threads < 1:
        raise ConfigError(f"shard_tokens and threads must be at least 1; found {shard_tokens!r} and {threads!r}.")
    if not len(tokens):
        raise InputError("No n-grams can be counted: the corpus is empty. Give at least one token.")
    # Prefix, token and position are sorted as one integer of 63 bits; `<s>` before each token doubles a shard at most.
    bits = vocab_size.bit_length()
    shard_tokens = min(shard_tokens, 2 ** (min(21, (63 - bits) // 2, 63 - 2 * bits) - 1) - order)
    shards = blocks(tokens, ends, order=order, bos=vocab_size, size=shard_tokens)
    work = functools.partial(_count_shard, order=order, vocab_size=vocab_size)
    merged: list[tuple[int, Counts]] = []  # like the digits of a binary counter: each shard is merged log(shards) times
    for shard in _ahead(work, shards, threads):
        size = 0
        while merged and merged[-1][0] == size:
            shard, size = merge([merged.pop()[1], shard]), size + 1
        merged.append((size, shard))
    return merge([shard for _, shard in merged])


def check(tokens: Integer[np.ndarray, "N"], ends: Integer[np.ndarray, "B"], vocab_size: int) -> None:
    """InputError for an id outside of the vocabulary, or ends that do not belong to the tokens; ConfigError for V."""
    if not 1 <= vocab_size <= MAX_VOCAB_SIZE:
        raise ConfigError(f"vocab_size must be from 1 to {MAX_VOCAB_SIZE}; found {vocab_size!r}.")
    ends = np.asarray(ends, np.int64)
    if (int(ends[-1]) if len(ends) else 0) != len(tokens) or (np.diff(ends, prepend=0) < 0).any():
        raise InputError(
            f"ends must increase up to the number of tokens, {len(tokens)}; found {ends[-3:]} as the last."
        )
    if len(tokens) and not (0 <= tokens.min() and tokens.max() < vocab_size):
        where = int(np.flatnonzero((tokens < 0) | (tokens >= vocab_size))[0])
        raise InputError(
            f"tokens must be ids from 0 to {vocab_size - 1}; found {tokens[where]} at {where}. "
            "Encode the text with the model's own vocabulary."
        )


def blocks(
    tokens: Integer[np.ndarray, "N"], ends: Integer[np.ndarray, "B"], *, order: int, bos: int, size: int
) -> Iterator[tuple[Int64[np.ndarray, "T"], int]]:
    """Cuts documents into blocks, each with `<s>` before its documents and up to order-1 tokens that went before it.

    Yields:
      the block, and how many of its first ids are there as context only.
    """
    starts = np.unique(np.append(0, np.asarray(ends[:-1], np.int64)))  # once where documents are empty
    for first in range(0, len(tokens), size):
        last = min(first + size, len(tokens))
        document = int(starts[np.searchsorted(starts, first, side="right") - 1])
        begin = max(document, first - (order - 1))
        inside = starts[slice(*np.searchsorted(starts, [begin, last]))]
        ids = np.insert(np.asarray(tokens[begin:last], np.int64), inside - begin, bos)
        yield ids, first - begin + int(np.count_nonzero(inside < first))


def _ahead(work, items: Iterator, threads: int) -> Iterator:
    """`map` by threads, with no more items in memory than threads."""
    with ThreadPoolExecutor(threads) as pool:
        pending: collections.deque[Future] = collections.deque()
        for item in items:
            if len(pending) == threads:
                yield pending.popleft().result()
            pending.append(pool.submit(work, item))
        while pending:
            yield pending.popleft().result()


def _count_shard(block: tuple[Int64[np.ndarray, "T"], int], *, order: int, vocab_size: int) -> Counts:
    ids, context = block
    bos, size = vocab_size, vocab_size + 1
    unigrams = np.bincount(ids[context:], minlength=size)
    word_bits, place_bits = vocab_size.bit_length(), len(ids).bit_length()
    places = np.arange(1, len(ids))
    places = places[ids[1:] != bos]
    below, levels = ids, []  # `below`: of the (n-1)-gram that ends at each place its number, -1 where there is none
    for _ in range(order - 1):
        places = places[below[places - 1] >= 0]
        packed = (((below[places - 1] << word_bits) | ids[places]) << place_bits) | places
        packed.sort()
        sorted_places = packed & ((1 << place_bits) - 1)
        packed >>= place_bits
        new = np.empty(len(packed), bool)
        new[:1], new[1:] = True, packed[1:] != packed[:-1]
        first = np.flatnonzero(new)
        above = np.full(len(ids), -1)
        above[sorted_places] = np.cumsum(new) - 1
        counts = np.diff(first, append=len(packed))
        again = above[:context]  # counted by the shard before
        np.subtract.at(counts, again[again >= 0], 1)
        grams = packed[first]
        keys = (grams >> word_bits) * size + (grams & ((1 << word_bits) - 1))
        levels.append(Level(keys, counts, below[sorted_places[first]]))
        below = above
    return Counts(unigrams, tuple(levels))


def merge(parts: Sequence[Counts]) -> Counts:
    """The counts of several shards together."""
    if len(parts) == 1:
        return parts[0]
    size = len(parts[0].unigrams)
    unigrams = np.sum([part.unigrams for part in parts], axis=0)
    places: list[np.ndarray | None] = [None] * len(parts)  # by part: where its (n-1)-grams are among all; None is there
    levels = []
    for level in zip(*(part.levels for part in parts), strict=True):
        keys = np.concatenate([_moved_keys(one.keys, size, at) for one, at in zip(level, places, strict=True)])
        suffixes = [one.suffixes if at is None else at[one.suffixes] for one, at in zip(level, places, strict=True)]
        order = np.argsort(keys, kind="stable")  # merges sorted runs
        keys = keys[order]
        new = np.diff(keys, prepend=-1) > 0
        first = np.flatnonzero(new)
        counts = np.concatenate([one.counts for one in level])[order]
        counts = np.add.reduceat(counts, first) if len(first) else counts
        levels.append(Level(keys[first], counts, np.concatenate(suffixes)[order[first]]))
        moved = np.empty(len(keys), np.int64)
        moved[order] = np.cumsum(new) - 1
        places = list(np.split(moved, np.cumsum([len(one.keys) for one in level])[:-1]))
    return Counts(unigrams, tuple(levels))


def _moved_keys(keys: np.ndarray, size: int, places: np.ndarray | None) -> np.ndarray:
    if places is None:
        return keys
    prefixes, tokens = np.divmod(keys, size)
    return places[prefixes] * size + tokens

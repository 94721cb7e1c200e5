# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sequences of tokens of different lengths, held flat, and gathered into padded batches by NumPy alone."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int, Int32, Int64

from zoo.data.columns import Table
from zoo.data.rows import Rows
from zoo.data.schema import Batch
from zoo.errors import InputError
from zoo.text.tokenizer import Tokenizer

_CHUNK = 1024  # rows tokenized at a time, in all cores


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Token ids of N sequences, one after the other.

    Attributes:
      fields: all of them, as `tokens`, and what goes with each (`token_types`), [M] each.
      starts, lengths: [N + 1], the position of each sequence; a last one of no tokens stands for the index -1.
      truncated: how many sequences were cut to the longest that is allowed.
    """

    fields: Mapping[str, Int32[np.ndarray, "M"]]
    starts: Int64[np.ndarray, "N1"]
    lengths: Int64[np.ndarray, "N1"]
    truncated: int

    def __len__(self) -> int:
        return len(self.lengths) - 1


@dataclasses.dataclass(frozen=True, eq=False)
class SequenceExamples:
    """Examples of a split: sequences, with a label each or none.

    Attributes:
      columns: other fields by name, [N + 1, ...] each, whose last value stands for the index -1.
      seq_len: the longest batch. multiple: batches are padded to a multiple of this many tokens, up to `seq_len`.
      fill_id: the token that stands behind the end of a sequence; of tags it is -1, of other fields 0.
      rows: where each sequence comes from, of splits that are evaluated; None where the texts are not kept.
    """

    sequences: Sequences
    columns: dict[str, np.ndarray]
    seq_len: int
    multiple: int
    fill_id: int
    rows: Rows | None = None

    def __len__(self) -> int:
        return len(self.sequences)

    def read(self, indices: np.ndarray, *, batch: np.ndarray | None = None) -> Batch:
        """See `zoo.data.schema.Examples`."""
        indices = np.asarray(indices)
        if len(indices) and not (indices.min() >= -1 and indices.max() < len(self)):
            raise InputError(f"indices must be from -1 to {len(self) - 1}; found {indices.min()} to {indices.max()}.")
        length = self._length(indices if batch is None else batch)
        columns = np.arange(length)
        there = columns < self.sequences.lengths[indices, None]
        flat = np.where(there, self.sequences.starts[indices, None] + columns, 0)
        found = {}
        for name, values in self.sequences.fields.items():
            fill = {"tokens": self.fill_id, "tags": -1}.get(name, 0)
            found[name] = np.where(there, values[flat], np.where(indices < 0, 0, fill).astype(np.int32)[:, None])
        found["segments"] = there.astype(np.int32)
        return {**found, **{name: values[indices] for name, values in self.columns.items()}}

    def num_tokens(self, indices: np.ndarray) -> Int64[np.ndarray, "B"]:
        """See `zoo.data.packing.Packable`."""
        return self.sequences.lengths[indices]

    def _length(self, batch: np.ndarray) -> int:
        longest = int(self.sequences.lengths[batch].max(initial=1))
        return min(-(-longest // self.multiple) * self.multiple, self.seq_len)


def encode(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, seq_len: int, *, token_types: bool
) -> Sequences:
    """Texts or pairs in the tokenizer's own template, cut to `seq_len` tokens; a pair loses from its longer half."""
    tokens, types, lengths, truncated = [], [], [], 0
    for start in range(0, len(texts), _CHUNK):
        part = slice(start, start + _CHUNK)
        chunk, chunk_pairs = texts[part], None if pairs is None else pairs[part]
        encoded = tokenizer.encode_batch(chunk, chunk_pairs, max_length=seq_len)
        there = encoded.segments > 0
        tokens.append(encoded.tokens[there])
        types.append(encoded.token_types[there])
        lengths.append(there.sum(1))
        full = np.flatnonzero(lengths[-1] == seq_len)
        truncated += _count_longer(tokenizer, chunk, chunk_pairs, full, seq_len)
    fields = {"tokens": np.concatenate(tokens)} | ({"token_types": np.concatenate(types)} if token_types else {})
    return join(fields, np.concatenate(lengths), truncated)


def join(fields: Mapping[str, np.ndarray], lengths: Int64[np.ndarray, "N"], truncated: int = 0) -> Sequences:
    """Sequences of which every field is given as one array of all tokens, and how many of them each has."""
    counts = np.append(lengths, np.int64(0))
    padded = {name: np.append(values, np.zeros(1, np.int32)) for name, values in fields.items()}  # never empty
    return Sequences(padded, begins(counts), counts, truncated)


def begins(lengths: Int[np.ndarray, "*B N"]) -> Int64[np.ndarray, "*B N"]:
    """Where pieces of these lengths begin, one behind another."""
    return np.cumsum(lengths, axis=-1) - lengths


def numbered(counts: Int[np.ndarray, "N"]) -> tuple[Int64[np.ndarray, "M"], Int64[np.ndarray, "M"]]:
    """For `counts[i]` items of each i, in order: which i an item is of, and its number there, from 0."""
    of = np.repeat(np.arange(len(counts)), counts)
    return of, np.arange(len(of)) - begins(counts)[of]


def check_tokens(
    sequences: Sequences, tokenizer: Tokenizer, *, pairs: bool, table: Table, lines: Sequence[int], column: str
) -> None:
    """InputError for a sequence of special tokens alone, at its line of the table and the column of its text."""
    least = tokenizer.backend.num_special_tokens_to_add(pairs)
    if len(empty := np.flatnonzero(sequences.lengths[:-1] <= least)):
        raise InputError(
            f"{table.location(lines[empty[0]], column)}: the tokenizer finds no token in this text; remove that "
            "row, or use a tokenizer that knows its characters."
        )


def has_token_types(tokenizer: Tokenizer, *, pairs: bool) -> bool:
    """Whether the tokenizer's template gives sentences A and B different token types."""
    return bool(tokenizer.encode_batch(["a"], ["a"] if pairs else None).token_types.any())


def _count_longer(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, full: np.ndarray, seq_len: int
) -> int:
    """How many of the sequences of exactly `seq_len` tokens would be longer if they could."""
    if not len(full):
        return 0
    chosen = [texts[int(index)] for index in full]
    chosen_pairs = None if pairs is None else [pairs[int(index)] for index in full]
    encoded = tokenizer.encode_batch(chosen, chosen_pairs, max_length=seq_len + 1)
    return int((encoded.segments.sum(1) > seq_len).sum())

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows without labels, encoded batch by batch in the order of their file, whatever its size."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoo.data.columns import Table, open_table
from zoo.data.formats import Row
from zoo.data.ragged import SequenceExamples, check_tokens, encode, has_token_types
from zoo.data.schema import Batch
from zoo.errors import ConfigError
from zoo.text.tokenizer import Tokenizer

_CHUNK = 1024  # rows in memory, unless a batch has more


@dataclasses.dataclass(frozen=True, eq=False)
class NewRows:
    """An iterable of (rows, batch): the rows as they stand in `table`, and their fields as `Examples.read` gives them.

    Every batch has `batch_size` rows; the last is filled up with rows of zeros, whose segments are 0 and which are not
    among `rows`.
    """

    table: Table
    text: str
    text_pair: str
    tokenizer: Tokenizer
    seq_len: int
    batch_size: int
    pad_to_multiple_of: int

    def __iter__(self) -> Iterator[tuple[list[Row], Batch]]:
        rows = iter(self.table)
        chunk_size = max(1, _CHUNK // self.batch_size) * self.batch_size
        while chunk := [*itertools.islice(rows, chunk_size)]:
            examples = self._encode(chunk)
            for start in range(0, len(chunk), self.batch_size):
                indices = np.arange(start, start + self.batch_size)
                batch = examples.read(np.where(indices < len(chunk), indices, -1))
                yield chunk[start : start + self.batch_size], batch

    def _encode(self, rows: list[Row]) -> SequenceExamples:
        texts, pairs = (
            [self.table.text(row, column) for row in rows] if column else None for column in (self.text, self.text_pair)
        )
        types = has_token_types(self.tokenizer, pairs=pairs is not None)
        sequences = encode(self.tokenizer, texts or [], pairs, self.seq_len, token_types=types)
        lines = [row.line for row in rows]
        check_tokens(
            sequences, self.tokenizer, pairs=pairs is not None, table=self.table, lines=lines, column=self.text
        )
        return SequenceExamples(sequences, {}, self.seq_len, self.pad_to_multiple_of, self.tokenizer.fill_id)


def read_for_prediction(
    path: str | Path,
    *,
    text: str,
    text_pair: str = "",
    tokenizer: Tokenizer,
    seq_len: int,
    batch_size: int,
    pad_to_multiple_of: int = 32,
) -> NewRows:
    """Opens a table of texts, or of pairs, to be predicted; its header is read, and its rows when it is iterated over.

    Raises:
      ConfigError: no such file or columns, or sizes below 1. FormatError: a file that is not a table.
    """
    for name, value in (("batch_size", batch_size), ("pad_to_multiple_of", pad_to_multiple_of)):
        if value < 1:
            raise ConfigError(f"{name} must be 1 or more; found {value}.")
    table = open_table(path, required=[column for column in (text, text_pair) if column])
    return NewRows(table, text, text_pair, tokenizer, seq_len, batch_size, pad_to_multiple_of)

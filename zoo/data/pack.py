# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows of one length, cut from the concatenated documents: no token is lost and only the last row is padded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from zoo.errors import ConfigError, InputError, IntegrityError
from zoo.text.tokenizer import Tokenizer

Row = dict[str, np.ndarray]


@runtime_checkable
class Documents(Protocol):
    """Attributes: lengths, int64 [documents], in tokens."""

    lengths: np.ndarray

    def __getitem__(self, index: int) -> np.ndarray: ...


class PackedRows:
    """A random-access sequence of rows: `tokens`, `segments` (from 1; 0 is padding) and `positions`, int32 [T] each.

    Args:
      documents: int32 [n] each.
      seq_len: T, in tokens.
      prefix, suffix: ids around every row, in the segments of the row's first and last token ([CLS], [SEP]).
      separator: id after every document, in its segment (the end of text).
      segments: `documents` numbers the documents in a row and restarts positions with each; `row` makes it all one.
      pad_id: token of the padding.
    """

    def __init__(
        self,
        documents: Documents,
        seq_len: int,
        *,
        prefix: Sequence[int] = (),
        suffix: Sequence[int] = (),
        separator: int | None = None,
        segments: Literal["documents", "row"] = "documents",
        pad_id: int = 0,
    ):
        self._room = seq_len - len(prefix) - len(suffix)
        if self._room < 1:
            raise ConfigError(f"data.seq_len {seq_len} leaves no room beside the special tokens; raise it.")
        self._documents, self._row_length, self._segments, self._pad_id = documents, seq_len, segments, pad_id
        self._prefix, self._suffix = np.asarray(prefix, np.int32), np.asarray(suffix, np.int32)
        self._end = np.asarray([] if separator is None else [separator], np.int32)
        self._sizes = np.asarray(documents.lengths, np.int64) + len(self._end)
        self._ends = np.cumsum(self._sizes)
        if not len(self._ends) or self._ends[-1] == 0:
            raise InputError("There are no tokens to pack; prepare a source that holds text.")

    def __len__(self) -> int:
        return int(-(-self._ends[-1] // self._room))

    def __getitem__(self, index: int) -> Row:
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        tokens, owners = self._cut(index * self._room, min((index + 1) * self._room, int(self._ends[-1])))
        tokens = np.concatenate([self._prefix, tokens, self._suffix])
        segments = np.pad(owners, (len(self._prefix), len(self._suffix)), mode="edge")
        if self._segments == "row":
            segments = np.ones_like(segments)
        positions = np.arange(len(tokens)) - np.searchsorted(segments, segments)
        return {
            "tokens": self._fill(tokens, self._pad_id),
            "segments": self._fill(segments, 0),
            "positions": self._fill(positions, 0),
        }

    def _cut(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of the stream from `start` to `stop`, and which document of the row each belongs to, from 1."""
        first, last = (int(i) for i in np.searchsorted(self._ends, [start, stop - 1], side="right"))
        stream = np.concatenate([part for i in range(first, last + 1) for part in (self._documents[i], self._end)])
        sizes = self._sizes[first : last + 1]
        if len(stream) != sizes.sum():
            raise IntegrityError(f"documents {first} to {last} are not as long as recorded; prepare the data again.")
        offset = int(self._ends[first] - sizes[0])
        within = slice(start - offset, stop - offset)
        return stream[within], np.repeat(np.arange(1, len(sizes) + 1), sizes)[within]

    def _fill(self, values: np.ndarray, value: int) -> np.ndarray:
        return np.pad(values, (0, self._row_length - len(values)), constant_values=value).astype(np.int32)


def open_rows(
    folder: str | Path, split: str, tokenizer: Tokenizer, *, seq_len: int, segments: Literal["documents", "row"]
) -> PackedRows:
    """Rows of a prepared folder, laid out as the tokenizer's family does it.

    With [CLS] and [SEP], each row is `[CLS] ... [SEP]`; otherwise the end token, if any, follows each document.
    """
    from zoo.data.builders import TokenRecords
    from zoo.data.prepare import read_recipe

    read_recipe(folder)
    cls_id, sep_id = tokenizer.cls_id, tokenizer.sep_id
    frame = None if cls_id is None or sep_id is None else (cls_id, sep_id)
    return PackedRows(
        TokenRecords(Path(folder), split),
        seq_len,
        prefix=frame[:1] if frame else (),
        suffix=frame[1:] if frame else (),
        separator=None if frame else tokenizer.eos_id,
        segments=segments,
        pad_id=tokenizer.fill_id,
    )

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches of encoded texts, as models take them."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import tokenizers

from zoo.errors import ConfigError

Side = Literal["left", "right"]
Truncation = Literal["longest_first", "only_first", "only_second"]

MAX_LENGTH = 2**24  # tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchFormat:
    """How a tokenizer pads and truncates, and the fields that it returns.

    Attributes:
      max_length: the longest text of the model in tokens, if declared.
      has_token_types: whether the model takes token types.
      has_positions: whether a model with absolute positions must be given them where padding is on the left.
    """

    padding_side: Side = "right"
    truncation_side: Side = "right"
    max_length: int | None = None
    has_token_types: bool = True
    has_positions: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class Encoded(Mapping[str, np.ndarray]):
    """A padded batch, int32 [B, T] each; `model(**batch)` passes the fields that the tokenizer's model takes.

    Attributes:
      tokens: ids. segments: 1 for a token and 0 for padding. token_types: sentence A (0) or B (1).
      positions: 0-based position of each token, where padding on the left shifts it; else None.
      offsets: [B, T, 2], begin and end of each token in its text, in characters, if requested; else None.
      sources: which text each token is of: 0, 1 for the second of a pair, -1 for special tokens and padding; with
        `offsets`, else None.
      inputs: the names of the arrays that a model takes.
    """

    tokens: np.ndarray
    segments: np.ndarray
    token_types: np.ndarray
    positions: np.ndarray | None = None
    offsets: np.ndarray | None = None
    sources: np.ndarray | None = None
    inputs: tuple[str, ...] = ("tokens", "token_types", "segments")

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.inputs:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)


class Window(NamedTuple):
    """One window over a context, with the text that it belongs to.

    Attributes:
      tokens: ids. token_types, offsets, sources: of each token, as in `Encoded`.
    """

    tokens: list[int]
    token_types: list[int]
    offsets: list[tuple[int, int]]
    sources: list[int]


def windows(row: tokenizers.Encoding, *, has_special: bool, context: int) -> list[Window]:
    """An encoding and those that overflowed from it, as windows.

    Args:
      has_special: whether the template has special tokens. Without them the Rust library loses the sources of what
        overflowed; they follow from the number of tokens of the text, which is the same in all windows.
      context: which text of the pair is the context.
    """
    fixed = sum(source == 1 - context for source in row.sequence_ids)
    found = []
    for part in (row, *row.overflowing):
        sources = _sources(part)
        if not has_special:
            moving = len(part.ids) - fixed
            sources = [0] * fixed + [1] * moving if context == 1 else [0] * moving + [1] * fixed
        found.append(Window(part.ids, part.type_ids, part.offsets, sources))
    return found


def pad(rows: Sequence[tokenizers.Encoding], length: int, fill: int, style: BatchFormat, *, offsets: bool) -> Encoded:
    """A batch of `length` tokens of the encoded texts."""
    side = style.padding_side
    segments = _array([[1] * len(row.ids) for row in rows], length, 0, side)
    names = ["tokens", *(["token_types"] if style.has_token_types else []), "segments"]
    positions = None
    if side == "left" and style.has_positions:
        positions, names = np.maximum(np.cumsum(segments, axis=1) - 1, 0).astype(np.int32), [*names, "positions"]
    return Encoded(
        tokens=_array([row.ids for row in rows], length, fill, side),
        segments=segments,
        token_types=_array([row.type_ids for row in rows], length, 0, side),
        positions=positions,
        offsets=_array([row.offsets for row in rows], length, 0, side, (2,)) if offsets else None,
        sources=_array([_sources(row) for row in rows], length, -1, side) if offsets else None,
        inputs=tuple(names),
    )


def _sources(row: tokenizers.Encoding) -> list[int]:
    return [-1 if source is None else source for source in row.sequence_ids]


def _array(rows: Sequence[Sequence], length: int, value: int, side: Side, shape: tuple[int, ...] = ()) -> np.ndarray:
    padded = np.full((len(rows), length, *shape), value, np.int32)
    for row, values in zip(padded, rows, strict=True):
        if values:
            row[slice(length - len(values), None) if side == "left" else slice(len(values))] = values
    return padded


def check_lengths(**lengths: int | None) -> None:
    """ConfigError for a length that is not an int from 0 to `MAX_LENGTH`."""
    for name, value in lengths.items():
        if value is not None and (type(value) is not int or not 0 <= value <= MAX_LENGTH):
            raise ConfigError(f"{name} must be an int from 0 to {MAX_LENGTH}; found {value!r:.80}.")

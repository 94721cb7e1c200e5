# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tokens on disk: one flat array a split, where its documents end and its words begin; memory-mapped `.npy` files.

Where its sentences begin is one more file, of text that was prepared with sentences.

A batch of packed sequences is then a handful of NumPy operations. ArrayRecord, one record a document, costs a Python
call, a lookup and a decoded message for each: it gave less than a fiftieth of the tokens a second
(`benchmarks/records/input.md`).
"""

import hashlib
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from zoo.data.stamp import stamp
from zoo.errors import IntegrityError
from zoo.files import open_regular

_BLOCKS, _BLOCK = 64, 2**20  # bytes


class ArrayWriter:
    """A one-dimensional `.npy` file that grows. Use it as a context manager, which writes the final length at the end.

    Attributes:
      count: values written so far.
    """

    def __init__(self, path: Path, dtype: np.dtype):
        self._file, self._dtype, self.count = path.open("wb"), dtype, 0
        self._write_header()

    def append(self, values: np.ndarray) -> None:
        """Writes the values at the end."""
        self._file.write(np.ascontiguousarray(values, self._dtype).data)
        self.count += len(values)

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(self, *_) -> None:
        self._file.seek(0)
        self._write_header()  # of the same size: NumPy leaves room for a length of 21 digits
        self._file.close()

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.count,),
        }
        np.lib.format.write_array_header_1_0(self._file, header)


class BitWriter(ArrayWriter):
    """A file of bits, eight to a value, the first in its lowest bit; the last value is filled up with zeros."""

    def __init__(self, path: Path):
        super().__init__(path, np.dtype(np.uint8))
        self._rest = np.zeros(0, bool)

    def append(self, values: np.ndarray) -> None:
        values = np.concatenate([self._rest, np.asarray(values, bool)])
        whole = len(values) - len(values) % 8
        self._rest = values[whole:]
        super().append(np.packbits(values[:whole], bitorder="little"))

    def __exit__(self, *_) -> None:
        super().append(np.packbits(self._rest, bitorder="little"))
        super().__exit__()


class TokenFiles:
    """The documents of one split, one behind another.

    Attributes:
      tokens: uint16 or int32 [N], memory-mapped. ends: int64 [documents], where each ends in `tokens`.
      word_bits: uint8 [N / 8], memory-mapped: whether a word begins at a token, as bits (`BitWriter`).
      bounds: int64 [sentences + 1], memory-mapped: where each sentence begins in `tokens`, and N; None if the text was
        prepared without sentences.
    """

    def __init__(self, folder: Path, split: str, recorded: dict[str, Any]):
        *self._paths, bounds = _paths(folder, split)
        self.tokens, self.ends, self.word_bits = (_open(path, recorded[path.name]) for path in self._paths)
        self.bounds = _open(bounds, recorded[bounds.name]) if bounds.name in recorded else None
        if not len(self.ends) or self.ends[-1] != len(self.tokens):
            raise IntegrityError(f"{self._paths[1]} does not belong to {self._paths[0]}; prepare the data again.")
        if self.word_bits.dtype != np.uint8 or len(self.word_bits) != -(-len(self.tokens) // 8):
            raise IntegrityError(f"{self._paths[2]} does not belong to {self._paths[0]}; prepare the data again.")
        if self.bounds is not None and (*self.bounds[:1], *self.bounds[-1:]) != (0, len(self.tokens)):
            raise IntegrityError(f"{bounds} does not belong to {self._paths[0]}; prepare the data again.")
        self._stamp = stamp(self._paths[0])

    def check_unchanged(self) -> None:
        """IntegrityError if the file of tokens is no longer the one that was opened."""
        if stamp(self._paths[0]) != self._stamp:
            raise IntegrityError(f"{self._paths[0]} changed while it was in use; prepare the data again.")


class TokenWriter:
    """Writes the files of one split, a chunk of documents at a time.

    Args:
      separator: written after every document; None is nothing.
      sentences: whether it is told where the sentences are, which is a file more.
    """

    def __init__(self, folder: Path, split: str, vocab_size: int, separator: int | None, *, sentences: bool = False):
        tokens, ends, words, bounds = _paths(folder, split)
        self._tokens = ArrayWriter(tokens, np.dtype(np.uint16 if vocab_size <= 2**16 else np.int32))
        self._ends, self._words = ArrayWriter(ends, np.dtype(np.int64)), BitWriter(words)
        self._bounds = ArrayWriter(bounds, np.dtype(np.int64)) if sentences else None
        self._files = {tokens: self._tokens, ends: self._ends, words: self._words}
        if self._bounds is not None:
            self._files[bounds] = self._bounds
        self._separator = [] if separator is None else [separator]

    def append(
        self, documents: Sequence[tuple[list[int], list[bool]]], sentences: Sequence[Sequence[int]] | None = None
    ) -> None:
        """Writes the ids of documents, and at which of them words begin.

        Args:
          sentences: how many tokens each sentence of each document has, one or more.
        """
        tokens: list[int] = []
        starts: list[bool] = []
        ends, bounds = [], []
        each = itertools.repeat(()) if sentences is None else sentences
        for (ids, begins), sizes in zip(documents, each, strict=False):
            bounds += itertools.accumulate(sizes[:-1], initial=self._tokens.count + len(tokens))
            tokens += [*ids, *self._separator]
            starts += [*begins, *(True for _ in self._separator)]
            ends.append(self._tokens.count + len(tokens))
        if self._bounds is not None:
            self._bounds.append(np.array(bounds, np.int64))
        self._ends.append(np.array(ends, np.int64))
        self._tokens.append(np.array(tokens, np.int64))
        self._words.append(np.array(starts, bool))

    def __enter__(self) -> "TokenWriter":
        return self

    def __exit__(self, *_) -> None:
        if self._bounds is not None:
            self._bounds.append(np.array([self._tokens.count], np.int64))
        for writer in self._files.values():
            writer.__exit__()

    def recorded(self) -> dict[str, Any]:
        """What the manifest keeps of the closed files: by name, their length in values and their hash."""
        return {path.name: {"values": file.count, "sha256": _digest(path)} for path, file in self._files.items()}


def _open(path: Path, recorded: dict[str, Any]) -> Int64[np.ndarray, "N"] | np.ndarray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        found = {"values": len(values), "sha256": _digest(path)}
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise IntegrityError(f"{path} cannot be read ({error}); prepare the data again.") from error
    if values.ndim != 1 or values.dtype.kind not in "iu" or found != recorded:
        raise IntegrityError(
            f"{path} is not the file that was prepared: expected {recorded['values']} values, found {found['values']}"
            f"{', of other contents' if found['values'] == recorded['values'] else ''}; prepare the data again."
        )
    return np.asarray(values)  # the memory map as a plain array, whose indexing costs less


def _digest(path: Path) -> str:
    """SHA-256 of the size and of 64 blocks of 1 MiB spread evenly over the file: of all of it up to 64 MiB."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.sha256(str(size).encode())
        for start in np.linspace(0, max(0, size - _BLOCK), _BLOCKS, dtype=np.int64) if size > _BLOCKS * _BLOCK else [0]:
            file.seek(start)
            digest.update(file.read(_BLOCK if size > _BLOCKS * _BLOCK else size))
    return digest.hexdigest()


def _paths(folder: Path, split: str) -> list[Path]:
    return [folder / f"{split}.{name}.npy" for name in ("tokens", "ends", "words", "sentences")]

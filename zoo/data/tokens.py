# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tokens on disk: one flat array a split, where its documents end and its words begin; memory-mapped `.npy` files.

Where its sentences begin is one more file, of text that was prepared with sentences. The SHA-256 of every file is in
the manifest; of the two large ones it is that of a file with the digests of their blocks, each of which is checked when
it is first read (`zoo.data.checked`).

A batch of packed sequences is then a handful of NumPy operations. ArrayRecord, one record a document, costs a Python
call, a lookup and a decoded message for each: it gave less than a fiftieth of the tokens a second
(`benchmarks/records/input.md`).
"""

import io
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from zoo.data.checked import CheckedArray, block_digests
from zoo.data.stamp import stamp
from zoo.errors import FormatError, IntegrityError
from zoo.files import open_regular, sha256

_IN_BLOCKS = ("tokens", "words")  # files that are checked block by block, while they are read


class ArrayWriter:
    """A one-dimensional `.npy` file that grows. Use it as a context manager, which writes the final length at the end.

    Attributes:
      count: values written so far.
    """

    def __init__(self, path: Path, dtype: np.dtype):
        self._file, self.dtype, self.count = path.open("wb"), dtype, 0
        self._file.write(_header(self.dtype, 0))

    def append(self, values: np.ndarray) -> None:
        """Writes the values at the end."""
        self._file.write(np.ascontiguousarray(values, self.dtype).data)
        self.count += len(values)

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(self, *_) -> None:
        self._file.seek(0)
        self._file.write(_header(self.dtype, self.count))
        self._file.close()


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
      tokens: uint16 or int32 [N], memory-mapped, whose blocks are checked while they are read. ends: int64
        [documents], where each ends in `tokens`.
      word_bits: uint8 [N / 8], as `tokens` are: whether a word begins at a token, as bits (`BitWriter`).
      bounds: int64 [sentences + 1], memory-mapped: where each sentence begins in `tokens`, and N; None if the text was
        prepared without sentences.
    """

    def __init__(self, folder: Path, split: str, recorded: dict[str, Any]):
        *self._paths, bounds = _paths(folder, split)
        tokens, ends, words = self._paths
        self.tokens, self.word_bits = (_open_blocks(path, recorded) for path in (tokens, words))
        self.ends = _open(ends, recorded)
        self.bounds = _open(bounds, recorded) if bounds.name in recorded else None
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
        """What the manifest keeps of the closed files: by name, their length and dtype, and their SHA-256."""
        found = {}
        for path, file in self._files.items():
            found[path.name] = {"values": file.count, "dtype": str(file.dtype)}
            if path.name.split(".")[1] in _IN_BLOCKS:
                np.save(_digests_of(path), block_digests(np.load(path, mmap_mode="r", allow_pickle=False)))
                found[path.name]["blocks_sha256"] = sha256(_digests_of(path))
            else:
                found[path.name]["sha256"] = sha256(path)
        return found


def _open(path: Path, recorded: dict[str, Any]) -> Int64[np.ndarray, "N"]:
    """A file that is checked as a whole."""
    values = _load(path, recorded[path.name])
    _check_digest(path, recorded[path.name]["sha256"])
    return values


def _open_blocks(path: Path, recorded: dict[str, Any]) -> CheckedArray:
    """A file whose blocks are checked later."""
    values, digests = _load(path, recorded[path.name]), _digests_of(path)
    _check_digest(digests, recorded[path.name]["blocks_sha256"])
    return CheckedArray(path, values, np.load(digests, allow_pickle=False))


def _load(path: Path, recorded: dict[str, Any]) -> np.ndarray:
    """The values, memory-mapped. The header has to be what it was, so that NumPy need not parse a damaged one."""
    dtype, count = np.dtype(recorded["dtype"]), recorded["values"]
    header = _header(dtype, count)
    expected = len(header) + count * dtype.itemsize
    try:
        with open_regular(path) as file:
            found, size = file.read(len(header)), os.fstat(file.fileno()).st_size
        if (found, size) == (header, expected):
            values = np.memmap(path, dtype, "r", len(header), (count,)) if count else np.zeros(0, dtype)
            return np.asarray(values)  # the memory map as a plain array, whose indexing costs less
    except (OSError, FormatError) as error:
        raise IntegrityError(f"{path} cannot be read ({error}); prepare the data again.") from error
    raise IntegrityError(
        f"{path} is not the file that was prepared: expected {count} values of {dtype} in {expected} bytes, found "
        f"{f'{size} bytes' if size != expected else 'another header'}; prepare the data again."
    )


def _header(dtype: np.dtype, count: int) -> bytes:
    """Of a `.npy` file; of the same size for any length, which NumPy pads to 21 digits."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def _check_digest(path: Path, expected: str) -> None:
    try:
        found = sha256(path)
    except (OSError, FormatError) as error:
        raise IntegrityError(f"{path} cannot be read ({error}); prepare the data again.") from error
    if found != expected:
        raise IntegrityError(
            f"{path} is not the file that was prepared: it is of other contents (its SHA-256 differs); prepare the "
            "data again."
        )


def _digests_of(path: Path) -> Path:
    """The file with the digests of another one's blocks."""
    return path.with_suffix(".sha256.npy")


def _paths(folder: Path, split: str) -> list[Path]:
    return [folder / f"{split}.{name}.npy" for name in ("tokens", "ends", "words", "sentences")]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Arrays on disk of which a block is compared with its SHA-256 when it is first read.

So a bit that flips anywhere in a large file is found before anything is learned from it, and no run waits at its start
until all of the file has been read.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Integer, UInt8

from zoo.errors import IntegrityError
from zoo.files import sha256_of_array

BLOCK = 2**20  # bytes


class CheckedArray:
    """The values of a file, memory-mapped, by arrays of places.

    Args:
      values: of one dimension. digests: of its blocks of 1 MiB, the last one being shorter (`block_digests`).
    """

    def __init__(self, path: Path, values: np.ndarray, digests: UInt8[np.ndarray, "blocks 32"]):
        self._path, self._values, self._digests = path, values, digests
        self._size = BLOCK // values.itemsize
        self._is_checked = np.zeros(len(digests), bool)
        self.dtype = values.dtype

    def __len__(self) -> int:
        return len(self._values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self._check(np.arange(len(self._digests)))
        return np.array(self._values, dtype, copy=copy)

    def take(self, places: Integer[np.ndarray, "..."], *, mode: Literal["raise", "clip"] = "raise") -> np.ndarray:
        """The values at some places, in the places' shape.

        Raises:
          IntegrityError: a block in which one of them lies is not what was written.
        """
        found = self._values.take(places, mode=mode)
        if places.size and not self._is_checked.all():
            self._check(np.clip(places, 0, len(self) - 1).reshape(-1) // self._size)
        return found

    def _check(self, blocks: Integer[np.ndarray, "_"]) -> None:
        is_read = np.zeros_like(self._is_checked)
        is_read[blocks] = True
        for block in np.flatnonzero(is_read & ~self._is_checked).tolist():
            values = self._values[block * self._size : (block + 1) * self._size]
            if sha256_of_array(values) != self._digests[block].tobytes().hex():
                raise IntegrityError(
                    f"{self._path} is not what was prepared: of its values, those from {block * self._size:,} on have "
                    "another SHA-256; prepare the data again."
                )
            self._is_checked[block] = True


def block_digests(values: np.ndarray) -> UInt8[np.ndarray, "blocks 32"]:
    """SHA-256 of each block of 1 MiB of an array of one dimension."""
    size = BLOCK // values.itemsize
    found = [sha256_of_array(values[begin : begin + size]) for begin in range(0, len(values), size)]
    return np.frombuffer(bytes.fromhex("".join(found)), np.uint8).reshape(-1, 32)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Files of weights: those from elsewhere, read if they are regular and in their folder, and those to be written."""

import dataclasses
import io
import math
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import FormatError
from zoo.files import read_json

_ALIGNMENT = 64  # bytes, XLA's
_MAX_INDEX = 8 * 2**20  # bytes; a thousand tensors take 100 kB
_PIECE = 8 * 2**20  # bytes read at a time


class FileArray(np.ndarray):
    """An array in a file: a view of its memory map, which gives the bytes' position and is not touched by `fetch`.

    To read the map itself would kill the process if the file were cut short meanwhile, and would keep what was read in
    memory.
    """

    file: "_MappedFile | None" = None

    def __array_finalize__(self, base: Any) -> None:
        self.file = getattr(base, "file", None)


@dataclasses.dataclass(frozen=True, eq=False)
class _MappedFile:
    name: str
    descriptor: int
    address: int


def map_file(file: io.BufferedReader) -> np.ndarray:
    """All bytes of an open file, uint8 `[size]`; views of it are for `fetch`."""
    if not os.fstat(file.fileno()).st_size:
        return np.empty(0, np.uint8)
    whole = np.asarray(np.memmap(file, np.uint8, "r")).view(FileArray)
    mapped = _MappedFile(str(file.name), os.dup(file.fileno()), whole.ctypes.data)
    weakref.finalize(mapped, os.close, mapped.descriptor)
    whole.file = mapped
    return whole


def fetch(view: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """The array itself, if it is in a file; with `out` it is put there, by pieces of a few megabytes.

    Raises:
      FormatError: the file has become shorter, or can no longer be read.
    """
    file = view.file if isinstance(view, FileArray) else None
    if out is None and (file is None or not view.size):
        return np.asarray(view)
    out = np.empty(view.shape, view.dtype) if out is None else out
    if file is None or not view.ndim or not view.size:
        out[...] = view if file is None else _read(file, view)
        return out
    axis = int(np.argmax(view.strides))
    step = max(1, _PIECE // max(1, view.strides[axis]))
    for start in range(0, view.shape[axis], step):
        piece = (slice(None),) * axis + (slice(start, start + step),)
        out[piece] = _read(file, view[piece])
    return out


def each_piece(view: np.ndarray) -> Iterator[np.ndarray]:
    """A one-dimensional array by pieces of a few megabytes."""
    step = max(1, _PIECE // view.itemsize)
    return (fetch(view[start : start + step]) for start in range(0, len(view), step))


def _read(file: _MappedFile, view: np.ndarray) -> np.ndarray:
    """The bytes from the first to the last of a view, as that view."""
    first, end = np.lib.array_utils.byte_bounds(view)
    span, done = np.empty(end - first, np.uint8), 0
    while done < len(span):
        try:
            count = os.preadv(file.descriptor, [span[done:].data], first - file.address + done)
        except OSError as error:
            raise FormatError(f"{file.name} cannot be read: {error.strerror}.") from error
        if not count:
            raise FormatError(f"{file.name} was cut short while it was read. Fetch it again.")
        done += count
    return np.ndarray(view.shape, view.dtype, span.data, view.ctypes.data - first, view.strides)


def aligned(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """An empty array where JAX wants one on a CPU, so that it takes it over instead of making a copy."""
    num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    spare = np.empty(num_bytes + _ALIGNMENT, np.uint8)
    first = -spare.ctypes.data % _ALIGNMENT
    return spare[first : first + num_bytes].view(dtype).reshape(shape)


def read_sharded(index: Path, read_file: Callable[[Path], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The tensors of all shards that an index lists, strictly as it lists them.

    Raises:
      FormatError: the index is damaged, names a file outside its folder, or does not fit its shards.
    """
    folder = index.parent
    weight_map = read_json(index, max_bytes=_MAX_INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(f, str) for f in weight_map.values()):
        raise FormatError(f"{index}: 'weight_map' must map tensor names to file names; found {weight_map!r:.80}.")
    weights: dict[str, np.ndarray] = {}
    for shard in sorted(set(weight_map.values())):
        tensors = read_file(check_inside(folder, shard, index))
        listed = {name for name, file in weight_map.items() if file == shard}
        if listed != set(tensors):
            astray = sorted(listed ^ set(tensors))
            raise FormatError(
                f"{folder / shard} and {index.name} disagree about {len(astray)} tensors, such as {astray[0]!r}, which "
                f"{'is listed but absent' if astray[0] in listed else 'is present but not listed'}. Fetch both again."
            )
        weights |= tensors
    return weights


def check_inside(folder: Path, name: str, said_by: Path) -> Path:
    """The file of that name, which is plain, and no link out of the folder (but into the blobs of a Hub cache).

    Raises:
      FormatError: it is not; `said_by` is what names it.
    """
    plain = name == os.path.basename(name) and name not in ("", ".", "..") and not {"\\", "\0"} & set(name)
    if plain:
        real, home = Path(os.path.realpath(folder / name)), Path(os.path.realpath(folder))
        blobs = home.parents[1] / "blobs" if home.parent.name == "snapshots" else home
        if real.parent in (home, blobs):
            return folder / name
    raise FormatError(f"{said_by}: {name!r} is not a file of its own folder, so it is not read.")


@dataclasses.dataclass(frozen=True)
class Pending:
    """A tensor to be written.

    Attributes:
      shape, dtype: of what is made. make: what computes it, when its turn has come.
      leaf: the last name of our parameter: `kernel`, `bias`, `scale`, `embedding`, or another.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    make: Callable[[], np.ndarray]
    leaf: str

    @property
    def num_bytes(self) -> int:
        """Its size."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclasses.dataclass(frozen=True, eq=False)
class Unread:
    """Tensors that Transformers stores but does not use; they are kept to be saved again as they were.

    Attributes:
      tensors: by the name of the weight table.
    """

    tensors: Mapping[str, np.ndarray]


def partial(path: Path) -> Path:
    """The temporary name of a file to be written."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")

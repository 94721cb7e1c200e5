# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Files of weights: those from elsewhere, read if they are regular and in their folder, and those to be written."""

import dataclasses
import io
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from zoo.convert.json_files import read_json
from zoo.errors import FormatError


def open_regular(path: Path) -> io.BufferedReader:
    """The file for reading; FormatError for a FIFO, a device, a folder, or nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO must not block
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FormatError(f"{path} is not a regular file.")
    return open(descriptor, "rb")


def read_sharded(index: Path, read_file: Callable[[Path], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The tensors of all shards that an index lists, strictly as it lists them.

    Raises:
      FormatError: the index is damaged, names a file outside its folder, or does not fit its shards.
    """
    folder = index.parent
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise FormatError(f"{index}: 'weight_map' must map tensor names to file names; found {weight_map!r:.80}.")
    weights: dict[str, np.ndarray] = {}
    for shard in sorted(set(map(str, weight_map.values()))):
        _check_inside(folder, shard, index)
        tensors = read_file(folder / shard)
        listed = {name for name, file in weight_map.items() if file == shard}
        if listed != set(tensors):
            astray = sorted(listed ^ set(tensors))
            raise FormatError(
                f"{folder / shard} and {index.name} disagree about {len(astray)} tensors, such as {astray[0]!r}, which "
                f"{'is listed but absent' if astray[0] in listed else 'is present but not listed'}. Fetch both again."
            )
        weights |= tensors
    return weights


def _check_inside(folder: Path, shard: str, index: Path) -> None:
    """A shard is a plain file name, and no link out of the folder (but into the blobs of a Hub cache)."""
    plain = shard == os.path.basename(shard) and shard not in ("", ".", "..") and not {"\\", "\0"} & set(shard)
    if plain:
        real, home = Path(os.path.realpath(folder / shard)), Path(os.path.realpath(folder))
        blobs = home.parents[1] / "blobs" if home.parent.name == "snapshots" else home
        if real.parent in (home, blobs):
            return
    raise FormatError(f"{index}: {shard!r} is not a file of its own folder, so it is not read.")


@dataclasses.dataclass(frozen=True)
class Pending:
    """A tensor to be written.

    Attributes:
      num_bytes: its size. make: what computes it, when its turn has come.
      leaf: the last name of our parameter: `kernel`, `bias`, `scale`, `embedding`, or another.
    """

    num_bytes: int
    make: Callable[[], np.ndarray]
    leaf: str


def partial(path: Path) -> Path:
    """The temporary name beside a file to be written."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")

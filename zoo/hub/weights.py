# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The weights of a folder or a file, whatever their format, as tensors by name."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.errors import FormatError
from zoo.hub.formats import msgpack, npy, safetensors, tf_checkpoint, torch_pickle
from zoo.hub.tensors import check_inside, read_sharded

Tensors = Mapping[str, np.ndarray]

_INDEX = ".index.json"  # of shards
ORBAX = "params"  # the folder that an Orbax checkpoint keeps its parameters in

# The file of a folder that is read is the first of these that is there.
_FILES: dict[str, Callable[[Path], Tensors]] = {
    safetensors.SINGLE: safetensors.read_file,
    "pytorch_model.bin": torch_pickle.read_file,
    "flax_model.msgpack": msgpack.read_file,
}
# What the authors of a model released, with names of their own.
_ORIGINALS: dict[str, Callable[[Path], Tensors]] = {
    f"*{tf_checkpoint.INDEX}": tf_checkpoint.read_file,
    npy.SHAPES: npy.read_file,
}
SUFFIXES = {Path(name).suffix: read for name, read in _FILES.items()} | {tf_checkpoint.INDEX: tf_checkpoint.read_file}


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A model's files, found once.

    Attributes:
      path: the folder or file that was named, for messages. folder: the one that holds config.json.
      file: the weights or the index of their shards; None if there are none, or if the form is `orbax`.
      form: `transformers` (its names of tensors, whatever the file format), `original` (as the authors released them)
        or `orbax`.
    """

    path: Path
    folder: Path
    file: Path | None
    form: Literal["transformers", "original", "orbax"]

    @functools.cached_property
    def tensors(self) -> Tensors:
        """The tensors by name, as views of their files.

        Raises:
          FormatError: no weights, a file that breaks its format, or an index that does not fit its shards.
        """
        if self.file is None:
            raise FormatError(
                f"{self.path} holds no weights: expected {', '.join(_FILES)}, or one of them in shards with an index; "
                f"or {' or '.join(_ORIGINALS)}, as their authors released them."
            )
        if self.path == self.file:
            return SUFFIXES[self.file.suffix](self.file)
        file = check_inside(self.folder, self.file.name, self.folder)
        if self.form == "original":
            return next(read_file(file) for pattern, read_file in _ORIGINALS.items() if file.match(pattern))
        if file.name in _FILES:
            return _FILES[file.name](file)
        return read_sharded(file, _FILES[file.name.removesuffix(_INDEX)])


def find(path: Path) -> Checkpoint:
    """The checkpoint of a folder or a file of weights.

    Raises:
      FormatError: a folder holds several of the authors' checkpoints.
    """
    if path.is_file():
        form = "original" if path.suffix == tf_checkpoint.INDEX else "transformers"
        return Checkpoint(path, path.parent, path, form)
    if (path / ORBAX).is_dir():
        return Checkpoint(path, path, None, "orbax")
    names = [spelling for name in _FILES for spelling in (name, f"{name}{_INDEX}")]
    for name in names:
        if (path / name).exists():
            return Checkpoint(path, path, path / name, "transformers")
    found = [file for pattern in _ORIGINALS for file in sorted(path.glob(pattern))]
    if len(found) > 1:
        listed = ", ".join(file.name for file in found)
        raise FormatError(f"{path} holds several checkpoints; pass the path of one of {listed}.")
    return Checkpoint(path, path, found[0], "original") if found else Checkpoint(path, path, None, "transformers")


def read(path: Path) -> Tensors:
    """The tensors of a folder, sharded or not, or of a file; FormatError as `Checkpoint.tensors` does."""
    return find(path).tensors

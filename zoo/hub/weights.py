# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The weights of a folder or a file, whatever their format, as tensors by the torch library's names."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from zoo.errors import FormatError
from zoo.hub.formats import msgpack, npy, safetensors, tf_checkpoint, torch_pickle
from zoo.hub.tensors import check_inside, read_sharded

Tensors = Mapping[str, np.ndarray]

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


def read(path: Path) -> Tensors:
    """The tensors of a folder, sharded or not, or of a file.

    Raises:
      FormatError: no weights, a file that breaks its format, or an index that does not fit its shards.
    """
    if path.is_file():
        return SUFFIXES[path.suffix](path)
    for name, read_file in _FILES.items():
        if (path / name).exists():
            return read_file(check_inside(path, name, path))
        if (index := path / f"{name}.index.json").exists():
            return read_sharded(check_inside(path, index.name, path), read_file)
    if (original := find_original(path)) is not None:
        check_inside(path, original.name, path)
        return next(read_file(original) for name, read_file in _ORIGINALS.items() if original.match(name))
    raise FormatError(
        f"{path} holds no weights: expected {', '.join(_FILES)}, or one of them in shards with an index; or "
        f"{' or '.join(_ORIGINALS)}, as their authors released them."
    )


def find_original(path: Path) -> Path | None:
    """The file that leads to weights as their authors released them, if a folder or a file has no others.

    Raises:
      FormatError: there are several.
    """
    if path.is_file():
        return path if path.suffix == tf_checkpoint.INDEX else None
    if any((path / name).exists() or (path / f"{name}.index.json").exists() for name in _FILES):
        return None
    found = [file for name in _ORIGINALS for file in sorted(path.glob(name))]
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise FormatError(f"{path} holds several checkpoints; pass the path of one of {names}.")
    return found[0] if found else None

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The weights of a folder or a file, whatever their format, as tensors by the torch library's names."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from zoo.convert import msgpack, safetensors, torch_pickle
from zoo.convert.files import read_sharded
from zoo.errors import FormatError

Tensors = Mapping[str, np.ndarray]

# The file of a folder that is read is the first of these that is there.
_FILES: dict[str, Callable[[Path], Tensors]] = {
    safetensors.SINGLE: safetensors.read_file,
    "pytorch_model.bin": torch_pickle.read_file,
    "flax_model.msgpack": msgpack.read_file,
}
SUFFIXES = {Path(name).suffix: read for name, read in _FILES.items()}


def read(path: Path) -> Tensors:
    """The tensors of a folder, sharded or not, or of a file.

    Raises:
      FormatError: no weights, a file that breaks its format, or an index that does not fit its shards.
    """
    if path.is_file():
        return SUFFIXES[path.suffix](path)
    for name, read_file in _FILES.items():
        if (path / name).exists():
            return read_file(path / name)
        if (index := path / f"{name}.index.json").exists():
            return read_sharded(index, read_file)
    raise FormatError(f"{path} holds no weights: expected {', '.join(_FILES)}, or one of them in shards with an index.")

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""`flax_model.msgpack`, the Hub's form for Flax before transformers 5, by Transformers' names.

Flax called a linear layer's weight `kernel` and transposed it, a norm's `scale` and a table's `embedding`; all other
names are torch's, with their dots as levels of a tree. The encoding itself is Flax's own (`flax.serialization`).
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flax import serialization

from zoo.errors import FormatError
from zoo.files import open_regular
from zoo.hub.tensors import Pending, partial

SINGLE = "flax_model.msgpack"

_AS_IN_TORCH = {"kernel": "weight", "scale": "weight", "embedding": "weight"}


def read_file(path: Path) -> dict[str, np.ndarray]:
    """The tensors of one file, by torch's names.

    Raises:
      FormatError: the file is damaged, or holds anything but a tree of arrays.
    """
    with open_regular(path) as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as encoded:
                tree = serialization.msgpack_restore(encoded)  # pyright: ignore[reportArgumentType]
        except Exception as error:  # the library lets through whatever its decoder raises
            raise FormatError(f"{path} is damaged, or not Flax's msgpack ({error}). Fetch it again.") from error
    if not isinstance(tree, dict):
        raise FormatError(f"{path} holds {type(tree).__name__}, not a tree of arrays.")
    tensors: dict[str, np.ndarray] = {}
    for names, array in _leaves(tree, path):
        name = ".".join((*names[:-1], _AS_IN_TORCH.get(names[-1], names[-1])))
        if name in tensors:
            raise FormatError(f"{path}: two arrays are called {name!r}.")
        tensors[name] = array.T if names[-1] == "kernel" else array
    return tensors


def write(folder: Path, tensors: Mapping[str, Pending], *, norm_scale: str) -> list[Path]:
    """Writes the tensors next to the final name, which it returns: `partial(path)` is to be moved to each `path`.

    Args:
      norm_scale: what the scale of a norm is called; T5's is the exception.

    Raises:
      OSError: the folder cannot be written, or the disk is full.
    """
    tree: dict[str, Any] = {}
    for name, pending in tensors.items():
        *parents, last = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        tensor = pending.make()
        leaf = {"kernel": "kernel", "embedding": "embedding", "scale": norm_scale}.get(pending.leaf, last)
        branch[leaf] = np.ascontiguousarray(tensor.T) if leaf == "kernel" else tensor
    partial(folder / SINGLE).write_bytes(serialization.msgpack_serialize(tree, in_place=True))
    return [folder / SINGLE]


def _leaves(tree: dict, path: Path, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    for name, value in tree.items():
        names = (*above, name)
        if not isinstance(name, str) or not name:
            raise FormatError(f"{path}: a name under {'.'.join(above)!r} is not text.")
        if isinstance(value, dict):
            yield from _leaves(value, path, names)
        elif isinstance(value, np.ndarray):
            yield names, value
        else:
            raise FormatError(f"{path}: {'.'.join(names)!r} is {type(value).__name__}, not an array.")

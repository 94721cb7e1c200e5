# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT's weights as github.com/openai/finetune-transformer-lm has them: `params_0.npy`, ... end to end are one vector.

`params_shapes.json` has the shapes into which the vector is split. The tensors' names are in the authors' code: the two
embeddings, then twelve tensors per layer.
"""

import json
import math
from pathlib import Path

import numpy as np

from zoo.errors import FormatError
from zoo.files import open_regular, parse_json
from zoo.hub.tensors import fetch, map_file

SHAPES = "params_shapes.json"

_LAYER = (
    *("attn/c_attn/w", "attn/c_attn/b", "attn/c_proj/w", "attn/c_proj/b", "ln_1/g", "ln_1/b"),
    *("mlp/c_fc/w", "mlp/c_fc/b", "mlp/c_proj/w", "mlp/c_proj/b", "ln_2/g", "ln_2/b"),
)
_MAX_SHAPES = 2**20  # bytes
_MAX_HEADER = 10_000  # bytes


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes by the names of the authors' code, in the vector's order.

    Raises:
      FormatError: the file is damaged, or describes another model.
    """
    with open_regular(path) as file:
        text = file.read(_MAX_SHAPES)
    shapes = parse_json(b'{"shapes": ' + text + b"}", str(path))["shapes"]
    if not isinstance(shapes, list) or not all(map(_is_shape, shapes)) or len(shapes) % len(_LAYER) != 2:
        raise FormatError(f"{path} must list two shapes and twelve a layer; found {json.dumps(shapes):.80}.")
    layers = len(shapes) // len(_LAYER)
    names = ["model/wpe", "model/we", *(f"model/h{layer}/{name}" for layer in range(layers) for name in _LAYER)]
    # Released kernels have an axis of one more, which some tools leave out.
    return {
        name: (1, *shape) if name.endswith("/w") and len(shape) == 2 else tuple(shape)
        for name, shape in zip(names, shapes, strict=True)
    }


def read_file(path: Path) -> dict[str, np.ndarray]:
    """The tensors that `params_shapes.json` and the files next to it hold; those within one file are for `fetch`.

    Raises:
      FormatError: a file is absent or damaged, or the files have more or fewer numbers than the shapes.
    """
    shapes, parts = read_shapes(path), []
    while (part := path.with_name(f"params_{len(parts)}.npy")).exists():
        parts.append(_vector(part))
    found, expected = sum(map(len, parts)), sum(map(math.prod, shapes.values()))
    if found != expected:
        raise FormatError(f"{path} describes {expected} numbers; params_*.npy hold {found}. Fetch them again.")
    ends, tensors = np.cumsum([0, *map(len, parts)]), {}
    start = 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        pieces = [
            part[max(0, start - first) : stop - first]
            for part, first in zip(parts, ends.tolist(), strict=False)
            if first < stop and start < first + len(part)
        ]
        vector = pieces[0] if len(pieces) == 1 else np.concatenate([fetch(piece) for piece in pieces])
        tensors[name], start = vector.reshape(shape), stop
    return tensors


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= 3 and all(type(n) is int and 0 < n < 2**31 for n in value)


def _vector(path: Path) -> np.ndarray:
    """The numbers of one file, for `fetch`."""
    with open_regular(path) as file:
        try:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, _, dtype = read(file, max_header_size=_MAX_HEADER)
        except (ValueError, KeyError) as error:
            raise FormatError(f"{path} is damaged, or no file of NumPy ({error}). Fetch it again.") from error
        start = file.tell()
        data = map_file(file)[start:]
    if dtype.kind != "f" or len(shape) != 1 or shape[0] * dtype.itemsize != len(data):
        raise FormatError(f"{path} must hold a vector of floats; found {dtype} {list(shape)} in {len(data)} bytes.")
    return data.view(dtype)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""safetensors files, one or sharded with an index: read in place after strict checks, written tensor by tensor.

The format: 8 bytes of header length, a JSON header, then the tensors end to end
(github.com/huggingface/safetensors#format). The reader is our own because the library lets repeated keys through.
"""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from zoo.errors import ConfigError, FormatError
from zoo.files import open_regular, parse_json, write_json
from zoo.hub.tensors import Pending, map_file, partial

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "U16": np.dtype(np.uint16),
    "I16": np.dtype(np.int16),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32),
    "F32": np.dtype(np.float32),
    "U64": np.dtype(np.uint64),
    "I64": np.dtype(np.int64),
    "F64": np.dtype(np.float64),
}

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_ALIGNMENT = 8  # bytes, of the first tensor
_MAX_HEADER = 100_000_000  # bytes, the format's own limit
_MAX_TENSORS = 20_000  # in one file; T5-11B has a thousand


@dataclasses.dataclass(frozen=True)
class _Tensor:
    dtype: np.dtype
    shape: tuple[int, ...]
    start: int
    stop: int


def read_file(path: Path) -> dict[str, np.ndarray]:
    """The tensors of one file, each a view that `fetch` reads.

    Raises:
      FormatError: the file is absent, or breaks the format.
    """
    with open_regular(path) as file:
        tensors, start = _read_header(file, path)
        data = map_file(file)[start:]
    return {
        name: data[tensor.start : tensor.stop].view(tensor.dtype).reshape(tensor.shape)
        for name, tensor in tensors.items()
    }


def _read_header(file: BinaryIO, path: Path) -> tuple[dict[str, _Tensor], int]:
    """The tensors by name, in the order of their bytes, and where in the file the first begins."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _MAX_HEADER):
        raise FormatError(
            f"{path} has {size} bytes and declares a header of {length}; it is truncated or not a safetensors file. "
            "Fetch it again."
        )
    text = file.read(length)
    if not text.startswith(b"{"):
        raise FormatError(f"{path}: the header must begin with '{{'; found {text[:8]!r}.")
    if text.count(b'"data_offsets"') > _MAX_TENSORS:
        raise FormatError(f"{path}: the header lists more than {_MAX_TENSORS} tensors, as no model of this kind has.")
    header = parse_json(text, f"{path}: the header")
    if len(header) > _MAX_TENSORS + 1:  # however the JSON spells what was counted above
        raise FormatError(f"{path}: the header lists more than {_MAX_TENSORS} tensors, as no model of this kind has.")
    _check_metadata(header.pop("__metadata__", {}), path)
    tensors = {name: _parse_tensor(name, entry, path) for name, entry in header.items()}
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if tensor.start != end:
            raise FormatError(f"{path}: {name!r} begins at byte {tensor.start}, not at {end}. Fetch it again.")
        end = tensor.stop
    if end != size - 8 - length:
        raise FormatError(f"{path}: the tensors need {end} bytes; the file has {size - 8 - length}. Fetch it again.")
    return tensors, 8 + length


def _check_metadata(metadata: Any, path: Path) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError(f"{path}: '__metadata__' must map names to strings.")


def _parse_tensor(name: str, entry: Any, path: Path) -> _Tensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"{path}: {name!r} must have dtype, shape and data_offsets, and nothing else.")
    dtype = DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        raise FormatError(f"{path}: {name!r} has the dtype {entry['dtype']!r}; supported are {', '.join(DTYPES)}.")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape) or not _are_offsets(offsets) or len(shape) > 32:
        raise FormatError(f"{path}: {name!r} has shape {shape!r:.80} and data_offsets {offsets!r:.80}.")
    if math.prod(shape) * dtype.itemsize != offsets[1] - offsets[0]:
        raise FormatError(f"{path}: {name!r} of shape {shape} does not fill bytes {offsets[0]} to {offsets[1]}.")
    return _Tensor(dtype, tuple(shape), *offsets)


def _are_sizes(value: Any) -> bool:
    """Whether it is a list of ints whose product, zeros aside, an array can have; a bool is not an int."""
    if not isinstance(value, list) or not all(type(item) is int and item >= 0 for item in value):
        return False
    return math.prod(item or 1 for item in value) < 2**60


def _are_offsets(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(item) is int and item >= 0 for item in value)


def write(folder: Path, tensors: Mapping[str, Pending], *, max_shard_bytes: int) -> list[Path]:
    """Writes the tensors next to their final names, which it returns: `partial(path)` is to be moved to each `path`.

    Raises:
      OSError: the folder cannot be written, or the disk is full.
    """
    shards = plan(tensors, max_shard_bytes)
    numbered = [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    names = numbered if len(shards) > 1 else [SINGLE]
    for name, shard in zip(names, shards, strict=True):
        _save(partial(folder / name), {tensor: tensors[tensor] for tensor in shard})
    if len(shards) > 1:
        weight_map = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        total = sum(tensor.num_bytes for tensor in tensors.values())
        write_json(partial(folder / INDEX), {"metadata": {"total_size": total}, "weight_map": weight_map})
        names.append(INDEX)
    return [folder / name for name in names]


def _save(path: Path, tensors: Mapping[str, Pending]) -> None:
    """One file, to the byte as the library writes it, with no more than one tensor in memory at a time."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.num_bytes
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor.make()).reshape(-1).view(np.uint8).data)


def plan(tensors: Mapping[str, Pending], max_shard_bytes: int) -> list[list[str]]:
    """The tensors of each file, in the order in which they are made and written.

    They are grouped in the order given, so that no file of more than one tensor is larger than the limit. Within a file
    the library sorts them by dtype, the wide ones first, and then by name.
    """
    if max_shard_bytes < 1:
        raise ConfigError(f"max_shard_bytes must be positive; found {max_shard_bytes}.")
    shards, filled = [[]], 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + tensor.num_bytes > max_shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += tensor.num_bytes
    dtypes = list(DTYPES.values())
    return [sorted(shard, key=lambda name: (-dtypes.index(tensors[name].dtype), name)) for shard in shards]

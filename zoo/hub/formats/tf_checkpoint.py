# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's checkpoints (the form of 2016, `name.index` and `name.data-00000-of-00001`), read without TensorFlow.

The index is a table of sorted keys in blocks, as LevelDB's (github.com/google/leveldb/blob/main/doc/table_format.md);
its values are protocol buffers with the location of each tensor in the data files (tensorflow/core/protobuf/
tensor_bundle.proto). Blocks and tensors carry checksums, which are all verified.
"""

import dataclasses
import logging
import math
import re
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import ml_dtypes
import numpy as np

from zoo.errors import FormatError
from zoo.files import open_regular
from zoo.hub.tensors import check_inside, each_piece, map_file

INDEX = ".index"

_MAX_INDEX = 16 * 2**20  # bytes; BERT-large with its optimizer has 60 kB
_MAX_KEY = 1024  # bytes
_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48  # bytes
_FIXED = {1: 8, 5: 4}  # bytes of the kinds of fields that are numbers of one size

# tensorflow/core/framework/types.proto. Strings (7) are not weights: TensorFlow 2 keeps its object graph in one.
_STRING = 7
_DTYPES = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    5: np.dtype(np.int16),
    6: np.dtype(np.int8),
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
    14: np.dtype(ml_dtypes.bfloat16),
    19: np.dtype(np.float16),
}

# What optimizers keep for a variable `v`: `v/adam_m`, `v/Adam_1`; and what belongs to no variable.
_OF_TRAINING = re.compile(
    r"(.*/(adam_[mv]|lamb_[mv]|Adam(_\d)?|Adafactor|Momentum|ExponentialMovingAverage)"
    r"|(.*/)?(global_step|beta[12]_power|AdamWeightDecayOptimizer(_\d+)?(/.*)?))"
)

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Entry:
    dtype: np.dtype
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int


class _Damaged(Exception):
    """What is wrong with the index."""


class _Unsupported(Exception):
    """What it has that is not read."""


def read_file(path: Path) -> dict[str, np.ndarray]:
    """The variables of the checkpoint with that index, by their names in TensorFlow, each a view that `fetch` reads.

    What an optimizer kept for them is left out.

    Raises:
      FormatError: index or data are absent, damaged, or of a kind that is not supported.
    """
    entries, num_shards = _read_index(path)
    kept = {name: entry for name, entry in entries.items() if not _OF_TRAINING.fullmatch(name)}
    if len(kept) < len(entries):
        _log.info("%s: passed over %d tensors of the optimizer.", path, len(entries) - len(kept))
    stem = path.name.removesuffix(INDEX)
    files = [path.with_name(f"{stem}.data-{shard:05}-of-{num_shards:05}") for shard in range(num_shards)]
    shards = {
        shard: _map(check_inside(path.parent, files[shard].name, path))
        for shard in sorted({entry.shard for entry in kept.values()})
    }
    return {name: _view(name, entry, shards[entry.shard], files[entry.shard]) for name, entry in kept.items()}


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of what `read_file` reads, by the index alone; raises as it does."""
    entries, _ = _read_index(path)
    return {name: entry.shape for name, entry in entries.items() if not _OF_TRAINING.fullmatch(name)}


def _read_index(path: Path) -> tuple[dict[str, _Entry], int]:
    with open_regular(path) as file:
        index = file.read(_MAX_INDEX + 1)
    try:
        if len(index) > _MAX_INDEX:
            raise _Damaged(f"has more than {_MAX_INDEX} bytes")
        return _parse_index(index)
    except _Damaged as damage:
        raise FormatError(
            f"{path} {damage}; it is damaged, or not the index of a TensorFlow checkpoint. Download it again."
        ) from None
    except _Unsupported as kind:
        raise FormatError(f"{path} {kind}. Convert it to safetensors where it was made.") from None


def _map(path: Path) -> np.ndarray:
    with open_regular(path) as file:
        return map_file(file)


def _view(name: str, entry: _Entry, data: np.ndarray, path: Path) -> np.ndarray:
    """The tensor, after its checksum was found right."""
    end = entry.offset + entry.size
    if end > len(data):
        raise FormatError(
            f"{path} has {len(data)} bytes; {name!r} ends at byte {end}. It is truncated; fetch it again."
        )
    numbers = data[entry.offset : end]
    checksum = 0
    for piece in each_piece(numbers):
        checksum = google_crc32c.extend(checksum, piece.tobytes())
    if checksum != entry.checksum:
        raise FormatError(f"{path}: the checksum of {name!r} is wrong; the file is damaged. Fetch it again.")
    return numbers.view(entry.dtype).reshape(entry.shape)


def _parse_index(index: bytes) -> tuple[dict[str, _Entry], int]:
    """Its entry for each tensor, and the number of data files."""
    if len(index) < _FOOTER or index[-len(_MAGIC) :] != _MAGIC:
        raise _Damaged("does not end as it must")
    footer = index[-_FOOTER:]
    _, position = _handle(footer, 0)  # of the table's own metadata, which is empty
    block, _ = _handle(footer, position)
    entries: dict[str, _Entry] = {}
    num_shards = end = 0
    for _, value in _block(index, block):
        handle, _ = _handle(value, 0)
        if handle[0] < end:
            raise _Damaged("has blocks that overlap")
        end = sum(handle)
        for key, value in _block(index, handle):
            if not key:
                num_shards = _parse_header(value)
                continue
            name = key.decode("utf-8", "backslashreplace")
            if name in entries:
                raise _Damaged(f"has {name!r} twice")
            if (entry := _parse_entry(name, value, num_shards)) is not None:
                entries[name] = entry
    if not num_shards:
        raise _Damaged("has no header")
    return entries, num_shards


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Where a block begins and how long it is, and the position behind these numbers."""
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return (offset, size), position


def _block(index: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block; a key repeats the beginning of the one before it by its length alone."""
    offset, size = handle
    end = offset + size
    if end + 5 > len(index):
        raise _Damaged(f"has {len(index)} bytes, and a block that ends at byte {end + 5}")
    if index[end] != 0:
        raise _Unsupported("has compressed blocks, which TensorFlow does not write and which are not read")
    if _unmask(int.from_bytes(index[end + 1 : end + 5], "little")) != google_crc32c.value(index[offset : end + 1]):
        raise _Damaged(f"has a block at byte {offset} whose checksum is wrong")
    data = index[offset:end]
    restarts = int.from_bytes(data[-4:], "little")
    stop = len(data) - 4 * (restarts + 1)
    if stop < 0:
        raise _Damaged(f"has a block at byte {offset} that is too short")
    position, key = 0, b""
    while position < stop:
        shared, position = _varint(data, position)
        added, position = _varint(data, position)
        length, position = _varint(data, position)
        if shared > len(key) or shared + added > _MAX_KEY or position + added + length > stop:
            raise _Damaged(f"has a block at byte {offset} whose entries do not fit")
        key = key[:shared] + data[position : position + added]
        position += added + length
        yield key, data[position - length : position]


def _unmask(masked: int) -> int:
    """A checksum as it is stored: turned and shifted, lest a checksum of checksums be weak."""
    turned = (masked - 0xA282EAD8) % 2**32
    return (turned >> 17 | turned << 15) % 2**32


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and the position behind it."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(data):
            break
        value |= (data[position] & 127) << shift
        position += 1
        if data[position - 1] < 128:
            return value, position
    raise _Damaged("has a number without an end")


@dataclasses.dataclass(frozen=True)
class _Message:
    """A protocol buffer's fields by their numbers: the last of each that is a number, and all that are messages."""

    numbers: dict[int, int]
    messages: dict[int, list[bytes]]


def _parse_message(data: bytes) -> _Message:
    message, position = _Message({}, {}), 0
    while position < len(data):
        tag, position = _varint(data, position)
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            message.numbers[field], position = _varint(data, position)
            continue
        size, position = _varint(data, position) if kind == 2 else (_FIXED.get(kind, len(data) + 1), position)
        value, position = data[position : position + size], position + size
        if position > len(data):
            raise _Damaged("has a description that is cut short")
        if kind == 2:
            message.messages.setdefault(field, []).append(value)
        else:
            message.numbers[field] = int.from_bytes(value, "little")
    return message


def _parse_header(data: bytes) -> int:
    """The number of data files."""
    numbers = _parse_message(data).numbers
    if numbers.get(2, 0) != 0:
        raise _Damaged("is of a big-endian machine")
    if not 1 <= numbers.get(1, 0) < 10**5:
        raise _Damaged(f"declares {numbers.get(1, 0)} data files")
    return numbers[1]


def _parse_entry(key: str, data: bytes, num_shards: int) -> _Entry | None:
    """The position of a tensor; None for strings."""
    message = _parse_message(data)
    kind, shard, offset, size, stored = (message.numbers.get(field, 0) for field in (1, 3, 4, 5, 6))
    if kind == _STRING:
        return None
    if 7 in message.messages:
        raise _Unsupported(f"has {key!r} in slices (a partitioned variable), which is not supported")
    if kind not in _DTYPES or shard >= num_shards:
        raise _Damaged(f"has {key!r} of kind {kind} in data file {shard} of {num_shards}")
    shape = tuple(size for data in message.messages.get(2, []) for size in _parse_shape(data))
    if len(shape) > 32 or math.prod(shape) * _DTYPES[kind].itemsize != size:
        raise _Damaged(f"has {key!r} of shape {list(shape)!s:.80} in {size} bytes")
    return _Entry(_DTYPES[kind], shape, shard, offset, size, _unmask(stored))


def _parse_shape(data: bytes) -> tuple[int, ...]:
    dims = _parse_message(data).messages.get(2, [])
    return tuple(_parse_message(dim).numbers.get(1, 0) for dim in dims)

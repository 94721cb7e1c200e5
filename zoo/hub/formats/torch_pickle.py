# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""`pytorch_model.bin`: a dictionary of tensors as torch.save writes it, read without running anything.

The pickle inside is a program for a stack machine. Here its instructions are only read (`pickletools` decodes them) and
a few of them followed: those that make containers and numbers, and calls of the handful of names in `_CALLS`, which
stand for functions of ours. Any other name or instruction is an error. Numbers are mapped from the file, not copied.
Files are zip archives (torch 1.6 and later, stored and not compressed) or the older form, pickles end to end.
"""

import dataclasses
import io
import pickletools
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from zoo.errors import FormatError
from zoo.files import open_regular
from zoo.hub.tensors import each_piece, map_file

_MAX_PICKLE = 64 * 2**20  # bytes: a hundred for each tensor, and no model has so many
_MAGIC = 0x1950A86A20F9469CFC6C  # first number of the older form
_ZIP = b"PK\x03\x04"

_DTYPES = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}


class _Refused(Exception):
    """The pickle requests something that is refused."""


@dataclasses.dataclass(frozen=True)
class _Global:
    name: str


@dataclasses.dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype
    size: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_file(path: Path) -> dict[str, np.ndarray]:
    """The tensors of one file, each a view that `fetch` reads.

    Raises:
      FormatError: the file is damaged, or holds anything but a dictionary of tensors.
    """
    with open_regular(path) as file:
        start = file.read(4)
        file.seek(0)
        try:
            return _read_zip(file) if start == _ZIP else _read_legacy(file)
        except _Refused as refusal:
            raise FormatError(f"{path}: {refusal} Nothing in it was run. Get the weights as safetensors.") from None
        except Exception as error:  # a damaged file makes zipfile and pickletools raise whatever comes to them
            raise FormatError(f"{path} is damaged, or no file of torch ({error}). Fetch it again.") from error


def _read_zip(file: io.BufferedReader) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        members = {info.filename: info for info in infos}
        if len(members) < len(infos):
            raise _Refused("two of its members have one name.")
        program = next((name for name in members if name.endswith("/data.pkl") and name.count("/") == 1), None)
        if program is None:
            raise _Refused("it holds no data.pkl.")
        stem = program.removesuffix("data.pkl")
        read = {name: _extent(file, info) for name, info in members.items() if name in (program, f"{stem}byteorder")}
        data = map_file(file)
        _check_sums(data, {extent: members[name] for name, extent in read.items()})
        if f"{stem}byteorder" in read and _bytes(file, *read[f"{stem}byteorder"]) != b"little":
            raise _Refused("its numbers are not little-endian.")
        tensors = _tensors(_run(io.BytesIO(_bytes(file, *read[program]))))
        extents = {
            name.removeprefix(f"{stem}data/"): _extent(file, info)
            for name, info in members.items()
            if name.startswith(f"{stem}data/")
        }
        _check_sums(data, {extents[key]: members[f"{stem}data/{key}"] for key in extents})
    return _views(data, tensors, extents)


def _check_sums(data: np.ndarray, members: dict[tuple[int, int], zipfile.ZipInfo]) -> None:
    if sum(size for _, size in members) > len(data):
        raise _Refused("its members overlap.")
    for (start, size), info in members.items():
        checksum = 0
        for piece in each_piece(data[start : start + size]):
            checksum = zlib.crc32(piece.data, checksum)
        if checksum != info.CRC:
            raise _Refused(f"the checksum of its member {info.filename!r} is wrong; it is damaged.")


def _extent(file: io.BufferedReader, info: zipfile.ZipInfo) -> tuple[int, int]:
    """Where a member's bytes are in the file."""
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise _Refused(f"its member {info.filename!r} is compressed, which torch does not do.")
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != _ZIP:
        raise ValueError(f"no member begins at byte {info.header_offset}")
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return info.header_offset + 30 + names, info.file_size


def _read_legacy(file: io.BufferedReader) -> dict[str, np.ndarray]:
    if _run(file) != _MAGIC or _run(file) != 1001:
        raise _Refused("it is not a dictionary of tensors written by torch.save.")
    system = _run(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _Refused("its numbers are not little-endian.")
    tensors, keys = _tensors(_run(file)), _run(file)
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    extents, position = {}, file.tell()
    for key in keys:
        size = int.from_bytes(_bytes(file, position, 8), "little") * dtypes[key].itemsize
        extents[key] = (position + 8, size)
        position += 8 + size
    return _views(map_file(file), tensors, extents)


def _bytes(file: io.BufferedReader, start: int, size: int) -> bytes:
    if size > _MAX_PICKLE:
        raise _Refused(f"its pickle has {size} bytes; {_MAX_PICKLE} is the limit.")
    file.seek(start)
    found = file.read(size)
    if len(found) < size:
        raise EOFError(f"it ends before byte {start + size}")
    return found


def _views(data: np.ndarray, tensors: dict[str, _Tensor], extents: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    views = {}
    for name, tensor in tensors.items():
        start, size = extents[tensor.storage.key]
        if start + size > len(data) or tensor.storage.size * tensor.storage.dtype.itemsize > size:
            raise EOFError(f"the numbers of {name!r} end behind the file's end")
        last = tensor.offset + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True))
        if 0 in tensor.shape:
            views[name] = np.empty(tensor.shape, tensor.storage.dtype)
            continue
        if last >= tensor.storage.size:
            raise ValueError(f"{name!r} reaches beyond its storage")
        numbers = data[start : start + size].view(tensor.storage.dtype)[tensor.offset :]
        strides = [stride * tensor.storage.dtype.itemsize for stride in tensor.strides]
        views[name] = np.lib.stride_tricks.as_strided(numbers, tensor.shape, strides, subok=True, writeable=False)
    return views


def _tensors(value: Any) -> dict[str, _Tensor]:
    if not isinstance(value, dict) or not value:
        raise _Refused(f"it holds {type(value).__name__.lstrip('_')}, not a dictionary of tensors.")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise _Refused(f"its entry {name!r:.80} is {type(tensor).__name__.lstrip('_')}, not a tensor.")
    return value


def _rebuild_tensor(storage, offset, shape, strides, *_) -> _Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(type(n) is int and n >= 0 for n in numbers) or len(shape) > 32:
        raise _Refused("a tensor in it is not described by whole numbers.")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(data, *_) -> _Tensor:
    return data


def _ordered_dict(items=()) -> dict:
    return _put({}, [part for item in items for part in _pair(item)])


_CALLS: dict[str, Callable] = {
    "collections OrderedDict": _ordered_dict,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_tensor": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
    "torch Size": tuple,
}
_KINDS = {f"torch {name}": dtype for name, dtype in _DTYPES.items()}


def _storage(identity: Any) -> _Storage:
    """What a persistent id names: `("storage", kind, key, device, number of elements)`."""
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise _Refused("it refers to something that is not a storage.")
    kind, key, size = identity[1], identity[2], identity[4]
    if not isinstance(kind, _Global) or kind.name not in _KINDS or not isinstance(key, str) or type(size) is not int:
        raise _Refused("a storage in it is of a kind that is not supported.")
    if len(identity) == 6 and identity[5] is not None:
        raise _Refused("a storage in it is a view of another.")
    return _Storage(key, _KINDS[kind.name], size)


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS_AND_TEXT = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


def _run(file: io.BufferedReader | io.BytesIO) -> Any:
    """Interprets the program at the file's position, and leaves the file after it."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for instruction, argument, _ in pickletools.genops(file):
        name = instruction.name
        if name == "STOP":
            return stack.pop()
        if name in ("PROTO", "FRAME"):
            continue
        if name in _NUMBERS_AND_TEXT:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[argument])
        else:
            _build(name, argument, stack)
    raise EOFError("its pickle has no end")


def _build(name: str, argument: Any, stack: list[Any]) -> None:
    """The instructions that combine what is on the stack."""
    if name == "MARK":
        stack.append(_MARK)
    elif name in _TUPLES:
        stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
    elif name == "TUPLE":
        stack.append(tuple(_since_mark(stack)))
    elif name in ("APPEND", "APPENDS"):
        items = _since_mark(stack) if name == "APPENDS" else [stack.pop()]
        _of_type(stack[-1], list).extend(items)
    elif name in ("SETITEM", "SETITEMS"):
        items = _since_mark(stack) if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
        _put(_of_type(stack[-1], dict), items)
    elif name in ("GLOBAL", "STACK_GLOBAL"):
        names = argument if name == "GLOBAL" else " ".join(_of_type(part, str) for part in (stack.pop(-2), stack.pop()))
        if names not in _CALLS and names not in _KINDS:
            raise _Refused(f"it refers to {names.replace(' ', '.')!r:.80}, which no weights need.")
        stack.append(_Global(names))
    elif name == "REDUCE":
        arguments, function = stack.pop(), stack.pop()
        stack.append(_CALLS[_of_type(function, _Global).name](*_of_type(arguments, tuple)))
    elif name == "BINPERSID":
        stack.append(_storage(stack.pop()))
    elif name == "BUILD":
        stack.pop()  # an OrderedDict's attributes, such as torch's _metadata
        _of_type(stack[-1], dict)
    else:
        raise _Refused(f"its pickle has the instruction {name}, which no weights need.")


def _put(target: dict, items: list[Any]) -> dict:
    """Sets keys and values in turn; text and numbers alone are keys, since nested tuples take forever to hash."""
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, int):
            raise _Refused(f"a key in it is of type {type(key).__name__.lstrip('_')}.")
        target[key] = value
    return target


def _pair(item: Any) -> list[Any]:
    if not isinstance(item, list | tuple) or len(item) != 2:
        raise ValueError("an entry of a dictionary is not a pair")
    return list(item)


def _since_mark(stack: list[Any]) -> list[Any]:
    position = len(stack) - 1
    while stack[position] is not _MARK:
        position -= 1
        if position < 0:
            raise ValueError("its pickle closes what it did not open")
    items = stack[position + 1 :]
    del stack[position:]
    return items


def _of_type(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise _Refused(f"its pickle treats {type(value).__name__.lstrip('_')} as {kind.__name__.lstrip('_')}.")
    return value

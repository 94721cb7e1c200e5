# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Opening files that come from elsewhere, and small JSON files: read strictly, written as the Hub writes them."""

import collections
import hashlib
import io
import json
import math
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import FormatError

_MAX_BYTES = 64 * 2**20


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


def sha256(path: Path) -> str:
    """Of a regular file's contents, in hex; FormatError as `open_regular` raises it."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_array(values: np.ndarray) -> str:
    """Of the elements in row-major order, in hex."""
    return hashlib.sha256(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data).hexdigest()


def sha256_of_json(value: Any) -> str:
    """Of a value as JSON gives it back, in hex; the order of keys does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_json(path: Path, *, default: dict[str, Any] | None = None, max_bytes: int = _MAX_BYTES) -> dict[str, Any]:
    """Parses a file that holds an object; `default`, if given, stands for a file that is not there.

    Raises:
      FormatError: the file is absent, not a regular file, too large, no JSON, or repeats a key.
    """
    if default is not None and not os.path.lexists(path):
        return default
    return parse_json(_read_text(path, max_bytes), str(path))


def read_json_list(path: Path, *, max_bytes: int = _MAX_BYTES) -> list[Any]:
    """Parses a file that holds an array; FormatError as `read_json` raises it."""
    value = _parse(_read_text(path, max_bytes), str(path))
    if not isinstance(value, list):
        raise FormatError(f"{path} must hold a JSON array; found {type(value).__name__}.")
    return value


def _read_text(path: Path, max_bytes: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO must not block
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
                raise FormatError(f"{path} must be a regular file of at most {max_bytes} bytes.")
            return file.read(max_bytes)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}. A model's folder needs it.") from error


def parse_json(text: bytes, where: str) -> dict[str, Any]:
    """An object without repeated keys or NaN, after a byte order mark or not; FormatError for anything else."""
    value = _parse(text, where)
    if not isinstance(value, dict):
        raise FormatError(f"{where} must hold a JSON object; found {type(value).__name__}.")
    return value


def _parse(text: bytes, where: str) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not valid JSON: {error}. Fetch or save it again.") from error


def write_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Writes an object or an array."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def json_line(row: Mapping[str, Any]) -> str:
    """One line of JSON lines; JSON has no NaN, so a number that is not finite becomes null."""
    plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
    return json.dumps(plain, ensure_ascii=False) + "\n"


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes JSON lines."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(map(json_line, rows))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = [key for key, count in collections.Counter(key for key, _ in pairs).items() if count > 1]
        raise ValueError(f"the key {repeated[0]!r} appears twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")

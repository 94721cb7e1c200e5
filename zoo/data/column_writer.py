# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writing the rows of a table with new columns behind its own, in any of the formats that `zoo.data.formats` reads."""

import bz2
import contextlib
import datetime
import decimal
import functools
import gzip
import json
import lzma
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.columns import Table
from zoo.data.formats import Row, table_format
from zoo.data.schema import Feature
from zoo.errors import ConfigError, FormatError, InputError

_QUOTED = re.compile('^\ufeff|[,"\r\n]')  # what must stand between quotes; a leading mark would be taken for the file's
_AS_TEXT = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)
_ROW_GROUP = 2**14  # rows of a Parquet file that are written at a time
_Values = Sequence[Any] | np.ndarray
_Write = Callable[[Sequence[Row], Mapping[str, _Values]], None]


@contextlib.contextmanager
def write_table(path: str | Path, like: Table, new: Mapping[str, type], *, overwrite: bool = False) -> Iterator[_Write]:
    """A function that appends rows of `like`, with the values of the new columns; the file appears when all went well.

    Everything is written next to `path` and renamed at the end. The suffix of `path` chooses the format, and the
    columns of `like` are copied as they are.

    Args:
      new: names and types of the new columns: str, int or float, or object for lists of texts.
      overwrite: whether an existing file is replaced.

    Raises:
      ConfigError: a column exists already, the file exists or cannot be written, or an unknown suffix.
      FormatError: a value that the format cannot hold.
    """
    path = Path(path).expanduser()
    suffix = table_format(path)
    check_output(path, like, new, overwrite=overwrite)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "xb") as file:
            with _compressed(path, file) as target, _WRITERS[suffix](path, target, like, new) as write:
                yield write
            file.flush()
            os.fsync(file.fileno())
        check_output(path, like, new, overwrite=overwrite)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror or error}); choose another file.") from error
    finally:
        partial.unlink(missing_ok=True)


def prediction_columns(label: Feature) -> dict[str, type]:
    """Names and types of the columns that hold predictions of a label: `prediction`, and `probability:NAME` a class."""
    if label.kind == "float":
        return {"prediction": float}
    return {"prediction": str, **{f"probability:{name}": float for name in label.classes}}


def check_output(path: str | Path, like: Table, new: Mapping[str, type], *, overwrite: bool = False) -> None:
    """ConfigError for what `write_table` refuses before it writes; a check before slow work."""
    path = Path(path).expanduser()
    if table_format(path) not in _WRITERS:
        raise ConfigError(f"{path}: files of SQuAD's form are not written; choose an output that ends in .jsonl.")
    if clashes := [name for name in new if name in like.columns]:
        raise ConfigError(
            f"{like} has a column {clashes[0]!r} already, which is the name of a new column; rename "
            "that column in the input, or leave it out."
        )
    if not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
    if path.exists() and like.file is not None and like.file.exists() and path.samefile(like.file):
        raise ConfigError(f"{path} is the input itself; write to another file.")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it.")
    if os.path.lexists(path) and not overwrite:
        raise ConfigError(f"{path} already exists; choose another file, or overwrite it (--overwrite, overwrite=True).")


def _compressed(path: Path, file: Any) -> contextlib.AbstractContextManager[Any]:
    """The file, compressed by its suffix; the same rows give the same bytes."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0)
    if suffix == ".bz2":
        return bz2.BZ2File(file, "wb")
    return lzma.LZMAFile(file, "wb") if suffix == ".xz" else contextlib.nullcontext(file)


@contextlib.contextmanager
def _delimited(
    encode: Callable[..., str], path: Path, file: BufferedIOBase, like: Table, new: Mapping[str, type]
) -> Iterator[_Write]:
    columns = (*like.columns, *new)
    file.write(encode(columns, f"{path}, line 1", columns).encode())

    def write(rows: Sequence[Row], values: Mapping[str, _Values]) -> None:
        for row, record in _records(rows, values, like, new):
            where = like.location(row.line)
            _check_columns(record, columns, where)
            fields = [_flat(record.get(name), where, name) for name in columns]
            file.write(encode(fields, where, columns).encode())

    yield write


def _encode_csv(fields: Sequence[str], where: str, columns: Sequence[str]) -> str:
    _check_text(fields, where, columns, "\0")
    quoted = ('"' + field.replace('"', '""') + '"' if _QUOTED.search(field) else field for field in fields)
    return (",".join(quoted) or '""') + "\n"  # a line that is blank would be no row


def _encode_tsv(fields: Sequence[str], where: str, columns: Sequence[str]) -> str:
    _check_text(fields, where, columns, "\0\t\r\n")
    line = "\t".join(fields)
    if not line or line.startswith("\ufeff"):
        raise FormatError(
            f"{where}: {line!r:.60} cannot be the start of a TSV line; choose an output that ends in .csv."
        )
    return line + "\n"


def _check_text(fields: Sequence[str], where: str, columns: Sequence[str], refused: str) -> None:
    for name, field in zip(columns, fields, strict=True):
        for char in refused:
            if char in field:
                raise FormatError(
                    f"{where}, column {name!r}: {char!r} cannot be written to this kind of file; choose an output that "
                    "ends in .jsonl or .parquet."
                )


def _flat(value: Any, where: str, column: str) -> str:
    """What CSV and TSV write for a value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float) or isinstance(value, _AS_TEXT):
        return str(value)
    raise FormatError(
        f"{where}, column {column!r}: a {type(value).__name__} cannot be one field of text; choose an output that "
        "ends in .jsonl or .parquet."
    )


@contextlib.contextmanager
def _conll(path: Path, file: BufferedIOBase, like: Table, new: Mapping[str, type]) -> Iterator[_Write]:
    columns = (*like.columns, *new)

    def write(rows: Sequence[Row], values: Mapping[str, _Values]) -> None:
        for row, record in _records(rows, values, like, new):
            fields = [record.get(name) for name in columns]
            lengths = {len(field) if isinstance(field, list) else None for field in fields}
            if None in lengths or len(lengths) > 1:
                raise FormatError(
                    f"{like.location(row.line)}: a .conll file holds a list of words and lists as long; choose an "
                    "output that ends in .jsonl."
                )
            lines = [" ".join(map(str, items)) + "\n" for items in zip(*fields, strict=True)]
            file.write(("".join(lines) + "\n").encode())

    yield write


@contextlib.contextmanager
def _json_lines(path: Path, file: BufferedIOBase, like: Table, new: Mapping[str, type]) -> Iterator[_Write]:
    def write(rows: Sequence[Row], values: Mapping[str, _Values]) -> None:
        for row, record in _records(rows, values, like, new):
            try:
                line = json.dumps(record, ensure_ascii=False, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise FormatError(
                    f"{like.location(row.line)}: a value that JSON cannot hold ({error}); choose an output that ends "
                    "in .parquet, or leave that column out of the input."
                ) from error
            file.write(line.encode() + b"\n")

    yield write


@contextlib.contextmanager
def _parquet(path: Path, file: BufferedIOBase, like: Table, new: Mapping[str, type]) -> Iterator[_Write]:
    import pyarrow
    import pyarrow.parquet

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    writer, pending = None, []

    def added() -> list[Any]:
        """The new columns; the values of one whose type is `object` decide what it is."""
        lists = pyarrow.list_(pyarrow.string())
        first = {name: pyarrow.array([pending[0][name]]).type if pending else lists for name in new}
        return [pyarrow.field(name, types.get(kind, first[name])) for name, kind in new.items()]

    def flush() -> None:
        nonlocal writer
        try:
            if writer is None:
                writer = pyarrow.parquet.ParquetWriter(file, _schema(like, pending, added()))
            writer.write_table(pyarrow.Table.from_pylist(pending, schema=writer.schema))
        except (pyarrow.ArrowException, TypeError, ValueError) as error:
            raise FormatError(
                f"{like}: values of one column differ in type ({error}); choose an output that ends in .jsonl."
            ) from error
        pending.clear()

    def write(rows: Sequence[Row], values: Mapping[str, _Values]) -> None:
        for row, record in _records(rows, values, like, new):
            _check_columns(record, (*like.columns, *new), like.location(row.line))
            pending.append(record)
        if len(pending) >= _ROW_GROUP:
            flush()

    try:
        yield write
        if pending or writer is None:
            flush()
    finally:
        if writer is not None:
            writer.close()


def _schema(like: Table, records: list[dict[str, Any]], added: list) -> Any:
    """The Parquet input's own schema, or text for CSV and TSV, or what the first records of JSON lines are."""
    import pyarrow

    schema = like.arrow_schema
    if schema is None and like.file is not None and table_format(like.file) in (".csv", ".tsv"):
        schema = pyarrow.schema([(name, pyarrow.string()) for name in like.columns])
    elif schema is None:
        inferred = {name: pyarrow.array([record.get(name) for record in records]).type for name in like.columns}
        schema = pyarrow.schema([*inferred.items()])
    for field in added:
        schema = schema.append(field)
    return schema


def _records(
    rows: Sequence[Row], values: Mapping[str, _Values], like: Table, new: Mapping[str, type]
) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Each row with its values and those of the new columns, as Python's own types."""
    if {*values} != {*new} or any(len(column) != len(rows) for column in values.values()):
        found = ", ".join(f"{name} ({len(column)})" for name, column in values.items())
        raise InputError(f"expected the columns {', '.join(new)} of {len(rows)} values each; found {found or 'none'}.")
    for index, row in enumerate(rows):
        if clash := [name for name in new if name in row.values]:
            raise FormatError(
                f"{like.location(row.line, clash[0])} has the name of a new column; rename it in the input."
            )
        yield row, {**row.values, **{name: _python(values[name][index], kind) for name, kind in new.items()}}


def _python(value: Any, kind: type) -> Any:
    """A value of a type; a float32 by its shortest digits: 0.1, and not 0.10000000149011612."""
    value = float(str(value)) if isinstance(value, np.floating) else value
    return value if kind is object else kind(value)


def _check_columns(record: Mapping[str, Any], columns: Sequence[str], where: str) -> None:
    """Refuses what a later record of JSON lines has and the columns, which are those of the first, do not."""
    if surplus := [name for name in record if name not in columns]:
        raise FormatError(
            f"{where}: a column {surplus[0]!r}, which the first record lacks, does not fit into a table; choose an "
            "output that ends in .jsonl."
        )


_WRITERS: dict[str, Callable] = {
    ".csv": functools.partial(_delimited, _encode_csv),
    ".tsv": functools.partial(_delimited, _encode_tsv),
    ".conll": _conll,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tables in files, read row by row: CSV, TSV, JSON lines and Parquet, told apart by their suffix.

The text formats are UTF-8, with or without a byte order mark, and may be compressed (`.csv.gz`). Quotes in a TSV file
are text, as in those of GLUE. Every error names the file and the line, and for a CSV record of several lines the first.
"""

import contextlib
import csv
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

from zoo.data.lines import read_lines
from zoo.errors import ConfigError, FormatError, ZooError
from zoo.files import open_regular

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
ADVICE = f"expected a file that ends in {', '.join(SUFFIXES[:-1])} (or one of these with .gz), or in {SUFFIXES[-1]}"
_CHUNK = 1024  # rows of a Parquet file in memory at a time
_MAX_FIELD = 2**27  # characters
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its values by column, and its line (of a Parquet file its number), counted from 1."""

    line: int
    values: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table in a file, which can be read any number of times while the file stays as it is.

    Attributes:
      columns: names, in the file's order; of JSON lines those of the first record, and later ones may have others.
      arrow_schema: `pyarrow.Schema` of a Parquet file.
    """

    path: Path
    columns: tuple[str, ...]
    arrow_schema: Any
    _stamp: tuple[int, ...]

    def __iter__(self) -> Iterator[Row]:
        with self._open() as file:
            yield from _READERS[table_format(self.path)](self.path, file, self.columns)

    def place(self, line: int, column: str = "") -> str:
        """Where a value stands, for messages."""
        counted = "row" if table_format(self.path) == ".parquet" else "line"
        return f"{self.path}, {counted} {line}" + (f", column {column!r}" if column else "")

    def sha256(self) -> str:
        """The hash of the file's bytes."""
        with self._open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextlib.contextmanager
    def _open(self) -> Iterator[BufferedReader]:
        """The file; FormatError if it is not what it was when the table was opened, before or after it is read."""
        with open_regular(self.path) as file:
            self._check_stamp()
            try:
                yield file
            except ZooError:
                self._check_stamp()  # a change explains the error
                raise
            self._check_stamp()

    def _check_stamp(self) -> None:
        if _stamp(self.path) != self._stamp:
            raise FormatError(
                f"{self.path} changed while it was read (its size, its time or the file itself); wait until whatever "
                "writes it is done, then start again."
            )


def open_table(path: str | Path, *, required: Sequence[str] = ()) -> Table:
    """Opens a table and reads its header.

    Raises:
      ConfigError: no such file, an unknown suffix, or a file without the columns `required`. FormatError: no header.
    """
    path = Path(path).expanduser()
    suffix = table_format(path)
    _check_is_file(path)
    with open_regular(path) as file:
        stamp = _stamp(path)
        columns, arrow_schema = _HEADERS[suffix](path, file)
    _check_names(path, columns, required)
    return Table(path, columns, arrow_schema, stamp)


def table_format(path: Path) -> str:
    """Which of `SUFFIXES` a file's name ends in; ConfigError for none of them."""
    name = path.name.lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    if suffix not in SUFFIXES or (suffix == ".parquet" and name.endswith(".gz")):
        raise ConfigError(f"{path} has a suffix of no known table: {ADVICE}.")
    return suffix


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        tables = sorted(
            entry.name for entry in path.iterdir() if entry.name.lower().removesuffix(".gz").endswith(SUFFIXES)
        )
        raise ConfigError(f"{path} is a folder; name one table (in it are: {', '.join(tables[:8]) or 'none'}).")
    if not path.exists():
        raise ConfigError(f"{path} does not exist; {ADVICE}.")


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _check_names(path: Path, columns: tuple[str, ...], required: Sequence[str]) -> None:
    found = f"The first line is read as the header; found the columns {', '.join(map(repr, columns))}"
    if missing := [name for name in required if name not in columns]:
        hint = "Its names look like data: add a line of column names" if any(map(_is_number, columns)) else "Name one"
        raise ConfigError(f"{path}, line 1: no column {', '.join(map(repr, missing))}. {found}. {hint}.")
    if empty := [number for number, name in enumerate(columns, 1) if not name.strip()]:
        raise FormatError(
            f"{path}, line 1: column {empty[0]} has no name. {found}. Add a line of column names if there is none; "
            "pandas leaves out the name of the index, which to_csv(index=False) does not write."
        )
    if repeated := [name for name in columns if columns.count(name) > 1]:
        raise FormatError(f"{path}, line 1: the column {repeated[0]!r} appears twice. {found}. Rename one of them.")


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


# -- Text ------------------------------------------------------------------------------------------------------------


def _csv_records(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_FIELD))  # the module's own limit is for all its readers
    reader = csv.reader(lines, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise FormatError(
                f"{path}, line {line}: not a CSV record ({error}); expected a quoted field to end in a quote and a "
                'comma, and a quote within it to be doubled (""). A TSV file needs the suffix .tsv.'
            ) from error
        if fields is None:
            return
        if fields:  # not a blank line
            yield line, fields


def _tsv_records(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, 1):
        if line := line.rstrip("\r\n"):
            yield number, line.split("\t")


def _delimited_header(records: Callable, path: Path, file: BufferedReader) -> tuple[tuple[str, ...], None]:
    with read_lines(path, file) as lines:
        first = next(records(path, lines), None)
    if first is None:
        raise FormatError(f"{path} is empty; expected a line of column names, and then rows.")
    return tuple(first[1]), None


def _delimited_rows(records: Callable, path: Path, file: BufferedReader, columns: tuple[str, ...]) -> Iterator[Row]:
    with read_lines(path, file) as lines:
        for line, fields in itertools.islice(records(path, lines), 1, None):
            if len(fields) != len(columns):
                raise FormatError(
                    f"{path}, line {line}: expected {len(columns)} columns ({', '.join(columns)}); found "
                    f"{len(fields)}, of which the first is {fields[0]!r:.60}. Correct that line"
                    + (", or put quotes around a field that has a comma in it." if records is _csv_records else ".")
                )
            yield Row(line, dict(zip(columns, fields, strict=True)))


def _json_header(path: Path, file: BufferedReader) -> tuple[tuple[str, ...], None]:
    with contextlib.closing(_json_rows(path, file, ())) as rows:
        first = next(rows, None)
    if first is None:
        raise FormatError(f"{path} is empty; expected one JSON object a line.")
    return tuple(first.values), None


def _json_rows(path: Path, file: BufferedReader, columns: tuple[str, ...]) -> Generator[Row]:
    with read_lines(path, file) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield Row(number, _parse(line, f"{path}, line {number}"))


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        record = _DECODER.decode(line.strip())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: not JSON ({error}); expected one object a line, whole on that line.") from error
    if not isinstance(record, dict):
        raise FormatError(f"{where}: expected a JSON object; found {type(record).__name__}. Write one object a line.")
    if "\\u" in line and (lone := _SURROGATE.search(json.dumps(record, ensure_ascii=False))):
        raise FormatError(f"{where}: the lone surrogate {lone[0]!r} is not Unicode text; write the file again.")
    return record


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number; leave the value out, or write null")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


# -- Parquet ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _parquet(path: Path, file: BufferedReader) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        yield pyarrow.parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError, ValueError) as error:  # ValueError: a time finer than Python's
        raise FormatError(f"{path} is not a Parquet file that can be read ({error}); write it again.") from error


def _parquet_header(path: Path, file: BufferedReader) -> tuple[tuple[str, ...], Any]:
    with _parquet(path, file) as parquet:
        return tuple(parquet.schema_arrow.names), parquet.schema_arrow


def _parquet_rows(path: Path, file: BufferedReader, columns: tuple[str, ...]) -> Iterator[Row]:
    with _parquet(path, file) as parquet:
        batches = (batch.to_pylist() for batch in parquet.iter_batches(_CHUNK))
        yield from itertools.starmap(Row, enumerate(itertools.chain.from_iterable(batches), 1))


_HEADERS: dict[str, Callable] = {
    ".csv": functools.partial(_delimited_header, _csv_records),
    ".tsv": functools.partial(_delimited_header, _tsv_records),
    ".jsonl": _json_header,
    ".ndjson": _json_header,
    ".parquet": _parquet_header,
}
_READERS: dict[str, Callable] = {
    ".csv": functools.partial(_delimited_rows, _csv_records),
    ".tsv": functools.partial(_delimited_rows, _tsv_records),
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".parquet": _parquet_rows,
}

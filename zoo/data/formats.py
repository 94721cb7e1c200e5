# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The formats of tables, told apart by the file's suffix: CSV, TSV, JSON lines, CoNLL and Parquet, read row by row.

A `.json` is one of SQuAD's, of which a question is a row.

The text formats are UTF-8, with or without a byte order mark, and may be compressed (`.csv.gz`, `.bz2`, `.xz`). Quotes
in a TSV file are text, as in those of GLUE. Every error names the file and the line, and for a CSV record of several
lines the first.
"""

import contextlib
import csv
import dataclasses
import functools
import itertools
import json
import re
from collections.abc import Callable, Generator, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from zoo.data.lines import COMPRESSIONS, format_suffix, read_lines
from zoo.data.squad_json import COLUMNS, read_squad
from zoo.errors import ConfigError, FormatError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".conll", ".json", ".parquet")
ADVICE = (
    f"expected a file that ends in {', '.join(SUFFIXES[:-2])} (or one of these with {' or '.join(COMPRESSIONS)}), "
    f"or in {' or '.join(SUFFIXES[-2:])}"
)
_WHOLE_FILES = (".json", ".parquet")  # not read line by line, and so not compressed
_CHUNK = 1024  # rows of a Parquet file in memory at a time
_MAX_FIELD = 2**27  # characters
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its values by column, and its line (of a Parquet file its number), counted from 1."""

    line: int
    values: dict[str, Any]


def table_format(path: Path) -> str:
    """Which of `SUFFIXES` a file's name ends in, compressed or not; ConfigError for none of them."""
    suffix = format_suffix(path)
    if suffix not in SUFFIXES or (suffix in _WHOLE_FILES and path.suffix.lower() != suffix):
        raise ConfigError(f"{path} is not a supported table: {ADVICE}.")
    return suffix


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


def _delimited_rows(
    records: Callable, path: Path, file: BufferedReader, columns: tuple[str, ...], *, first: int = 1
) -> Iterator[Row]:
    with read_lines(path, file) as lines:
        for line, fields in itertools.islice(records(path, lines), first, None):
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


def _conll_header(path: Path, file: BufferedReader) -> tuple[tuple[str, ...], None]:
    with contextlib.closing(_conll_rows(path, file, ())) as rows:
        first = next(rows, None)
    if first is None:
        raise FormatError(f"{path} is empty; expected a word a line with its tag, and a blank line after a sentence.")
    return tuple(first.values), None


def _conll_rows(path: Path, file: BufferedReader, columns: tuple[str, ...]) -> Generator[Row]:
    """Sentences: the columns of CoNLL-2003's files, of which the first are `words` and the last `tags`."""
    with read_lines(path, file) as lines:
        start, sentence = 0, []
        for number, line in enumerate(itertools.chain(lines, [""]), 1):
            fields = line.split()
            if fields and fields[0] != "-DOCSTART-":
                if sentence and len(fields) != len(sentence[0]):
                    raise FormatError(
                        f"{path}, line {number}: expected {len(sentence[0])} columns, as in line {start}; found "
                        f"{len(fields)}. Correct that line, or put a blank line between sentences."
                    )
                start = start if sentence else number
                sentence.append(fields)
            elif sentence:
                middle = (f"column {index}" for index in range(2, len(sentence[0])))
                names = ("words", *middle, "tags") if len(sentence[0]) > 1 else ("words",)
                yield Row(start, dict(zip(names, map(list, zip(*sentence, strict=True)), strict=True)))
                sentence = []


def _squad_header(path: Path, file: BufferedReader) -> tuple[tuple[str, ...], None]:
    if next(read_squad(path, file), None) is None:
        raise FormatError(f"{path} has no questions; expected SQuAD's JSON.")
    return COLUMNS, None


def _squad_rows(path: Path, file: BufferedReader, columns: tuple[str, ...]) -> Iterator[Row]:
    yield from itertools.starmap(Row, enumerate(read_squad(path, file), 1))


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


HEADERS: dict[str, Callable] = {
    ".csv": functools.partial(_delimited_header, _csv_records),
    ".tsv": functools.partial(_delimited_header, _tsv_records),
    ".jsonl": _json_header,
    ".ndjson": _json_header,
    ".conll": _conll_header,
    ".json": _squad_header,
    ".parquet": _parquet_header,
}
READERS: dict[str, Callable] = {
    ".csv": functools.partial(_delimited_rows, _csv_records),
    ".tsv": functools.partial(_delimited_rows, _tsv_records),
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".conll": _conll_rows,
    ".json": _squad_rows,
    ".parquet": _parquet_rows,
}
HEADERLESS: dict[str, Callable] = {
    ".csv": functools.partial(_delimited_rows, _csv_records, first=0),
    ".tsv": functools.partial(_delimited_rows, _tsv_records, first=0),
}

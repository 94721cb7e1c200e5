# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tables in files, opened and read again as often as is needed, with the position of every fault."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

from zoo.data.formats import ADVICE, HEADERS, READERS, SUFFIXES, Row, table_format
from zoo.data.lines import format_suffix
from zoo.data.stamp import stamp
from zoo.errors import ConfigError, FormatError, InputError, ZooError
from zoo.files import open_regular


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
            yield from READERS[table_format(self.path)](self.path, file, self.columns)

    def location(self, line: int, column: str = "") -> str:
        """Where a value stands, for messages."""
        counted = {".parquet": "row", ".json": "question"}.get(table_format(self.path), "line")
        return f"{self.path}, {counted} {line}" + (f", column {column!r}" if column else "")

    def text(self, row: Row, column: str) -> str:
        """The text of a row's column; InputError if it is empty, or not text."""
        value = row.values.get(column)
        if isinstance(value, str) and value.strip():
            return value
        found = "nothing" if value is None or isinstance(value, str) else f"{type(value).__name__} {value!r:.60}"
        raise InputError(
            f"{self.location(row.line, column)}: expected text; found {found}. Fill it in, or remove that row."
        )

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
        if stamp(self.path) != self._stamp:
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
    _check_is_file(path)
    suffix = table_format(path)
    with open_regular(path) as file:
        before = stamp(path)
        columns, arrow_schema = HEADERS[suffix](path, file)
    _check_names(path, columns, required)
    return Table(path, columns, arrow_schema, before)


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        tables = sorted(entry.name for entry in path.iterdir() if format_suffix(entry) in SUFFIXES)
        raise ConfigError(f"{path} is a folder; name one table (in it are: {', '.join(tables[:8]) or 'none'}).")
    if not path.exists():
        raise ConfigError(f"{path} does not exist; {ADVICE}.")


def _check_names(path: Path, columns: tuple[str, ...], required: Sequence[str]) -> None:
    """Refuses columns of which one is missing, has no name, or has that of another."""
    starts = {".csv": "line 1", ".tsv": "line 1", ".conll": "first sentence", ".parquet": "schema"}
    header = starts.get(table_format(path), "first record")
    found = f"Found the columns {', '.join(map(repr, columns)) or 'none'}"
    if missing := [name for name in required if name not in columns]:
        raise ConfigError(
            f"{path}, {header}: expected a column {', '.join(map(repr, missing))}. {found}. {_advise(path, columns)}"
        )
    if empty := [number for number, name in enumerate(columns, 1) if not name.strip()]:
        raise FormatError(
            f"{path}, {header}: column {empty[0]} has no name. {found}. Add a line of column names if there is none; "
            "pandas leaves out the name of the index, which to_csv(index=False) does not write."
        )
    if repeated := [name for name in columns if columns.count(name) > 1]:
        raise FormatError(f"{path}, {header}: the column {repeated[0]!r} appears twice. {found}. Rename one of them.")


def _advise(path: Path, columns: tuple[str, ...]) -> str:
    """What to do about columns that are not those that were expected."""
    suffix = table_format(path)
    if suffix not in (".csv", ".tsv"):
        return "Name one of these."
    if len(columns) == 1 and any(char in columns[0] for char in ",;\t"):
        return f"A {suffix} file must be separated by {'commas' if suffix == '.csv' else 'tabs'}; convert it."
    if any(map(_is_number, columns)):
        return "They look like data: add a first line of column names."
    return "Name one of these, or add a first line of column names if there is none."


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tables, opened and read again as often as is needed, with the position of every fault; those of files."""

import abc
import contextlib
import dataclasses
import difflib
import hashlib
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

from zoo.data.formats import ADVICE, HEADERLESS, HEADERS, READERS, SUFFIXES, Row, table_format
from zoo.data.lines import format_suffix
from zoo.data.stamp import stamp
from zoo.errors import ConfigError, FormatError, InputError, ZooError
from zoo.files import open_regular

_NAMES = "data.column_names, or in --column_names for a prediction"


@dataclasses.dataclass(frozen=True)
class Table(abc.ABC):
    """Rows with named columns, which can be read any number of times while they stay as they are.

    Attributes:
      columns: names, in the table's order; of JSON lines those of the first record, and later ones may have others.
    """

    columns: tuple[str, ...]

    @abc.abstractmethod
    def __iter__(self) -> Iterator[Row]:
        """The rows in order."""

    @abc.abstractmethod
    def __str__(self) -> str:
        """What messages call it."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What it is called wherever it stands, without a folder."""

    @abc.abstractmethod
    def sha256(self) -> str:
        """The hash of its content."""

    @property
    @abc.abstractmethod
    def counted(self) -> str:
        """What `Row.line` counts."""

    @property
    def file(self) -> "Path | None":
        """The file that it is, if it is one."""
        return None

    @property
    def arrow_schema(self) -> Any:
        """The `pyarrow.Schema` of its columns, where it has one."""
        return None

    def location(self, line: int, column: str = "") -> str:
        """Where a value stands, for messages."""
        return f"{self}, {self.counted} {line}" + (f", column {column!r}" if column else "")

    def text(self, row: Row, column: str) -> str:
        """The text of a row's column; InputError if it is empty, or not text."""
        value = row.values.get(column)
        if isinstance(value, str) and value.strip():
            return value
        found = "nothing" if value is None or isinstance(value, str) else f"{type(value).__name__} {value!r:.60}"
        raise InputError(
            f"{self.location(row.line, column)}: expected text; found {found}. Fill it in, or remove that row."
        )


@dataclasses.dataclass(frozen=True)
class FileTable(Table):
    """A table in a file.

    Attributes:
      has_header: whether its first line names the columns.
    """

    path: Path
    has_header: bool
    _arrow_schema: Any
    _stamp: tuple[int, ...]

    def __iter__(self) -> Iterator[Row]:
        readers = READERS if self.has_header else HEADERLESS
        with self._open() as file:
            yield from readers[table_format(self.path)](self.path, file, self.columns)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def file(self) -> Path:
        return self.path

    @property
    def arrow_schema(self) -> Any:
        return self._arrow_schema

    @property
    def counted(self) -> str:
        return {".parquet": "row", ".json": "question"}.get(table_format(self.path), "line")

    def sha256(self) -> str:
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


def open_file(
    path: str | Path, *, required: Sequence[str] = (), names: Sequence[str] = (), field: str = ""
) -> FileTable:
    """Opens a table in a file and reads its header.

    Args:
      required: columns that it must have.
      names: of the columns, if the file has no line that names them; one that has all of `required` is such a line.
      field: of the config that names the file, for messages.

    Raises:
      ConfigError: no such file, an unknown suffix, or a file without the columns `required`. FormatError: no header.
    """
    path = Path(path).expanduser()
    _check_is_file(path, field)
    suffix = table_format(path)
    if names and suffix not in HEADERLESS:
        raise ConfigError(
            f"{path}: the columns of a {suffix} file are named in the file itself; leave out the names "
            f"{', '.join(names)}, which are for {' and '.join(HEADERLESS)} files without a header."
        )
    with open_regular(path) as file:
        before = stamp(path)
        columns, arrow_schema = HEADERS[suffix](path, file)
    has_header = not names or {*(required or names)} <= {*columns}
    if not has_header:
        columns, arrow_schema = tuple(names), None
    _check_names(path, columns, required)
    return FileTable(columns, path, has_header, arrow_schema, before)


def _check_is_file(path: Path, field: str) -> None:
    if path.is_dir():
        tables = sorted(entry.name for entry in path.iterdir() if format_suffix(entry) in SUFFIXES)
        raise ConfigError(f"{path} is a folder; name one table (in it are: {', '.join(tables[:8]) or 'none'}).")
    if not path.exists():
        raise ConfigError(f"{field} {path} does not exist; {ADVICE}.".lstrip())


def _check_names(path: Path, columns: tuple[str, ...], required: Sequence[str]) -> None:
    """Refuses columns of which one is missing, has no name, or has that of another."""
    starts = {".csv": "line 1", ".tsv": "line 1", ".conll": "first sentence", ".parquet": "schema"}
    header = starts.get(table_format(path), "first record")
    found = f"Found the columns {', '.join(map(repr, columns)) or 'none'}"
    if missing := [name for name in required if name not in columns]:
        near = difflib.get_close_matches(missing[0], columns, n=1)
        meant = f"Did you mean {near[0]!r}? " if near else ""
        wanted = f"{'a column' if len(missing) == 1 else 'the columns'} {', '.join(map(repr, missing))}"
        raise ConfigError(f"{path}, {header}: expected {wanted}. {found}. {meant}{_advise(path, columns)}")
    # One is read: pandas leaves out the name of the index, as in SWAG's files.
    if len(empty := [number for number, name in enumerate(columns, 1) if not name.strip()]) > 1:
        raise FormatError(
            f"{path}, {header}: the columns {', '.join(map(str, empty))} have no name. {found}. Add a line of column "
            "names if there is none."
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
        return f"They look like data: add a first line of column names, or give them in {_NAMES}."
    return f"Name one of these; if there is no line of column names, give them in {_NAMES}."


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True

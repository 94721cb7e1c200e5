# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Text sources: documents of a training and a validation split, in a fixed order, read again at every pass."""

import dataclasses
import glob
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from zoo.data.columns import Table, open_file
from zoo.data.lines import format_suffix
from zoo.data.text_file import TextFile, Unit, document
from zoo.data.tfds_source import read_tfds
from zoo.errors import ConfigError, FormatError

EMBEDDED = Path(__file__).with_name("tinyshakespeare.txt")

_RECORDS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")  # texts in a column
_IN_FOLDERS = (".txt", ".jsonl", ".ndjson")
_REFUSED = {
    **dict.fromkeys((".zst", ".lz4", ".br", ".z"), "it is compressed in a way that is not read here; decompress it"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), "it is a compressed archive; unpack it"),
    ".json": "a JSON file is not a list of documents; write one object per line (JSON lines) and name it .jsonl",
    **dict.fromkeys((".arrow", ".feather", ".orc", ".avro"), "tables of this kind are not read; write it as .parquet"),
    **dict.fromkeys((".pdf", ".doc", ".docx", ".odt", ".epub"), "it is not plain text; export it as .txt"),
    **dict.fromkeys((".npy", ".npz", ".bin", ".safetensors", ".pkl", ".pt"), "it is not text; give text files"),
}


@dataclasses.dataclass(frozen=True)
class Documents:
    """Documents that can be read any number of times.

    Attributes:
      read: starts a pass.
      keep: whether the document of this index belongs to the split.
    """

    read: Callable[[], Iterable[str]]
    keep: Callable[[int], bool] = lambda index: True

    def __iter__(self) -> Iterator[str]:
        return (text for index, text in enumerate(self.read()) if self.keep(index))


@dataclasses.dataclass(frozen=True)
class TextSource:
    """Attributes: train, validation; identity, names and sizes in bytes that distinguish this source."""

    train: Documents
    validation: Documents
    identity: tuple[str, ...]


def open_source(source: str, *, document: str, text_field: str, validation_fraction: float) -> TextSource:
    """The text that a config names; see `zoo.data.text.TextConfig`.

    Raises:
      ConfigError: nothing there, a file that is not text, or no such field.
    """
    if source.startswith("tfds:"):
        splits, name = read_tfds(source.removeprefix("tfds:"), text_field)
        if "validation" in splits:
            return TextSource(Documents(splits["train"]), Documents(splits["validation"]), (name,))
        return _divide(splits["train"], validation_fraction, (name,))
    if document not in ("paragraph", "line", "file"):
        raise ConfigError(f"data.document {document!r} is unknown; use 'paragraph', 'line' or 'file'.")
    paths = [EMBEDDED] if source == "embedded" else _find(source)
    identity = tuple(f"{path.name} {path.stat().st_size}" for path in paths)
    files = [_open(path, text_field) for path in paths]
    return _divide(lambda: read_files(files, document, text_field), validation_fraction, identity)


def read_files(files: Iterable[TextFile | Table], unit: Unit, field: str = "text") -> Iterator[str]:
    """The documents of text files by `unit`, and those of tables, one per row.

    Raises:
      FormatError: a file that is not UTF-8 text, or has changed; a row without the field.
    """
    for file in files:
        yield from file.documents(unit) if isinstance(file, TextFile) else _column(file, field)


def held_out(index: int, fraction: float) -> bool:
    """Whether a document is for validation: evenly spread, and the same however many documents follow."""
    return int((index + 1) * fraction) > int(index * fraction)


def _open(path: Path, field: str) -> TextFile | Table:
    suffix = format_suffix(path)
    if suffix in _REFUSED:
        raise ConfigError(f"data.source holds {path}: {_REFUSED[suffix]}.")
    return open_file(path, required=(field,)) if suffix in _RECORDS else TextFile(path)


def _column(table: Table, field: str) -> Iterator[str]:
    for row in table:
        text = row.values.get(field)
        if not isinstance(text, str):
            raise FormatError(
                f"{table.location(row.line, field)}: expected text; found {text!r:.80}. Correct the row, or name a "
                "field of text in data.text_field."
            )
        yield from document([text])


def _find(source: str) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        paths = [found for found in sorted(path.rglob("*")) if format_suffix(found) in _IN_FOLDERS]
    else:
        paths = [path] if path.is_file() else sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    paths = [path for path in paths if path.is_file()]
    if not paths and not path.exists() and not glob.has_magic(source):
        raise ConfigError(f"data.source {source!r} does not exist; name a file, a folder or a glob, or 'embedded'.")
    if not paths:
        raise ConfigError(
            f"data.source {source!r} is not text: expected 'embedded', a .txt or .jsonl file, a folder or a glob of "
            "them, or 'tfds:NAME'."
        )
    return paths


def _divide(read: Callable[[], Iterable[str]], fraction: float, identity: tuple[str, ...]) -> TextSource:
    train = Documents(read, lambda index: not held_out(index, fraction))
    return TextSource(train, Documents(read, lambda index: held_out(index, fraction)), identity)

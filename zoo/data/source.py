# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Text sources: documents of a training and a validation split, in a fixed order, read anew at every pass."""

import dataclasses
import glob
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from zoo.errors import ConfigError, FormatError

EMBEDDED = Path(__file__).with_name("tinyshakespeare.txt")
Unit = Literal["paragraph", "line", "file"]


@dataclasses.dataclass(frozen=True)
class Documents:
    """Documents that can be read any number of times.

    Attributes:
      read: starts a pass.
      keep: which of them, by their index, belong here.
    """

    read: Callable[[], Iterable[str]]
    keep: Callable[[int], bool] = lambda index: True

    def __iter__(self) -> Iterator[str]:
        return (text for index, text in enumerate(self.read()) if self.keep(index))


@dataclasses.dataclass(frozen=True)
class TextSource:
    """Attributes: train, validation; identity, what tells this source from another (names and sizes in bytes)."""

    train: Documents
    validation: Documents
    identity: tuple[str, ...]


def open_source(source: str, *, document: str, text_field: str, validation_fraction: float) -> TextSource:
    """The text that a config names; see `zoo.data.config.DataConfig`.

    Raises:
      ConfigError: nothing there, or a TFDS dataset without such a field.
    """
    if source.startswith("tfds:"):
        return _tfds_source(source.removeprefix("tfds:"), text_field, validation_fraction)
    if document not in ("paragraph", "line", "file"):
        raise ConfigError(f"data.document {document!r} is unknown; use 'paragraph', 'line' or 'file'.")
    paths = [EMBEDDED] if source == "embedded" else _find(source)
    identity = tuple(f"{path.name} {path.stat().st_size}" for path in paths)
    return _divide(lambda: read_files(paths, document), validation_fraction, identity)


def read_files(paths: Iterable[Path], unit: Unit) -> Iterator[str]:
    """Documents of UTF-8 files: each whole, or a line, or lines up to a blank one. Blank documents are left out.

    Raises:
      FormatError: a byte that is not UTF-8.
    """
    for path in paths:
        lines: list[str] = []
        for line in _lines(path):
            if unit == "line" or (unit == "paragraph" and not line.strip()):
                yield from _document([*lines, line])
                lines.clear()
            else:
                lines.append(line)
        yield from _document(lines)


def held_out(index: int, fraction: float) -> bool:
    """Whether a document is for validation: evenly spread, and the same however many documents follow."""
    return int((index + 1) * fraction) > int(index * fraction)


def _document(lines: list[str]) -> Iterator[str]:
    text = "\n".join(lines).strip("\n")
    if text.strip():
        yield text


def _lines(path: Path) -> Iterator[str]:
    """Lines without their ends; a byte order mark and carriage returns are not text."""
    offset = 0
    with path.open("rb") as file:
        for raw in file:
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise FormatError(
                    f"{path} is not UTF-8 at byte {offset + error.start}; convert it, for example with iconv -t utf-8."
                ) from error
            yield line.removeprefix("\ufeff" if offset == 0 else "").rstrip("\r\n")
            offset += len(raw)


def _find(source: str) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        paths = sorted(path.rglob("*.txt"))
    else:
        paths = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    paths = [path for path in paths if path.is_file()]
    if not paths:
        raise ConfigError(
            f"data.source {source!r} names no text: expected 'embedded', a .txt file, a folder or a glob of them, or "
            "'tfds:NAME'."
        )
    return paths


def _divide(read: Callable[[], Iterable[str]], fraction: float, identity: tuple[str, ...]) -> TextSource:
    train = Documents(read, lambda index: not held_out(index, fraction))
    return TextSource(train, Documents(read, lambda index: held_out(index, fraction)), identity)


def _tfds_source(name: str, field: str, fraction: float) -> TextSource:
    """Through a random-access data source, which needs no TensorFlow; `name` may also be a prepared folder."""
    import tensorflow_datasets as tfds

    try:
        if (Path(name) / "dataset_info.json").is_file():
            builder = tfds.builder_from_directory(name)
        else:
            builder = tfds.builder(name, file_format="array_record")
            builder.download_and_prepare(file_format="array_record")
    except (tfds.core.DatasetNotFoundError, ValueError, ImportError, OSError) as error:
        raise ConfigError(f"TFDS cannot prepare {name!r} ({_first_line(error)}); see its catalogue.") from error
    splits, fields = builder.info.splits, dict(builder.info.features or {})  # pyright: ignore
    if field not in fields or "train" not in splits:
        raise ConfigError(
            f"TFDS dataset {name!r} has the fields {[*fields]} and the splits {[*splits]}; data.text_field must name a "
            f"field of text (it is {field!r}), and there must be a train split."
        )
    identity = (builder.info.full_name,)
    train = lambda: _tfds_texts(builder, "train", field)  # noqa: E731
    if "validation" not in splits:
        return _divide(train, fraction, identity)
    return TextSource(Documents(train), Documents(lambda: _tfds_texts(builder, "validation", field)), identity)


def _tfds_texts(builder, split: str, field: str) -> Iterator[str]:
    for index, record in enumerate(builder.as_data_source(split=split)):
        try:
            yield record[field].decode("utf-8")
        except (AttributeError, UnicodeDecodeError) as error:
            raise FormatError(
                f"field {field!r} of record {index} of {builder.info.full_name}, split {split}, is not UTF-8 text "
                f"({_first_line(error)}); name a field of text in data.text_field."
            ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Plain-text files as documents: UTF-8, compressed or not, whatever their line ends, and the same at every pass."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from zoo.data.lines import read_lines
from zoo.data.stamp import stamp
from zoo.errors import FormatError, ZooError
from zoo.files import open_regular

Unit = Literal["paragraph", "line", "file"]


class TextFile:
    """A file of text that is read any number of times and must stay as it was when this object was made."""

    def __init__(self, path: Path):
        self.path, self._stamp = path, stamp(path)

    def lines(self) -> Iterator[str]:
        """The lines without their ends, which are LF, CRLF or CR; a byte order mark is left out.

        Raises:
          FormatError: a byte that is not UTF-8, or a file that has changed.
        """
        try:
            with open_regular(self.path) as file, read_lines(self.path, file) as lines:
                for line in lines:
                    yield line.rstrip("\r\n")
        except ZooError:
            self._check_unchanged()  # a change explains the error
            raise
        self._check_unchanged()

    def documents(self, unit: Unit) -> Iterator[str]:
        """The whole file, or each line, or lines up to a blank one. Blank documents are left out."""
        lines: list[str] = []
        for line in self.lines():
            if unit == "line" or (unit == "paragraph" and not line.strip()):
                yield from document([*lines, line])
                lines.clear()
            else:
                lines.append(line)
        yield from document(lines)

    def _check_unchanged(self) -> None:
        if stamp(self.path) != self._stamp:
            raise FormatError(
                f"{self.path} changed while it was read (its size, its time or the file itself); wait until whatever "
                "writes it is done, then start again."
            )


def document(lines: Iterable[str]) -> Iterator[str]:
    """The lines as one document, or nothing if they are blank."""
    text = "\n".join(lines).strip("\n")
    if text.strip():
        yield text

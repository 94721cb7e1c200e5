# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The lines of a UTF-8 text file, compressed or not, with the exact position of a byte that is not text."""

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from zoo.errors import FormatError
from zoo.files import open_regular

_CHUNK = 2**20  # bytes
# The first bytes of what is taken for text by mistake.
_SIGNATURES = {
    b"\x1f\x8b": "It is compressed with gzip: add .gz to its name.",
    b"BZh": "It is compressed with bzip2: add .bz2 to its name.",
    b"\xfd7zXZ\x00": "It is compressed with xz: add .xz to its name.",
    b"\x28\xb5\x2f\xfd": "It is compressed with zstd: decompress it with zstd -d.",
    b"PK\x03\x04": "It is a zip archive or a spreadsheet: export it as CSV.",
    b"\x89PNG": "It is a picture: name a table.",
    b"\xff\xd8\xff": "It is a picture: name a table.",
    b"%PDF": "It is a PDF document: name a table.",
    b"PAR1": "It is a Parquet file: its name must end in .parquet.",
    b"\xff\xfe": "It is UTF-16: convert it with iconv -f utf-16 -t utf-8.",
    b"\xfe\xff": "It is UTF-16: convert it with iconv -f utf-16 -t utf-8.",
}

# By suffix: what the standard library decompresses while it is read.
_OPENERS = {
    ".gz": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    ".bz2": ("bzip2", bz2.BZ2File),
    ".xz": ("xz", lzma.LZMAFile),
}
COMPRESSIONS = tuple(_OPENERS)


def format_suffix(path: Path) -> str:
    """The suffix in lower case that names a file's format; one of `COMPRESSIONS` behind it is left out."""
    name = Path(path.name.lower())
    return Path(name.stem).suffix if name.suffix in COMPRESSIONS else name.suffix


@contextlib.contextmanager
def read_lines(path: Path, file: BinaryIO) -> Iterator[Iterator[str]]:
    """The lines with their ends, which are LF, CRLF or CR; a byte order mark is left out.

    Raises:
      FormatError: while the lines are read, at a byte that is NUL or not UTF-8, or if a
        compressed file is not whole.
    """
    text = io.TextIOWrapper(_uncompressed(path, file), encoding="utf-8-sig", newline="")
    try:
        yield _without_nul(path, text)
    except UnicodeDecodeError as error:
        with open_regular(path) as again:
            raise FormatError(_describe_bad_byte(path, _uncompressed(path, again))) from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        compression = _OPENERS.get(path.suffix.lower())
        if compression is None:
            raise
        raise FormatError(
            f"{path} is not a whole {compression[0]} file ({error}); get it again, or remove {path.suffix}."
        ) from error
    finally:
        text.detach()  # `file` is the caller's to close


def _uncompressed(path: Path, file: BinaryIO) -> Any:
    compression = _OPENERS.get(path.suffix.lower())
    return compression[1](file) if compression else file


def _without_nul(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise FormatError(
                f"{path}, line {number}: a NUL byte at character {line.index(chr(0)) + 1}, which is not text; "
                "convert the file to UTF-8 (it may be UTF-16), or remove the byte."
            )
        yield line


def _describe_bad_byte(path: Path, file: Any) -> str:
    """A message about the first byte that is not UTF-8; the whole file is decoded again up to there."""
    decoder, offset, lines, head = codecs.getincrementaldecoder("utf-8")(), 0, 1, b""
    while chunk := file.read(_CHUNK):
        head = head or chunk[:6]
        pending = len(decoder.getstate()[0])
        try:
            lines += decoder.decode(chunk).count("\n")
        except UnicodeDecodeError as error:
            lines += error.object[: error.start].count(b"\n")
            offset += error.start - pending
            byte = f"0x{error.object[error.start]:02X} at byte {offset}"
            break
        offset += len(chunk)
    else:
        byte = f"a character cut short at byte {offset - len(decoder.getstate()[0])}"
    advice = next((text for start, text in _SIGNATURES.items() if head.startswith(start)), "")
    advice = advice or "Convert it, for example with iconv -f latin1 -t utf-8."
    return f"{path}, line {lines}: not UTF-8: found {byte}. {advice}"

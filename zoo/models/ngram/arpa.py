# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""ARPA files, which kenlm, SRILM and lmplz share: base-10 logarithms, one n-gram a line.

Written as lmplz writes them: `<s>` has probability 1, every n-gram below the highest order has a backoff weight, and
`<unk>` a line of its own. A probability of 0 is written as -99. Twelve digits are written, so that distributions sum to
1 after reading, too; kenlm keeps seven of them.
"""

import contextlib
import gzip
import io
import itertools
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from zoo.errors import ConfigError, FormatError
from zoo.files import open_regular
from zoo.models.ngram.counts import MAX_ORDER, MAX_VOCAB_SIZE
from zoo.models.ngram.estimates import Estimate, columns, places
from zoo.models.ngram.model import NgramModel
from zoo.models.ngram.vocabulary import BOS, EOS, UNK, NgramVocabulary

_ROWS = 2**16  # n-grams written or read at a time
_ZERO = -99.0  # what ARPA files have for log10(0)
_LN10 = math.log(10)
_MIN_BYTES = 4  # of the line of an n-gram
_MAX_LINE = 2**20  # bytes, between sections


def write_arpa(model: NgramModel, path: str | os.PathLike) -> None:
    """Writes an ARPA file, compressed by gzip if its name ends in .gz.

    The file appears when it is complete. A model that ids of a tokenizer were counted for has them as decimal numbers,
    unless its vocabulary has words.

    Raises:
      ConfigError: stupid backoff, which the format cannot hold; no `</s>`, which it needs; or a path that cannot be
        written.
    """
    path, vocabulary = Path(path), model.vocabulary
    if model.unseen_log_backoff:
        raise ConfigError(
            "An ARPA file cannot hold stupid backoff: contexts that never occurred have no line for their weight. Use "
            "NgramModel.save, or Witten-Bell or Kneser-Ney smoothing."
        )
    if vocabulary.eos_id is None:
        raise ConfigError(f"An ARPA file needs {EOS}; fit the model with a vocabulary that has an eos_id.")
    partial = path.with_name(f"{path.name}.partial")
    try:
        with _create(partial, path.suffix == ".gz") as file:
            counts = (f"ngram {order}={number}\n" for order, number in enumerate(model.num_ngrams, start=1))
            file.write(f"\\data\\\n{''.join(counts)}".encode())
            for order in range(1, model.order + 1):
                file.write(f"\n\\{order}-grams:\n".encode())
                file.writelines(_lines(model, order))
            file.write(b"\n\\end\\\n")
        os.replace(partial, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}. Choose another path.") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _create(path: Path, compressed: bool) -> io.BufferedIOBase:
    return gzip.open(path, "wb", compresslevel=6) if compressed else path.open("wb")


def _lines(model: NgramModel, order: int) -> Iterator[bytes]:
    estimate, names = model.estimates[order - 1], np.array(model.vocabulary.names, object)
    row = "%.12g\t" + " ".join(["%s"] * order) + ("\t%.12g\n" if order < model.order else "\n")
    rows = np.arange(len(estimate.keys))
    if order == 1:  # `<s>` comes after `<unk>`, where lmplz has it
        rows = np.insert(rows[:-1], int(model.vocabulary.unk_id == 0), rows[-1])
    for chunk in np.split(rows, range(_ROWS, len(rows), _ROWS)):
        grams = [names[tokens].tolist() for tokens in columns(model.estimates[:order], chunk)]
        values = [_log10(estimate.log_probs[chunk]), *grams]
        if order < model.order:
            values.append(_log10(estimate.log_backoffs[chunk]))
        yield "".join(map(row.__mod__, zip(*values, strict=True))).encode()


def _log10(logs: Float64[np.ndarray, "N"]) -> list[float]:
    return np.maximum(logs / _LN10 + 0.0, _ZERO).tolist()  # + 0.0: no negative zeros


def read_arpa(path: str | os.PathLike) -> NgramModel:
    """Reads an ARPA file, compressed by gzip or not, from whatever program.

    n-grams with `<s>` at another place than the first, which some programs write, are left out: nothing asks for them.

    Raises:
      FormatError: a file that ends early, a probability above 1, a line with a wrong number of fields, an unknown word,
        an n-gram that is there twice or whose context is not, no `<s>` or `</s>`; the message has the line.
    """
    path = Path(path)
    with open_regular(path) as raw:
        compressed = raw.peek(2)[:2] == b"\x1f\x8b"
        with gzip.open(raw) if compressed else raw as file:
            # Deflate makes a file a thousand times smaller at most.
            reader = _Reader(path, file, os.fstat(raw.fileno()).st_size * (1032 if compressed else 1))
            try:
                return reader.model()
            except (EOFError, OSError) as error:
                raise FormatError(
                    f"{path} cannot be read after line {reader.line}: {error}. Fetch it again."
                ) from error


class _Reader:
    """Reads one file; `line` is the number of the last line read."""

    def __init__(self, path: Path, file: io.BufferedIOBase, max_bytes: int):
        self._path, self._file, self._max_bytes, self.line = path, file, max_bytes, 0

    def model(self) -> NgramModel:
        sizes = self._header()
        self._section(1)
        vocabulary, index, unigrams = self._unigrams(sizes[0], highest=len(sizes) == 1)
        estimates = [unigrams]
        for order, size in enumerate(sizes[1:], start=2):
            self._section(order)
            estimates.append(self._grams(order, size, estimates, index, highest=order == len(sizes)))
        if (found := self._text()) != "\\end\\":
            raise self._error(f"expected \\end\\ after {sizes[-1]} {len(sizes)}-grams; found {_shown(found)}")
        return NgramModel(vocabulary, tuple(estimates))

    def _header(self) -> list[int]:
        while (found := self._text()) != "\\data\\":
            if not found:
                raise self._error("expected \\data\\, with which an ARPA file begins; found none")
        sizes: list[int] = []
        while (found := self._next()).strip():
            name, equals, number = found.strip().partition("=")
            if name.split() != ["ngram", str(len(sizes) + 1)] or not equals or not number.strip().isdecimal():
                raise self._error(f'expected "ngram {len(sizes) + 1}=" and a number; found {_shown(found)}')
            sizes.append(int(number))
        if sum(sizes) * _MIN_BYTES > self._max_bytes:
            raise self._error(f"expected {sum(sizes)} n-grams; found a file that is too short for them")
        if not 1 <= len(sizes) <= MAX_ORDER or sizes[0] > MAX_VOCAB_SIZE:
            raise self._error(f"expected orders 1 to {MAX_ORDER} and up to {MAX_VOCAB_SIZE} words; found {sizes}")
        return sizes

    def _section(self, order: int) -> None:
        if (found := self._text()) != f"\\{order}-grams:":
            raise self._error(f"expected \\{order}-grams:; found {_shown(found)}")

    def _unigrams(self, size: int, *, highest: bool) -> tuple[NgramVocabulary, Mapping[str, int], Estimate]:
        words: list[str] = []
        logs = np.zeros((2, size))
        for start, lines, (part,), values in self._rows(1, size, highest):
            words += part
            logs[:, start : start + len(lines)] = values
        index = {word: i for i, word in enumerate(words)}
        if len(index) < size:
            twice = next(i for i, word in enumerate(words) if index[word] != i)
            raise self._error(f"{words[twice]!r} is there twice", self.line - size + index[words[twice]] + 1)
        for word in (BOS, EOS):
            if word not in index:
                raise self._error(f"expected {word} among the 1-grams; found none")
        order = np.append(np.delete(np.arange(size), index[BOS]), index[BOS])  # `<s>` has the last id
        words = [words[i] for i in order]
        ids = {word: i for i, word in enumerate(words)}
        unk = next((ids[word] for word in (UNK, UNK.upper()) if word in ids), None)
        words = [UNK if i == unk else word for i, word in enumerate(words[:-1])]
        probs, backoffs = logs[:, order]
        probs[-1] = 0.0
        return NgramVocabulary(size - 1, ids[EOS], unk, tuple(words)), ids, Estimate(np.arange(size), probs, backoffs)

    def _grams(
        self, order: int, size: int, below: list[Estimate], index: Mapping[str, int], *, highest: bool
    ) -> Estimate:
        bos = len(below[0].keys) - 1
        keys, first = np.zeros(size, np.int64), self.line + 1
        logs = np.zeros((2, size))
        for start, lines, grams, values in self._rows(order, size, highest):
            ids = [np.fromiter(map(index.get, words, itertools.repeat(-1)), np.int64, len(words)) for words in grams]
            unknown = np.min(ids, axis=0) < 0
            if unknown.any():
                row = int(np.argmax(unknown))
                raise self._error(
                    f"{lines[row].decode().strip()!r} has a word that is not among the 1-grams", first + start + row
                )
            contexts = places(below, ids[:-1])
            outside = np.any(np.array(ids[1:]) == bos, axis=0)
            if (missing := (contexts < 0) & ~outside).any():
                row = int(np.argmax(missing))
                raise self._error(f"the context of {lines[row].decode().strip()!r} is not listed", first + start + row)
            keys[start : start + len(lines)] = np.where(outside, -1, contexts * (bos + 1) + ids[-1])
            logs[:, start : start + len(lines)] = values
        rows = np.argsort(keys, kind="stable")
        rows = rows[np.searchsorted(keys[rows], 0) :]
        keys = keys[rows]
        if (twice := keys[1:] == keys[:-1]).any():
            raise self._error("an n-gram that is there twice", first + int(rows[1:][twice].min()))
        return Estimate(keys, *logs[:, rows])

    def _rows(
        self, order: int, size: int, highest: bool
    ) -> Iterator[tuple[int, list[bytes], list[list[str]], Float64[np.ndarray, "2 T"]]]:
        """The n-grams of a section, chunk by chunk: the row of the first, the lines, words by place, logarithms."""
        for start in range(0, size, _ROWS):
            first, wanted = self.line + 1, min(_ROWS, size - start)
            lines = list(itertools.islice(self._file, wanted))
            ends = (i for i, line in enumerate(lines) if line.startswith((b"\\", b"\n", b"\r\n")))
            found = next(ends, len(lines))
            if found < wanted:
                what = _shown(self._decode(lines[found], first + found) if found < len(lines) else "")
                raise self._error(f"expected {size} {order}-grams; found {what} after {start + found}", first + found)
            yield start, lines, *self._parse(order, self._fields(order, lines, first), first, highest)
            self.line += wanted

    def _fields(self, order: int, lines: list[bytes], first: int) -> list[str]:
        """The probability, the words and the backoff weight of all lines in one list, which costs less than many."""
        data = b"".join(lines).replace(b"\r\n", b"\n").replace(b"\t", b" ").removesuffix(b"\n") + b"\n"
        values = np.frombuffer(data, np.uint8)
        spaces, ends = np.flatnonzero(values == ord(" ")), np.flatnonzero(values == ord("\n"))
        counts = np.diff(np.searchsorted(spaces, ends), prepend=0) + 1
        empty = spaces[(values[spaces + 1] == ord(" ")) | (values[spaces + 1] == ord("\n"))]
        counts[np.searchsorted(ends, empty)] = 0
        wrong = (counts != order + 1) & (counts != order + 2)
        if wrong.any():
            row = int(np.argmax(wrong))
            found = self._decode(lines[row], first + row).rstrip()
            raise self._error(
                f"expected a probability, {order} words and a backoff weight; found {found!r}", first + row
            )
        if (counts == order + 1).any():  # weights of 0 may be left out
            each = zip(data.split(b"\n")[:-1], counts == order + 1, strict=True)
            data = b"".join(line + b" 0\n" if short else line + b"\n" for line, short in each)
        try:
            return data.decode().replace("\n", " ").split(" ")[:-1]
        except UnicodeDecodeError:
            return [self._decode(line, first + i) for i, line in enumerate(lines)]  # raises with the number of the line

    def _parse(
        self, order: int, fields: list[str], first: int, highest: bool
    ) -> tuple[list[list[str]], Float64[np.ndarray, "2 T"]]:
        probs, *words, backoffs = (fields[place :: order + 2] for place in range(order + 2))
        logs = np.stack([self._numbers(probs, first), self._numbers(backoffs, first)])
        if (above := logs[0] > 0).any():
            row = int(np.argmax(above))
            raise self._error(f"expected log10 of a probability, up to 0; found {logs[0, row]:g}", first + row)
        if highest and logs[1].any():
            row = int(np.argmax(logs[1] != 0))
            raise self._error(f"{order}-grams are the longest, without backoff; found {logs[1, row]:g}", first + row)
        return words, logs * _LN10

    def _numbers(self, texts: list[str], first: int) -> Float64[np.ndarray, "T"]:
        try:
            numbers = np.fromiter(map(float, texts), np.float64, len(texts))
            wrong = None if np.isfinite(numbers).all() else int(np.argmin(np.isfinite(numbers)))
        except ValueError:
            numbers, wrong = np.zeros(0), next(i for i, text in enumerate(texts) if not _is_number(text))
        if wrong is not None:
            raise self._error(f"expected a number; found {texts[wrong]!r}", first + wrong)
        return numbers

    def _text(self) -> str:
        """The next line that is not blank, without its end; nothing at the end of the file."""
        while (found := self._next()) and not found.strip():
            pass
        return found.rstrip()

    def _next(self) -> str:
        line = self._file.readline(_MAX_LINE)
        self.line += bool(line)
        return self._decode(line, self.line)

    def _decode(self, line: bytes, number: int) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise self._error(f"expected UTF-8; found {line[error.start :][:4]!r}", number) from error

    def _error(self, what: str, line: int | None = None) -> FormatError:
        return FormatError(
            f"{self._path}, line {self.line if line is None else line}: {what}. Write or fetch the file again."
        )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _shown(line: str) -> str:
    return repr(line.rstrip()[:80]) if line else "the end of the file"

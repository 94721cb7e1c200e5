# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What the ids of an n-gram model stand for: words of a text, split as lmplz splits it, or the ids of a tokenizer."""

import collections
import dataclasses
import functools
import gzip
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int32, Int64, Integer

from zoo.errors import ConfigError, FormatError, InputError
from zoo.files import open_regular
from zoo.models.ngram.counts import MAX_VOCAB_SIZE

UNK, BOS, EOS = "<unk>", "<s>", "</s>"
Symbols = Literal["error", "skip", "word"]

_LINE_END = "\n"  # as a word: lines are split together
_SPACES = ("\0", "\t", "\r")  # apart from the space itself, as lmplz has it; U+00A0 and its like are part of words
_CHUNK = 2**16  # lines


@dataclasses.dataclass(frozen=True)
class NgramVocabulary:
    """The ids that a model predicts, from 0 to `size - 1`; `<s>`, which it does not predict, is the id `size`.

    Attributes:
      eos_id: the token that ends a document, written `</s>` in ARPA files.
      unk_id: the token that stands for unknown words, written `<unk>` in ARPA files. None: there are none.
      words: by id; None for ids of a tokenizer, which ARPA files then hold as decimal numbers.
    """

    size: int
    eos_id: int | None = None
    unk_id: int | None = None
    words: tuple[str, ...] | None = None

    def __post_init__(self):
        if not 1 <= self.size <= MAX_VOCAB_SIZE:
            raise ConfigError(f"size must be from 1 to {MAX_VOCAB_SIZE}; found {self.size!r}.")
        for name in ("eos_id", "unk_id"):
            found = getattr(self, name)
            if found is not None and not 0 <= found < self.size:
                raise ConfigError(f"{name} must be an id from 0 to {self.size - 1}, or None; found {found!r}.")
        if self.words is not None:
            self._check_words(self.words)

    def _check_words(self, words: tuple[str, ...]) -> None:
        if len(words) != self.size:
            raise ConfigError(f"words must be as many as size says, {self.size}; found {len(words)}.")
        word, times = collections.Counter(words).most_common(1)[0]
        if times > 1:
            raise ConfigError(f"words must differ; found {word!r} {times} times.")
        wrong = next((word for word in words if not word or any(s in word for s in (" ", _LINE_END, *_SPACES))), None)
        if wrong is not None:
            raise ConfigError(
                f"words must have a character and no space; found {wrong!r}. Use words=None, or escape it."
            )
        own = {EOS: self.eos_id, UNK: self.unk_id, BOS: None}
        wrong = next((word for word in words if word in own and words.index(word) != own[word]), None)
        if wrong is not None:
            raise ConfigError(
                f"words must not hold {wrong} at {words.index(wrong)}: ARPA files keep it for another token."
            )

    @property
    def bos_id(self) -> int:
        """`<s>`: context at the start of a document, never predicted."""
        return self.size

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """What ARPA files call each id, `<s>` the last."""
        names = [*(self.words or map(str, range(self.size))), BOS]
        for name, found in ((EOS, self.eos_id), (UNK, self.unk_id)):
            if found is not None:
                names[found] = name
        return tuple(names)

    @functools.cached_property
    def _index(self) -> Mapping[str, int]:
        """Ids by word; `<s>` and `</s>`, which lines cannot hold, below 0."""
        index = {word: i for i, word in enumerate(self.names)}
        ends = {} if self.eos_id is None else {_LINE_END: self.eos_id}
        return {**index, **ends, BOS: -1, EOS: -2}

    def encode(self, lines: Iterable[str]) -> tuple[Int32[np.ndarray, "N"], Int64[np.ndarray, "B"]]:
        """Token ids of lines, each a document that ends with `</s>`, and where each ends.

        Raises:
          InputError: a line that holds `<s>` or `</s>`, or an unknown word and there is no `<unk>`.
        """
        index, unk = self._index, self.unk_id

        def ids(words: list[str]) -> Iterator[int]:
            return map(index.get, words, itertools.repeat(-4 if unk is None else unk))

        return _encode(lines, ids, eos=self.eos_id)

    def decode(self, tokens: Integer[np.ndarray, "N"] | Sequence[int]) -> str:
        """The words with spaces between them."""
        return " ".join(self.names[token] for token in tokens)


def read_corpus(
    lines: Iterable[str], *, symbols: Symbols = "error"
) -> tuple[NgramVocabulary, Int32[np.ndarray, "N"], Int64[np.ndarray, "B"]]:
    """The vocabulary, the token ids and the ends of training text; each line is a document, an empty one too.

    Words are split at spaces, tabs, carriage returns and NUL. The ids are 0 for `<unk>`, 1 for `</s>`, and then the
    words in the order in which they come up first.

    Args:
      symbols: what `<s>`, `</s>` and `<unk>` are in the text: an error; skipped, as by lmplz --skip_symbols; or `<unk>`
        counts as a word, as it is in the Penn Treebank and WikiText, and the other two are an error.

    Raises:
      InputError: one of these in the text.
    """
    words = itertools.count(2)
    index: dict[str, int] = collections.defaultdict(words.__next__)
    index.update({_LINE_END: 1, BOS: -1, EOS: -2, UNK: 0 if symbols == "word" else -3})
    tokens, ends = _encode(lines, lambda found: map(index.__getitem__, found), eos=1, skip=symbols == "skip")
    for special in (_LINE_END, BOS, EOS, UNK):
        del index[special]
    return NgramVocabulary(len(index) + 2, eos_id=1, unk_id=0, words=(UNK, EOS, *index)), tokens, ends


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, by gzip if its name ends in .gz; FormatError for a line that is not UTF-8."""
    with open_regular(path) as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
        number = 0
        try:
            for line in file:
                number += 1
                yield line.decode()
        except UnicodeDecodeError as error:
            found = error.object[error.start :][:4]
            raise FormatError(f"{path}, line {number}: expected UTF-8; found {found!r}. Convert the file.") from error
        except (EOFError, OSError) as error:
            raise FormatError(f"{path} cannot be read after line {number}: {error}. Fetch it again.") from error


def _encode(lines: Iterable[str], ids, *, eos: int | None, skip: bool = False):
    if eos is None:
        raise ConfigError("A vocabulary without eos_id cannot encode lines; give the id that ends each of them.")
    remaining, found, number = iter(lines), [], 0
    while chunk := list(itertools.islice(remaining, _CHUNK)):
        text = "".join(f"{line.removesuffix(_LINE_END)} {_LINE_END} " for line in chunk)
        for space in _SPACES:
            text = text.replace(space, " ")
        words = list(filter(None, text.split(" ")))
        tokens = np.fromiter(ids(words), np.int32, len(words))
        special = np.flatnonzero(tokens < 0)
        if len(special) and not skip:
            line = number + words[: special[0]].count(_LINE_END) + 1
            raise InputError(_refused(words[special[0]], int(tokens[special[0]]), line))
        found.append(np.delete(tokens, special) if len(special) else tokens)
        number += len(chunk)
    tokens = np.concatenate(found) if found else np.zeros(0, np.int32)
    return tokens, np.flatnonzero(tokens == eos).astype(np.int64) + 1


def _refused(word: str, token: int, line: int) -> str:
    if token == -4:
        return f"Line {line} holds the word {word!r}, which the model does not know, and the model has no {UNK}."
    if token == -3:
        return f'Line {line} holds the word {word}; give symbols="word" to count it, or symbols="skip".'
    return f"Line {line} holds the word {word}, which marks where lines begin and end; take it out."

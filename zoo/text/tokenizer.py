# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Text to ids and back: the Rust `tokenizers` library behind a small wrapper that is written to Hub folders."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import tokenizers
from tokenizers import models, normalizers

from zoo.checks import suggest_arguments
from zoo.errors import ConfigError, FormatError, InputError
from zoo.files import write_json
from zoo.text.backend import answering
from zoo.text.batch import BatchFormat, Encoded, Truncation, Window, check_lengths, pad, windows
from zoo.text.classes import GPT2

_FLAGS = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
_SURROGATE = re.compile("[\ud800-\udfff]")
# What Transformers' `clean_up_tokenization_spaces` replaces, in its order.
_CLEANED = {
    **{f" {mark}": mark for mark in ".?!,"},
    " ' ": "'",
    **{f" {ending}": ending for ending in ("n't", "'m", "'s", "'ve", "'re")},
}


class Tokenizer:
    """Text to ids and back.

    Attributes:
      backend: the `tokenizers.Tokenizer`, without padding or truncation of its own.
      special: role (pad, cls, sep, mask, unk, bos, eos) to token, for the roles that this vocabulary fills.
      batch_format: how batches are padded and truncated, as the tokenizer's files or class declare.
    """

    _pretokenized = False  # whether the backend is given pieces instead of texts

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        special: Mapping[str, str],
        config: Mapping[str, Any] | None = None,
        batch_format: BatchFormat | None = None,
    ):
        backend.no_padding()
        backend.no_truncation()
        self.backend, self.special, self._config = backend, dict(special), dict(config or {})
        self.batch_format = batch_format or BatchFormat()

    def encode(self, text: str, pair: str | None = None) -> list[int]:
        """Ids of one text or one pair, with the special tokens of the family around them.

        Raises:
          InputError: not text, or text with a lone surrogate. FormatError: the tokenizer's file fails on this text.
        """
        inputs = self._ready([text] if pair is None else [text, pair])
        with answering():
            return self.backend.encode(*inputs, is_pretokenized=self._pretokenized).ids

    def encode_words(self, texts: Sequence[str]) -> list[tuple[list[int], list[bool]]]:
        """Ids of each text, without special tokens around it, and for each whether a word begins with it.

        Words are what the pre-tokenizer splits a text into: by spaces, and in most tokenizers by punctuation and
        Chinese characters too.
        """
        ready, options = self._ready(texts), dict(is_pretokenized=self._pretokenized, add_special_tokens=False)
        with answering():
            rows = self.backend.encode_batch(ready, **options)
        return [(row.ids, self._word_starts(row)) for row in rows]

    def _word_starts(self, row: tokenizers.Encoding) -> list[bool]:
        words = row.word_ids
        return [True, *(word is None or word != before for before, word in itertools.pairwise(words))][: len(words)]

    @suggest_arguments(
        padding="pad_to, beyond the longest text, to which a batch is always padded",
        text_pair="pairs",
        return_offsets_mapping="return_offsets",
    )
    def encode_batch(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int | None = None,
        truncation: Truncation | None = None,
        pad_to: int = 0,
        pad_to_multiple_of: int = 1,
        return_offsets: bool = False,
    ) -> Encoded:
        """A batch padded to its longest text, on the side that the tokenizer's files or class declare.

        Args:
          pairs: second texts, one for each text.
          max_length: texts are truncated to this many tokens, special tokens included.
          truncation: which text of a pair loses tokens; `longest_first` if only `max_length` is given. Given alone, the
            length is the `model_max_length` that tokenizer_config.json declares.
          pad_to: the least length of the batch, in tokens; it is then rounded up to a multiple of `pad_to_multiple_of`.
          return_offsets: whether the result has the begin and end of each token in its text.

        Raises:
          ConfigError: a length that cannot be. InputError: not text, or too long for this truncation.
        """
        if pairs is not None and len(pairs) != len(texts):
            raise InputError(f"{len(texts)} texts but {len(pairs)} pairs; give one pair for each text.")
        check_lengths(max_length=max_length, pad_to=pad_to, pad_to_multiple_of=pad_to_multiple_of)
        inputs = self._ready(texts)
        if pairs is not None:
            inputs = list(zip(inputs, self._ready(pairs), strict=True))
        strategy = self._truncation(max_length, truncation, is_pair=pairs is not None)
        rows = self._encode_rows(inputs, strategy)
        length = max([pad_to, *(len(row.ids) for row in rows)])
        length += -length % max(pad_to_multiple_of, 1)
        return pad(rows, length, self.fill_id, self.batch_format, offsets=return_offsets)

    def encode_windows(
        self,
        texts: Sequence[str],
        contexts: Sequence[str],
        *,
        max_length: int,
        stride: int,
        order: Literal["context_second", "context_first"] = "context_second",
    ) -> list[list[Window]]:
        """Each text with its context, in as many windows over the context as it takes.

        Args:
          max_length: tokens of a window, special tokens included. stride: tokens that consecutive windows share.

        Raises:
          InputError: not text, or a text so long that a window holds nothing of its context.
        """
        pairs = list(zip(self._ready(texts), self._ready(contexts), strict=True))
        strategy: Truncation = "only_second"
        if order == "context_first":
            pairs, strategy = [(context, text) for text, context in pairs], "only_first"
        options = self._truncation(max_length, strategy, is_pair=True) | {"stride": stride, "direction": "right"}
        has_special = self.backend.num_special_tokens_to_add(True) > 0
        context = 0 if order == "context_first" else 1
        rows = self._encode_rows(pairs, options)
        return [windows(row, has_special=has_special, context=context) for row in rows]

    def cut(self, texts: Sequence[str], max_tokens: int) -> list[str]:
        """The texts, of each of which at most so many tokens are left."""
        with answering():
            rows = self.backend.encode_batch(self._ready(texts), add_special_tokens=False)
        pairs = zip(texts, rows, strict=True)
        return [text[: row.offsets[max_tokens - 1][1]] if len(row) > max_tokens else text for text, row in pairs]

    def decode(self, ids: Iterable[Any], *, special_tokens: Literal["keep", "skip"] = "skip") -> str:
        """Text of the ids. Bytes that are not UTF-8 become U+FFFD.

        Raises:
          InputError: an id outside the vocabulary.
        """
        if isinstance(ids, str) or not isinstance(ids, Iterable):
            raise InputError(f"ids must be a list of ints; found {type(ids).__name__}.")
        ids, size = list(ids), self.vocab_size
        for index, token in enumerate(ids):
            if not isinstance(token, int | np.integer) or isinstance(token, bool):
                raise InputError(f"id {token!r:.80} at index {index} is not an int.")
            if not 0 <= token < size:
                raise InputError(f"id {token} at index {index} is outside the vocabulary of {size} tokens.")
        return self._text([int(token) for token in ids], special_tokens)

    def save(self, folder: str | Path) -> None:
        """Writes the files that the Hub expects: the vocabulary, the roles of special tokens, and the options."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        special = {f"{role}_token": token for role, token in self.special.items()}
        added = {
            str(index): {flag: getattr(token, flag) for flag in _FLAGS}
            for index, token in sorted(self.backend.get_added_tokens_decoder().items())
        }
        self._save_vocabulary(folder)
        write_json(folder / "special_tokens_map.json", special)
        config = {**self._declaration(), **self._config, **special}
        write_json(folder / "tokenizer_config.json", {**config, "added_tokens_decoder": added} if added else config)

    @property
    def target(self) -> "Tokenizer":
        """The tokenizer of a decoder's texts: this one, except for Marian, whose target side has its own."""
        return self

    @property
    def vocab_size(self) -> int:
        """V, added tokens included."""
        return self.backend.get_vocab_size()

    @property
    def special_ids(self) -> tuple[int, ...]:
        """Ids of all special tokens, in order."""
        added = {index for index, token in self.backend.get_added_tokens_decoder().items() if token.special}
        named = {index for role in self.special if (index := self._id(role)) is not None}
        return tuple(sorted(added | named))

    def token_to_id(self, token: str) -> int | None:
        """The id of a token by its name; None if the vocabulary lacks it."""
        return self.backend.token_to_id(token)

    @property
    def fill_id(self) -> int:
        """The id to pad with: the padding token, else the end token, else 0."""
        return next((token for token in (self.pad_id, self.eos_id) if token is not None), 0)

    pad_id = property(lambda self: self._id("pad"))
    cls_id = property(lambda self: self._id("cls"))
    sep_id = property(lambda self: self._id("sep"))
    mask_id = property(lambda self: self._id("mask"))
    unk_id = property(lambda self: self._id("unk"))
    bos_id = property(lambda self: self._id("bos"))
    eos_id = property(lambda self: self._id("eos"))

    def _id(self, role: str) -> int | None:
        return self.backend.token_to_id(self.special[role]) if role in self.special else None

    def _ready(self, texts: Iterable[Any]) -> list:
        """The texts as the backend takes them: whole, or split into pieces."""
        return _checked(texts)

    def _truncation(self, max_length: int | None, strategy: Truncation | None, *, is_pair: bool) -> dict[str, Any]:
        """The arguments of the Rust library's truncation; none for texts that stay whole."""
        if strategy not in (None, *get_args(Truncation)):
            raise ConfigError(f"truncation must be one of {', '.join(get_args(Truncation))}; found {strategy!r:.80}.")
        if strategy == "only_second" and not is_pair:
            raise ConfigError("truncation='only_second' needs pairs; give pairs, or truncate with 'longest_first'.")
        if strategy is not None and max_length is None:
            max_length = self.batch_format.max_length
            if max_length is None:
                raise ConfigError("truncation needs a max_length: the tokenizer declares no model_max_length.")
        if max_length is None:
            return {}
        least = self.backend.num_special_tokens_to_add(is_pair)
        if max_length <= least:
            raise ConfigError(
                f"max_length {max_length} must exceed the {least} special tokens of a sequence; raise it."
            )
        direction = self.batch_format.truncation_side
        return dict(max_length=max_length, strategy=strategy or "longest_first", direction=direction)

    def _encode_rows(self, inputs: list, truncation: dict[str, Any]) -> list[tokenizers.Encoding]:
        if truncation:
            self.backend.enable_truncation(**truncation)
        try:
            with answering():
                return self.backend.encode_batch(inputs, is_pretokenized=self._pretokenized)
        except FormatError as error:
            if not truncation or "Truncation error" not in str(error):
                raise
            raise InputError(
                f"With truncation={truncation['strategy']!r} a pair does not fit into max_length "
                f"{truncation['max_length']}: the text that is kept whole fills it. Raise it, or use 'longest_first'."
            ) from error
        finally:
            self.backend.no_truncation()

    def _text(self, ids: list[int], special_tokens: Literal["keep", "skip"]) -> str:
        with answering():
            text = self.backend.decode(ids, skip_special_tokens=special_tokens == "skip")
        if self._config.get("clean_up_tokenization_spaces") and not isinstance(self.backend.model, models.BPE):
            for spaced, clean in _CLEANED.items():
                text = text.replace(spaced, clean)
        return text

    def _save_vocabulary(self, folder: Path) -> None:
        """`tokenizer.json`, and the vocabulary in the older form."""
        self.backend.save(str(folder / "tokenizer.json"))
        if isinstance(self.backend.model, models.WordPiece | models.BPE):
            self.backend.model.save(str(folder))

    def _declaration(self) -> dict[str, Any]:
        """The options for a library that builds the tokenizer from its class, and not from `tokenizer.json`."""
        normalizer = self.backend.normalizer
        is_bert = isinstance(self.backend.model, models.WordPiece) and "bos" not in self.special
        if is_bert and isinstance(normalizer, normalizers.BertNormalizer):
            return {
                "tokenizer_class": "BertTokenizer",
                "do_lower_case": normalizer.lowercase,
                "strip_accents": normalizer.strip_accents,
                "tokenize_chinese_chars": normalizer.handle_chinese_chars,
            }
        if {**GPT2, **self.special, "pad": ""} == {**GPT2, "pad": ""}:
            return {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False}
        return {"tokenizer_class": "PreTrainedTokenizerFast"}


def _checked(texts: Iterable[Any]) -> list[str]:
    if isinstance(texts, str):
        raise InputError("texts must be a list; wrap the one text in brackets.")
    return list(each_checked(texts))


def each_checked(texts: Iterable[Any]) -> Iterator[str]:
    """The texts, each a str that is Unicode; an InputError at the first that is not."""
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {index} must be a str; found {type(text).__name__}.")
        if not text.isascii() and (surrogate := _SURROGATE.search(text)):
            raise InputError(
                f"text {index} has the lone surrogate {surrogate[0]!r} at character {surrogate.start()}, which is not "
                "Unicode text; decode its source with errors='replace'."
            )
        yield text

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Marian's tokenizers (arXiv:1804.00344; OPUS-MT): a SentencePiece model for each side, one vocabulary for both.

`source.spm` and `target.spm` define how a text is split, `vocab.json` the id of each piece of either side.
The splitting is left to SentencePiece itself, as in Transformers: the Rust library composes some combining
characters otherwise, and cannot express a piece that its vocabulary lacks.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import sentencepiece
import tokenizers
from tokenizers import models, processors

from zoo.errors import FormatError
from zoo.text import unigram
from zoo.text.batch import BatchFormat
from zoo.text.classes import CLASSES
from zoo.text.declared import Declared, max_length, role_tokens
from zoo.text.tokenizer import Tokenizer
from zoo.text.vocabulary import read_vocab_json

SOURCE, TARGET, VOCAB = "source.spm", "target.spm", "vocab.json"
Side = Literal["source", "target"]

_SPECIAL = CLASSES["marian"].special
_LANGUAGE = re.compile(r">>.*?<<", re.DOTALL)  # the language to translate into, before a source text


class MarianTokenizer(Tokenizer):
    """Source texts to ids and back; `.target` is the same for target texts.

    A text may begin with the language to translate into (`>>fra<< Hello`), if the vocabulary has such tokens.
    """

    _pretokenized = True

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        special: Mapping[str, str],
        config: Mapping[str, Any],
        sides: Mapping[Side, bytes],
        side: Side = "source",
        batch_format: BatchFormat | None = None,
    ):
        super().__init__(backend, special, config, batch_format)
        self._sides = sides
        self._sentencepiece = sentencepiece.SentencePieceProcessor(model_proto=sides[side])
        longest_first = sorted({*special.values()}, key=len, reverse=True)
        self._whole = re.compile(f"({'|'.join(map(re.escape, longest_first))})")

    @property
    def target(self) -> "MarianTokenizer":
        return MarianTokenizer(self.backend, self.special, self._config, self._sides, "target", self.batch_format)

    def _ready(self, texts: Iterable[Any]) -> list:
        return [self._split(text) for text in super()._ready(texts)]

    def _split(self, text: str) -> list[str]:
        pieces = []
        for index, part in enumerate(self._whole.split(text)):
            if index % 2:
                pieces.append(part)
                continue
            if language := _LANGUAGE.match(part):
                pieces.append(language[0])
                part = part[language.end() :]
            pieces += self._sentencepiece.encode(part, out_type=str)
        return pieces

    def _word_starts(self, row: tokenizers.Encoding) -> list[bool]:
        whole = {*self.special.values()}
        return [token.startswith(unigram.SPACE) or token in whole for token in row.tokens]

    def _text(self, ids: list[int], special_tokens: Literal["keep", "skip"]) -> str:
        special, text, run = {*self.special.values()}, "", []
        for token in map(self.backend.id_to_token, ids):
            if token not in special:
                run.append(token)
            elif special_tokens == "keep":
                text, run = f"{text}{self._joined(run)}{token} ", []
        return (text + self._joined(run)).strip()

    def _joined(self, pieces: list[str]) -> str:
        # Pieces that only the other side has are returned unchanged.
        return self._sentencepiece.decode_pieces(pieces).replace(unigram.SPACE, " ")

    def _save_vocabulary(self, folder: Path) -> None:
        (folder / SOURCE).write_bytes(self._sides["source"])
        (folder / TARGET).write_bytes(self._sides["target"])
        self.backend.model.save(str(folder))

    def _declaration(self) -> dict[str, Any]:
        return {"tokenizer_class": "MarianTokenizer"}


def read(declared: Declared) -> MarianTokenizer:
    """The tokenizer of a folder with `source.spm`, `target.spm` and `vocab.json`.

    Raises:
      FormatError: one of them is absent or damaged, or the vocabulary lacks a special token.
    """
    folder, options = declared.folder, declared.options
    _check_options(declared)
    sides: dict[Side, bytes] = {"source": _read_model(folder / SOURCE), "target": _read_model(folder / TARGET)}
    vocab = read_vocab_json(folder / VOCAB)
    special = {**_SPECIAL, **role_tokens(declared, _SPECIAL, vocab)}
    if missing := [token for token in special.values() if token not in vocab]:
        raise FormatError(
            f"{folder / VOCAB} lacks {', '.join(missing)}; download it again together with the .spm files."
        )
    _check_added(declared, vocab, special)
    style = BatchFormat(
        padding_side=options.get("padding_side", "right"),
        truncation_side=options.get("truncation_side", "right"),
        max_length=max_length(options),
        has_token_types=False,
    )
    config = {name: value for name, value in options.items() if name != "added_tokens_decoder"}
    return MarianTokenizer(_backend(vocab, special), special, config, sides, batch_format=style)


def _check_options(declared: Declared) -> None:
    path, name = declared.folder / "tokenizer_config.json", declared.tokenizer_class
    if name not in (None, "MarianTokenizer"):
        raise FormatError(f"{path} declares tokenizer_class {name!r}, but {SOURCE} and {TARGET} are MarianTokenizer's.")
    if declared.options.get("separate_vocabs"):
        raise FormatError(
            f"{path} declares separate vocabularies of source and target, which are not supported; use a model whose "
            "sides share vocab.json."
        )
    if declared.options.get("split_special_tokens"):
        raise FormatError(f"{path}: split_special_tokens is not supported for MarianTokenizer. Remove it.")


def _check_added(declared: Declared, vocab: Mapping[str, int], special: Mapping[str, str]) -> None:
    """Refuses added tokens that are not special tokens of the vocabulary already."""
    named = {*special.values()}
    for index, token in declared.added.items():
        if token.content not in named or vocab[token.content] != index:
            raise FormatError(
                f"{declared.folder} adds the token {token.content!r} with id {index}; MarianTokenizer has no other "
                f"added tokens here than {', '.join(sorted(named))}. Remove it."
            )
    if others := [token.content for token in declared.additional or () if token.content not in named]:
        raise FormatError(f"{declared.folder} declares the special tokens {others}, not supported for MarianTokenizer.")


def _read_model(path: Path) -> bytes:
    data, _ = unigram.read_model(path)
    try:
        sentencepiece.SentencePieceProcessor(model_proto=data)
    except RuntimeError as error:
        raise FormatError(f"{path} is damaged, or not a SentencePiece model ({error}). Download it again.") from error
    return data


def _backend(vocab: dict[str, int], special: Mapping[str, str]) -> tokenizers.Tokenizer:
    """Pieces to ids, with the end token after them."""
    backend = tokenizers.Tokenizer(models.WordLevel(vocab, unk_token=special["unk"]))
    end = special["eos"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A $B {end}", special_tokens=[(end, vocab[end])]
    )
    return backend

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tokenizers: the Rust `tokenizers` library behind a small wrapper, read from and written to Hub folders.

WordPiece is BERT's (arXiv 1810.04805, section 3), byte-level BPE is GPT-2's (Radford et al. 2019, section 2.2).
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from zoo.errors import ConfigError, FormatError, InputError
from zoo.files import read_json, write_json
from zoo.text import unigram
from zoo.text.backend import answering, build, read_tokenizer_json
from zoo.text.vocabulary import check_ids, read_merges, read_vocab_json, read_vocab_txt

ROLES = ("pad", "cls", "sep", "mask", "unk", "bos", "eos")

BERT = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_ROBERTA = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
_ALBERT = {**BERT, "bos": "[CLS]", "eos": "[SEP]", "pad": "<pad>", "unk": "<unk>"}
_XLNET = {"cls": "<cls>", "sep": "<sep>", "bos": "<s>", "eos": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
GPT2 = {"bos": "<|endoftext|>", "eos": "<|endoftext|>", "unk": "<|endoftext|>"}
_T5 = {"eos": "</s>", "pad": "<pad>", "unk": "<unk>"}
# The spellings to expect in a folder that does not declare its special tokens; the first that is all there.
_SPELLINGS = (BERT, _ALBERT, _XLNET, _ROBERTA, GPT2, _T5, {"unk": "<unk>"})
_MARIAN = ("source.spm", "target.spm")
_SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "30k-clean.model")  # the last as ALBERT was released
_WORD_END = "</w>"  # what GPT's BPE marks the end of a word with
_MAX_ROW = 2**24  # tokens
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A padded batch, int32 [B, T] each: token ids, 1 for a token and 0 for padding, sentence A/B ids."""

    tokens: np.ndarray
    segments: np.ndarray
    token_types: np.ndarray


class Tokenizer:
    """Text to ids and back.

    Attributes:
      backend: the `tokenizers.Tokenizer`, without padding or truncation of its own.
      special: role (see `ROLES`) to token, for the roles that this vocabulary fills.
    """

    _pretokenized = False  # whether the backend is given pieces

    def __init__(
        self, backend: tokenizers.Tokenizer, special: Mapping[str, str], config: Mapping[str, Any] | None = None
    ):
        backend.no_padding()
        backend.no_truncation()
        self.backend, self.special, self._config = backend, dict(special), dict(config or {})

    def encode(self, text: str, pair: str | None = None) -> list[int]:
        """Ids of one text or one pair, with the special tokens that the family puts around them.

        Raises:
          InputError: not text, or text with a lone surrogate. FormatError: the tokenizer's file fails on this text.
        """
        inputs = self._ready([text] if pair is None else [text, pair])
        with answering():
            return self.backend.encode(*inputs, is_pretokenized=self._pretokenized).ids

    def encode_plain(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text alone, without special tokens around it."""
        ready, options = self._ready(texts), dict(is_pretokenized=self._pretokenized, add_special_tokens=False)
        with answering():
            return [row.ids for row in self.backend.encode_batch_fast(ready, **options)]

    def encode_batch(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int | None = None,
        pad_to: int = 0,
    ) -> Encoded:
        """A batch padded on the right to its longest row, or to `pad_to` tokens if that is more.

        Args:
          pairs: second sentences, one a text.
          max_length: rows are cut to this many tokens, special ones included; a pair loses from its longer half.
        """
        if pairs is not None and len(pairs) != len(texts):
            raise InputError(f"{len(texts)} texts but {len(pairs)} pairs; give one pair a text.")
        for name, value in (("max_length", max_length), ("pad_to", pad_to)):
            if value is not None and (type(value) is not int or not 0 <= value <= _MAX_ROW):
                raise ConfigError(f"{name} must be an int from 0 to {_MAX_ROW}; found {value!r:.80}.")
        inputs = self._ready(texts)
        if pairs is not None:
            inputs = list(zip(inputs, self._ready(pairs), strict=True))
        least = self.backend.num_special_tokens_to_add(pairs is not None)
        if max_length is not None and max_length <= least:
            raise ConfigError(f"max_length {max_length} leaves no room beside {least} special tokens; raise it.")
        rows = self._encode_rows(inputs, max_length)
        length = max([pad_to, *(len(row.ids) for row in rows)])
        return Encoded(
            _pad([row.ids for row in rows], length, self.fill_id),
            _pad([[1] * len(row.ids) for row in rows], length, 0),
            _pad([row.type_ids for row in rows], length, 0),
        )

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
                raise InputError(f"id {token!r:.80} at index {index} is no int.")
            if not 0 <= token < size:
                raise InputError(f"id {token} at index {index} is outside the vocabulary of {size} tokens.")
        return self._text([int(token) for token in ids], special_tokens)

    def save(self, folder: str | Path) -> None:
        """Writes the files that the Hub expects: the vocabulary, which token has which role, and how it was made."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        special = {f"{role}_token": token for role, token in self.special.items()}
        self._save_vocabulary(folder)
        write_json(folder / "special_tokens_map.json", special)
        write_json(folder / "tokenizer_config.json", {**self._declaration(), **self._config, **special})

    @property
    def target(self) -> "Tokenizer":
        """The tokenizer of what an encoder-decoder writes: this one, but for Marian, whose sides split differently."""
        return self

    @property
    def vocab_size(self) -> int:
        """V, added tokens included."""
        return self.backend.get_vocab_size()

    @property
    def special_ids(self) -> tuple[int, ...]:
        """Ids of all tokens that stand for no text, in order."""
        added = {index for index, token in self.backend.get_added_tokens_decoder().items() if token.special}
        named = {index for role in self.special if (index := self._id(role)) is not None}
        return tuple(sorted(added | named))

    @property
    def fill_id(self) -> int:
        """What to write where nothing is: the padding token, else the end token, else 0."""
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

    def _encode_rows(self, inputs: list, max_length: int | None) -> list[tokenizers.Encoding]:
        if max_length is not None:
            self.backend.enable_truncation(max_length)
        try:
            with answering():
                return self.backend.encode_batch(inputs, is_pretokenized=self._pretokenized)
        finally:
            self.backend.no_truncation()

    def _text(self, ids: list[int], special_tokens: Literal["keep", "skip"]) -> str:
        with answering():
            return self.backend.decode(ids, skip_special_tokens=special_tokens == "skip")

    def _save_vocabulary(self, folder: Path) -> None:
        """`tokenizer.json`, and the vocabulary in the older form."""
        self.backend.save(str(folder / "tokenizer.json"))
        if isinstance(self.backend.model, models.WordPiece | models.BPE):
            self.backend.model.save(str(folder))

    def _declaration(self) -> dict[str, Any]:
        """What a library that builds the tokenizer from its class, and not from `tokenizer.json`, has to know."""
        if isinstance(self.backend.model, models.WordPiece):
            lower_case = getattr(self.backend.normalizer, "lowercase", False)
            return {"tokenizer_class": "BertTokenizer", "do_lower_case": lower_case}
        if self.special == GPT2:
            return {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False}
        return {"tokenizer_class": "PreTrainedTokenizerFast"}


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer of a Hub folder.

    Read from `source.spm`, `target.spm` and `vocab.json` (Marian), else `tokenizer.json`, else `vocab.txt`, else a
    SentencePiece model, else `vocab.json` and `merges.txt`, else the files that GPT-2 and GPT were released with;
    `tokenizer_config.json` and `special_tokens_map.json` are heeded if there, and so is the family that config.json
    names.

    Raises:
      FormatError: no such files, or files that are damaged or contradict each other.
    """
    tokenizer = _read(Path(folder))
    _check_rows(tokenizer, Path(folder) / "config.json")
    return tokenizer


def _read(folder: Path) -> Tokenizer:
    config = read_json(folder / "tokenizer_config.json", default={})
    if any((folder / name).is_file() for name in _MARIAN):
        from zoo.text import marian  # derives from Tokenizer

        return marian.read(folder, config)
    backend = _read_backend(folder, config)
    vocab = backend.get_vocab()
    check_ids(vocab, folder)
    special = _special_tokens(folder, config, vocab)
    known = {str(token) for token in backend.get_added_tokens_decoder().values()}
    added = [token for token in dict.fromkeys(special.values()) if token not in known]
    backend.add_special_tokens(added)  # a known one may say how it treats the space before it
    return Tokenizer(backend, special, config)


def wordpiece(
    vocab: dict[str, int], *, lower_case: bool, strip_accents: bool | None = None, split_chinese: bool = True
) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token=BERT["unk"]))
    backend.normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=split_chinese, strip_accents=strip_accents, lowercase=lower_case
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    cls, sep = BERT["cls"], BERT["sep"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(cls, vocab[cls]), (sep, vocab[sep])],
    )
    return backend


def byte_bpe(
    vocab: dict[str, int], merges: list[tuple[str, str]], add_prefix_space: bool = False
) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE(vocab, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    backend.decoder = decoders.ByteLevel()
    if {"<s>", "</s>", "<mask>"} <= vocab.keys():
        ends = (("</s>", vocab["</s>"]), ("<s>", vocab["<s>"]))
        backend.post_processor = processors.RobertaProcessing(*ends, add_prefix_space=add_prefix_space)
    return backend


def word_bpe(vocab: dict[str, int], merges: list[tuple[str, str]]) -> tokenizers.Tokenizer:
    """GPT's BPE (Radford et al. 2018, section 4.1): of lower-cased words, whose last piece says that it is the last."""
    model = models.BPE(vocab, merges, unk_token="<unk>", end_of_word_suffix=_WORD_END, fuse_unk=False)
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.BPEDecoder(suffix=_WORD_END)
    return backend


def _read_backend(folder: Path, config: Mapping[str, Any]) -> tokenizers.Tokenizer:
    if (path := folder / "tokenizer.json").is_file():
        return read_tokenizer_json(path)
    if (path := folder / "vocab.txt").is_file():
        return build(path, lambda: _read_wordpiece(path, config))
    for name in _SENTENCEPIECE:
        if (path := folder / name).is_file():
            return build(path, lambda: _read_unigram(path, config))
    for names in _BPE_FILES:
        vocab, merges = (folder / name for name in names)
        if vocab.is_file():
            return build(merges, functools.partial(_read_bpe, vocab, merges, config))
    pairs = [" with ".join(names) for names in _BPE_FILES]
    marian = " with ".join([*_MARIAN, "vocab.json"])
    expected = ", ".join(["tokenizer.json", "vocab.txt", *_SENTENCEPIECE, marian, *pairs])
    raise FormatError(
        f"{folder} holds no tokenizer: expected {expected}. Give the folder of a model, or copy these files into it."
    )


_BPE_FILES = (
    ("vocab.json", "merges.txt"),
    ("encoder.json", "vocab.bpe"),
    ("encoder_bpe_40000.json", "vocab_40000.bpe"),
)


def _read_bpe(vocab_file: Path, merges_file: Path, config: Mapping[str, Any]) -> tokenizers.Tokenizer:
    vocab, merges = read_vocab_json(vocab_file), read_merges(merges_file)
    if any(token.endswith(_WORD_END) for token in vocab):
        return word_bpe(vocab, merges)
    backend = byte_bpe(vocab, merges, bool(config.get("add_prefix_space", False)))
    if config.get("add_bos_token"):
        begin = declared_tokens(vocab_file.parent, config, vocab).get("bos", GPT2["bos"])
        backend.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, vocab[begin])]
        )
    return backend


def _read_unigram(path: Path, config: Mapping[str, Any]) -> tokenizers.Tokenizer:
    pieces = unigram.read_pieces(path)
    model_type = read_json(path.parent / "config.json", default={}).get("model_type")
    if model_type not in unigram.BY_MODEL_TYPE:
        model_type = unigram.guess_model_type(pieces, path.name)
    options = {"lower_case": bool(config["do_lower_case"])} if "do_lower_case" in config else {}
    return unigram.BY_MODEL_TYPE[model_type](pieces, **(options if model_type in ("albert", "xlnet") else {}))


def _read_wordpiece(path: Path, config: Mapping[str, Any]) -> tokenizers.Tokenizer:
    vocab = read_vocab_txt(path)
    missing = [token for role, token in BERT.items() if role != "mask" and token not in vocab]
    if missing:
        raise FormatError(f"{path} lacks the special tokens {', '.join(missing)}; it is not a BERT vocabulary.")
    # An undeclared vocabulary is cased if a word in it has a capital.
    cased = any(token.isascii() and token != token.lower() for token in vocab if not token.startswith("["))
    return wordpiece(
        vocab,
        lower_case=bool(config.get("do_lower_case", not cased)),
        strip_accents=config.get("strip_accents"),
        split_chinese=bool(config.get("tokenize_chinese_chars", True)),
    )


def _special_tokens(folder: Path, config: Mapping[str, Any], vocab: Mapping[str, int]) -> dict[str, str]:
    """Role to token: as declared, else by the spellings of the families."""
    usual = next((spelling for spelling in _SPELLINGS if all(token in vocab for token in spelling.values())), {})
    return {**usual, **declared_tokens(folder, config, vocab)}


def declared_tokens(folder: Path, config: Mapping[str, Any], vocab: Mapping[str, int]) -> dict[str, str]:
    """Role to token, as the folder says; FormatError for a token that its vocabulary lacks."""
    declared = {}
    for source in (read_json(folder / "special_tokens_map.json", default={}), config):
        for role in ROLES:
            if token := source.get(f"{role}_token"):
                declared[role] = token.get("content") if isinstance(token, dict) else token
    for role, token in declared.items():
        if not isinstance(token, str) or token not in vocab:
            raise FormatError(
                f"{folder} declares {role}_token {token!r}, which its vocabulary lacks; add it to tokenizer.json, or "
                "remove it from tokenizer_config.json and special_tokens_map.json."
            )
    return declared


def _check_rows(tokenizer: Tokenizer, config: Path) -> None:
    """The model's embedding may have more rows than there are tokens, as T5's has, but not fewer."""
    rows, size = read_json(config, default={}).get("vocab_size"), tokenizer.vocab_size
    if type(rows) is int and rows < size:
        raise FormatError(
            f"{config} says vocab_size {rows}, but the tokenizer beside it has {size} tokens, with ids up to "
            f"{size - 1}: the model would have no embedding for {size - rows} of them. Put the model's own tokenizer "
            f"there; if tokens were added to it, the model needs {size} rows."
        )


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


def _pad(rows: Sequence[Sequence[int]], length: int, value: int) -> np.ndarray:
    padded = np.full((len(rows), length), value, np.int32)
    for row, ids in zip(padded, rows, strict=True):
        row[: len(ids)] = ids
    return padded

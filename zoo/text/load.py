# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of a Hub folder: which files it is read from, as which class, with which options."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models

from zoo.errors import FormatError
from zoo.files import read_json
from zoo.text import marian, unigram
from zoo.text.backend import build, read_tokenizer_json
from zoo.text.batch import BatchFormat
from zoo.text.bpe import WORD_END, byte_bpe, herbert, word_bpe
from zoo.text.classes import CLASSES, SINGLE_TYPE_MODELS, SPELLINGS, TokenizerClass, class_of_model, find_class
from zoo.text.declared import (
    Declared,
    add_declared,
    max_length,
    read_declared,
    report_lower_case,
    report_unused,
    role_tokens,
)
from zoo.text.override import fits, override
from zoo.text.template import frame_ends
from zoo.text.tokenizer import Tokenizer
from zoo.text.vocabulary import check_ids, read_merges, read_vocab_json, read_vocab_txt
from zoo.text.wordpiece import wordpiece

_SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "30k-clean.model")  # the last is that of ALBERT's release
_BPE = (
    ("vocab.json", "merges.txt"),
    ("encoder.json", "vocab.bpe"),
    ("encoder_bpe_40000.json", "vocab_40000.bpe"),
)
_NAMES = {
    "roberta": "RobertaTokenizer",
    "gpt2": "GPT2Tokenizer",
    "openai": "OpenAIGPTTokenizer",
    "herbert": "HerbertTokenizer",
    "albert": "AlbertTokenizer",
    "xlnet": "XLNetTokenizer",
    "t5": "T5Tokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "camembert": "CamembertTokenizer",
}


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer of a Hub folder.

    Read from `source.spm`, `target.spm` and `vocab.json` (Marian), else `tokenizer.json`, else `vocab.txt`, else a
    SentencePiece model, else `vocab.json` and `merges.txt`, else the files that GPT-2 and GPT were released with. Its
    class is the `tokenizer_class` that tokenizer_config.json or config.json declares, else that of the `model_type` in
    config.json, else guessed from the vocabulary. Options and tokens that the folder declares are honoured as
    Transformers does.

    Raises:
      FormatError: no such files, files that are damaged or contradict each other, or a class or option that is not
        supported.
    """
    folder = Path(folder)
    declared = read_declared(folder)
    if any((folder / name).is_file() for name in (marian.SOURCE, marian.TARGET)):
        tokenizer = marian.read(declared)
    else:
        tokenizer = _read(declared)
    _check_rows(tokenizer, folder / "config.json")
    return tokenizer


def _read(declared: Declared) -> Tokenizer:
    name, folder = declared.tokenizer_class, declared.folder
    is_explicit = name is not None
    kind = find_class(name, folder, has_json=declared.has_json) if is_explicit else class_of_model(declared.model_type)
    sides: Mapping[str, str] = {}
    if declared.has_json:
        backend, kind, sides = _read_json(declared, kind, is_explicit=is_explicit)
    else:
        backend, kind = _read_vocabulary(declared, kind, is_explicit=is_explicit)
    report_unused(declared, kind)
    usual = kind.special if kind is not None else _spelling(backend.get_vocab())
    special = role_tokens(declared, usual, backend.get_vocab())
    add_declared(backend, declared, special, kind)
    check_ids(backend.get_vocab(), folder)
    backend.encode_special_tokens = bool(declared.options.get("split_special_tokens", False))
    return Tokenizer(backend, special, _config(backend, declared, kind), _batch_format(declared, kind, sides))


def _read_json(
    declared: Declared, kind: TokenizerClass | None, *, is_explicit: bool
) -> tuple[tokenizers.Tokenizer, TokenizerClass | None, Mapping[str, str]]:
    path = declared.folder / "tokenizer.json"
    backend, sides = read_tokenizer_json(path)
    by_class = is_explicit or (kind is not None and bool(declared.options))
    check_ids(backend.get_vocab(), declared.folder)
    if kind is None and not is_explicit and isinstance(backend.model, models.WordPiece):
        kind = CLASSES["wordpiece"]
    if kind is None or not fits(backend, kind):
        if kind is not None and is_explicit:
            raise FormatError(
                f"{declared.folder} declares tokenizer_class {declared.tokenizer_class!r}, but its {path.name} holds a "
                f"{type(backend.model).__name__} model, which is not of that class. Correct the class, or declare "
                "'PreTrainedTokenizerFast' for a tokenizer.json that is to be taken as it is."
            )
        return backend, None, sides
    special = role_tokens(declared, kind.special, backend.get_vocab())
    return build(path, lambda: override(backend, kind, declared, special, is_explicit=by_class)), kind, sides


def _read_vocabulary(
    declared: Declared, kind: TokenizerClass | None, *, is_explicit: bool
) -> tuple[tokenizers.Tokenizer, TokenizerClass]:
    folder, options = declared.folder, declared.options
    expected = kind if is_explicit else None
    if (path := folder / "vocab.txt").is_file():
        _expect(expected, path, "wordpiece")
        by_class = is_explicit or (kind is not None and bool(options))
        return build(path, lambda: _read_wordpiece(path, declared, by_class)), CLASSES["wordpiece"]
    for name in _SENTENCEPIECE:
        if (path := folder / name).is_file():
            _expect(expected, path, "albert", "xlnet", "t5", "xlm-roberta", "camembert")
            pieces = unigram.read_pieces(path)
            family = kind.algorithm if kind is not None else unigram.guess_family(pieces, name)
            if family not in unigram.FAMILIES:
                family = unigram.guess_family(pieces, name)
            make = functools.partial(_make_unigram, CLASSES[family], pieces, declared)
            return build(path, make), CLASSES[family]
    for vocab, merges in ((folder / first, folder / second) for first, second in _BPE):
        if vocab.is_file():
            _expect(expected, vocab, "roberta", "gpt2", "openai", "herbert")
            return _read_bpe(vocab, merges, declared, kind)
    pairs = [" with ".join(names) for names in [*_BPE, (marian.SOURCE, marian.TARGET, "vocab.json")]]
    names = ", ".join(["tokenizer.json", "vocab.txt", *_SENTENCEPIECE, *pairs])
    raise FormatError(
        f"{folder} holds no tokenizer: expected {names}. Give the folder of a model, or copy these files into it."
    )


def _expect(kind: TokenizerClass | None, path: Path, *algorithms: str) -> None:
    if kind is not None and kind.algorithm not in algorithms:
        names = ", ".join(_NAMES.get(algorithm, "BertTokenizer") for algorithm in algorithms)
        raise FormatError(
            f"{path.parent} declares a tokenizer_class whose files are missing: {path.name} belongs to {names}. "
            "Correct the class, or get the files of the declared one."
        )


def _read_wordpiece(path: Path, declared: Declared, by_class: bool) -> tokenizers.Tokenizer:
    vocab, options = read_vocab_txt(path), declared.options
    special = _construction(CLASSES["wordpiece"], declared)
    found = role_tokens(declared, CLASSES["wordpiece"].special, vocab)
    if lacking := [special[role] for role in ("pad", "unk", "cls", "sep") if role not in found]:
        raise FormatError(f"{path} lacks the special tokens {', '.join(lacking)}; it is not a BERT vocabulary.")
    # An undeclared vocabulary is cased if a word in it has a capital.
    cased = any(token.isascii() and token != token.lower() for token in vocab if not token.startswith("["))
    lower_case = by_class or not cased
    if cased and lower_case and "do_lower_case" not in options:
        report_lower_case(declared, path.name)
    return wordpiece(
        vocab,
        lower_case=options.get("do_lower_case", lower_case),
        strip_accents=options.get("strip_accents"),
        split_chinese=options.get("tokenize_chinese_chars", True),
        special={role: found[role] for role in ("unk", "cls", "sep")},
    )


def _read_bpe(
    vocab_file: Path, merges_file: Path, declared: Declared, kind: TokenizerClass | None
) -> tuple[tokenizers.Tokenizer, TokenizerClass]:
    vocab, merges = read_vocab_json(vocab_file), read_merges(merges_file)
    if kind is None or kind.algorithm not in ("roberta", "gpt2", "openai", "herbert"):
        words, ends = any(token.endswith(WORD_END) for token in vocab), {"<s>", "</s>", "<mask>"} <= vocab.keys()
        kind = CLASSES["openai" if words else "roberta" if ends else "gpt2"]
    special = _construction(kind, declared)

    def make() -> tokenizers.Tokenizer:
        prefix = declared.options.get("add_prefix_space", False)
        if kind.algorithm == "openai":
            return word_bpe(vocab, merges, unk=special["unk"])
        if kind.algorithm == "herbert":
            return herbert(vocab, merges, special=special)
        if kind.algorithm == "roberta":
            trim = declared.options.get("trim_offsets", True)
            return byte_bpe(vocab, merges, add_prefix_space=prefix, trim_offsets=trim, special=special)
        return frame_ends(byte_bpe(vocab, merges, add_prefix_space=prefix), special, declared.options)

    return build(merges_file, make), kind


def _make_unigram(kind: TokenizerClass, pieces: unigram.SentencePieces, declared: Declared) -> tokenizers.Tokenizer:
    """Built with the options that the class has; the others have no effect."""
    options = {name: declared.options[name] for name in kind.options & declared.options.keys()}
    special = _construction(kind, declared)
    given = unigram.UnigramOptions(
        lower_case=options.get("do_lower_case"),
        keep_accents=options.get("keep_accents", False),
        add_prefix_space=options.get("add_prefix_space", True),
        extra_ids=options.get("extra_ids", 100),
        whole_pieces=not declared.lists_additional,
    )
    backend = unigram.unigram(kind.algorithm, pieces, special, given)
    return frame_ends(backend, special, options)


def _construction(kind: TokenizerClass, declared: Declared) -> dict[str, str]:
    """Role to token, whether or not the vocabulary has it yet."""
    return {**kind.special, **{role: token.content for role, token in declared.roles.items()}}


def _spelling(vocab: Mapping[str, int]) -> Mapping[str, str]:
    return next((spelling for spelling in SPELLINGS if all(token in vocab for token in spelling.values())), {})


def _config(backend: tokenizers.Tokenizer, declared: Declared, kind: TokenizerClass | None) -> dict[str, Any]:
    """tokenizer_config.json of a copy: as declared, with a class that reads the copy in the same way."""
    config = {name: value for name, value in declared.options.items() if name != "added_tokens_decoder"}
    name = declared.tokenizer_class or (_NAMES.get(kind.algorithm) if kind is not None else None)
    if name is not None:
        config["tokenizer_class"] = name
    if kind is not None and kind.algorithm == "t5":
        sentinels = sum(token.startswith("<extra_id_") for token in backend.get_vocab())
        config.setdefault("extra_ids", sentinels)
    return config


def _batch_format(declared: Declared, kind: TokenizerClass | None, sides: Mapping[str, str]) -> BatchFormat:
    """As declared, else as tokenizer.json has it, else as is usual for the class."""
    options, algorithm = {**sides, **declared.options}, None if kind is None else kind.algorithm
    names = options.get("model_input_names")
    if isinstance(names, list):
        has_token_types = "token_type_ids" in names
    elif declared.model_type in SINGLE_TYPE_MODELS or (declared.tokenizer_class or "").startswith("DistilBert"):
        has_token_types = False
    else:
        has_token_types = kind is None or kind.has_token_types
    return BatchFormat(
        padding_side=options.get("padding_side", "right" if kind is None else kind.padding_side),
        truncation_side=options.get("truncation_side", "right"),
        max_length=max_length(options),
        has_token_types=has_token_types,
        has_positions=algorithm not in ("xlnet", "t5"),
    )


def _check_rows(tokenizer: Tokenizer, config: Path) -> None:
    """The model's embedding may have more rows than the tokenizer has tokens, as T5's has, but not fewer."""
    rows, size = read_json(config, default={}).get("vocab_size"), tokenizer.vocab_size
    if type(rows) is int and rows < size:
        raise FormatError(
            f"{config} has vocab_size {rows}, but the tokenizer next to it has {size} tokens, with ids up to "
            f"{size - 1}: the model would have no embedding for {size - rows} of them. Use the model's own tokenizer; "
            f"if tokens were added to it, resize the model's embeddings to {size}."
        )

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A tokenizer.json under the options of a tokenizer_config.json: what its declared class changes in it."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import tokenizers
from tokenizers import models

from zoo.text import unigram
from zoo.text.bpe import frame_roberta
from zoo.text.classes import TokenizerClass
from zoo.text.declared import Declared, report_lower_case
from zoo.text.template import classify, frame, frame_ends

_MODELS = {"wordpiece": models.WordPiece, "roberta": models.BPE, "gpt2": models.BPE}
_BERT_OPTIONS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def fits(backend: tokenizers.Tokenizer, kind: TokenizerClass) -> bool:
    """Whether a tokenizer.json holds the algorithm of a class."""
    if kind.algorithm in ("openai", "herbert"):
        return isinstance(backend.model, models.BPE) and bool(backend.model.end_of_word_suffix)
    return isinstance(backend.model, _MODELS.get(kind.algorithm, models.Unigram))


def override(
    backend: tokenizers.Tokenizer,
    kind: TokenizerClass,
    declared: Declared,
    special: Mapping[str, str],
    *,
    is_explicit: bool,
) -> tokenizers.Tokenizer:
    """The same tokenizer with the declared options; a stage that none of them affects stays as it is in the file.

    Args:
      special: role to token.
      is_explicit: whether a class is declared, or any option; BERT's then lower-cases by default, as in Transformers.
    """
    options = {name: declared.options[name] for name in kind.options & declared.options.keys()}
    if kind.algorithm == "wordpiece":
        if is_explicit and "do_lower_case" not in options:
            options |= {"do_lower_case": True}
            if any(part.get("lowercase") is False for part in _stages(json.loads(backend.to_str())["normalizer"])):
                report_lower_case(declared, "tokenizer.json")
        backend = _override_wordpiece(backend, options)
    elif kind.algorithm in unigram.FAMILIES:
        _override_unigram(backend, kind, options)
        if kind.algorithm == "t5" and (is_explicit or "extra_ids" in options) and not declared.lists_additional:
            backend.add_special_tokens([f"<extra_id_{number}>" for number in range(options.get("extra_ids", 100))])
    elif options.keys() & {"add_prefix_space", "trim_offsets"}:
        backend = _override_byte_level(backend, options)
    return frame_ends(_override_template(backend, kind, special, options), special, options)


def _override_wordpiece(backend: tokenizers.Tokenizer, options: Mapping[str, Any]) -> tokenizers.Tokenizer:
    if not options:
        return backend
    file = json.loads(backend.to_str())
    found = [part for part in _stages(file["normalizer"]) if part["type"] == "BertNormalizer"]
    if not found:
        found = [dict(type="BertNormalizer", clean_text=True, handle_chinese_chars=True, strip_accents=None)]
        file["normalizer"] = found[0]
    for part in found:
        part.update({_BERT_OPTIONS[name]: value for name, value in options.items()})
    backend.normalizer = tokenizers.Tokenizer.from_str(_without_vocabulary(file)).normalizer
    return backend


def _override_unigram(backend: tokenizers.Tokenizer, kind: TokenizerClass, options: Mapping[str, Any]) -> None:
    given = unigram.UnigramOptions(
        lower_case=options.get("do_lower_case"),
        keep_accents=options.get("keep_accents", False),
        add_prefix_space=options.get("add_prefix_space", True),
    )
    if {"do_lower_case", "keep_accents"} & options.keys():
        charsmap = _charsmap(json.loads(backend.normalizer.__getstate__() if backend.normalizer else b"null"))
        backend.normalizer = unigram.normalizer(kind.algorithm, charsmap, given)
    if "add_prefix_space" in options:
        unigram.split_words(backend, add_prefix_space=given.add_prefix_space)


def _override_byte_level(backend: tokenizers.Tokenizer, options: Mapping[str, Any]) -> tokenizers.Tokenizer:
    file = json.loads(backend.to_str())
    for stage in (file["pre_tokenizer"], file["post_processor"]):
        for part in _stages(stage):
            if part["type"] in ("ByteLevel", "RobertaProcessing") and "add_prefix_space" in options:
                part["add_prefix_space"] = options["add_prefix_space"]
            if part["type"] == "RobertaProcessing" and "trim_offsets" in options:
                part["trim_offsets"] = options["trim_offsets"]
    return tokenizers.Tokenizer.from_str(json.dumps(file))


def _override_template(
    backend: tokenizers.Tokenizer, kind: TokenizerClass, special: Mapping[str, str], options: Mapping[str, Any]
) -> tokenizers.Tokenizer:
    """A declared [CLS] that differs from the file's still encloses texts, as in Transformers."""
    wanted = {special[role] for role in kind.template if role in special}
    if not wanted or wanted == {*_framing(backend)}:
        return backend
    if kind.algorithm == "roberta":
        prefix, trim = options.get("add_prefix_space", False), options.get("trim_offsets", True)
        return frame_roberta(backend, special, add_prefix_space=prefix, trim_offsets=trim)
    if kind.algorithm in ("wordpiece", "herbert"):
        return frame(backend, *classify(special["cls"], special["sep"]))
    return frame(backend, *unigram.template(kind.algorithm, special))


def _framing(backend: tokenizers.Tokenizer) -> Iterator[str]:
    """The tokens that enclose texts."""
    for part in _stages(json.loads(backend.to_str())["post_processor"]):
        yield from part.get("special_tokens") or {}
        yield from (part[name][0] for name in ("cls", "sep") if name in part)


def _stages(stage: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The parts of a normalizer, pre-tokenizer or post-processor, however they are nested."""
    if stage is None:
        return
    parts = [part for name in ("normalizers", "pretokenizers", "processors") for part in stage.get(name) or []]
    for part in parts:
        yield from _stages(part)
    if not parts:
        yield stage


def _charsmap(normalizer: dict[str, Any] | None) -> bytes:
    found = [part["precompiled_charsmap"] for part in _stages(normalizer) if part["type"] == "Precompiled"]
    return base64.b64decode(found[0]) if found else b""


def _without_vocabulary(file: dict[str, Any]) -> str:
    """The same tokenizer.json with only its unknown token as vocabulary, which is quick to parse."""
    model = {**file["model"], "vocab": {file["model"]["unk_token"]: 0}}
    return json.dumps({**file, "model": model, "added_tokens": [], "post_processor": None})

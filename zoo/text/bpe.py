# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Byte-pair encoding as tokenizers of the Rust library: byte-level as in GPT-2 and RoBERTa, within words as in GPT."""

from collections.abc import Mapping

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from zoo.text.classes import HERBERT
from zoo.text.template import classify, frame

WORD_END = "</w>"  # marks the end of a word in GPT's BPE

Merges = list[tuple[str, str]]


def byte_bpe(
    vocab: dict[str, int],
    merges: Merges,
    *,
    add_prefix_space: bool = False,
    trim_offsets: bool = True,
    special: Mapping[str, str] | None = None,
) -> tokenizers.Tokenizer:
    """GPT-2's (Radford et al. 2019, section 2.2); RoBERTa's if `special` has `cls` and `sep`, which enclose a text."""
    backend = tokenizers.Tokenizer(models.BPE(vocab, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    backend.decoder = decoders.ByteLevel()
    if special is None:
        return backend
    return frame_roberta(backend, special, add_prefix_space=add_prefix_space, trim_offsets=trim_offsets)


def frame_roberta(
    backend: tokenizers.Tokenizer, special: Mapping[str, str], *, add_prefix_space: bool, trim_offsets: bool = True
) -> tokenizers.Tokenizer:
    """Puts RoBERTa's tokens around texts; with `trim_offsets` offsets leave out the space before a word."""
    cls, sep = special["cls"], special["sep"]
    ids = {token: index for token in (cls, sep) if (index := backend.token_to_id(token)) is not None}
    if lacking := sorted({cls, sep} - ids.keys()):
        raise ValueError(f"it lacks {', '.join(lacking)}")
    backend.post_processor = processors.RobertaProcessing(
        (sep, ids[sep]), (cls, ids[cls]), trim_offsets=trim_offsets, add_prefix_space=add_prefix_space
    )
    return backend


def word_bpe(vocab: dict[str, int], merges: Merges, *, unk: str = "<unk>") -> tokenizers.Tokenizer:
    """GPT's (Radford et al. 2018, section 4.1): of lower-cased words, with an end mark on the last piece of each."""
    return _of_words(vocab, merges, unk, normalizers.BertNormalizer(lowercase=True))


def herbert(vocab: dict[str, int], merges: Merges, *, special: Mapping[str, str] = HERBERT) -> tokenizers.Tokenizer:
    """HerBERT's (Mroczkowski et al. 2021): of cased words, with BERT's template."""
    normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    backend = _of_words(vocab, merges, special["unk"], normalizer)
    return frame(backend, *classify(special["cls"], special["sep"]))


def _of_words(vocab: dict[str, int], merges: Merges, unk: str, normalizer) -> tokenizers.Tokenizer:
    model = models.BPE(vocab, merges, unk_token=unk, end_of_word_suffix=WORD_END, fuse_unk=False)
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.BPEDecoder(suffix=WORD_END)
    return backend

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""New vocabularies, learned from text with the Rust `tokenizers` library."""

import collections
import string
import sys
from collections.abc import Iterable

from tokenizers import normalizers, pre_tokenizers, trainers

from zoo.errors import ConfigError, InputError
from zoo.text.bpe import byte_bpe
from zoo.text.classes import BERT, GPT2
from zoo.text.tokenizer import Tokenizer, each_checked
from zoo.text.wordpiece import wordpiece


def train_tokenizer(texts: Iterable[str], *, kind: str, vocab_size: int, lower_case: bool = False) -> Tokenizer:
    """Learns a vocabulary of at most `vocab_size` tokens; the same texts give the same vocabulary.

    Args:
      texts: read twice for `wordpiece`, so a list or a source and not a generator.
      kind: `wordpiece` as BERT's, or `byte_bpe` as GPT-2's.
      lower_case: WordPiece only; accents go too, as in BERT's uncased vocabularies.

    Raises:
      ConfigError: an unknown kind, or a size too small for the alphabet and the special tokens.
      InputError: no text, or a lone surrogate in one.
    """
    learn = {"wordpiece": _learn_wordpiece, "byte_bpe": _learn_byte_bpe}.get(kind)
    if learn is None:
        raise ConfigError(f"tokenizer kind {kind!r} is unknown; use 'wordpiece' or 'byte_bpe'.")
    return learn(texts, vocab_size, lower_case)


def _learn_wordpiece(texts: Iterable[str], vocab_size: int, lower_case: bool) -> Tokenizer:
    """The trainer numbers continuations in hash order, so they are numbered here: ids and ties are then repeatable."""
    least = 64
    if vocab_size < least:
        raise ConfigError(f"tokenizer.vocab_size {vocab_size} is too small for wordpiece; give {least} or more.")
    scratch = wordpiece({token: index for index, token in enumerate(BERT.values())}, lower_case=lower_case)
    alphabet = _alphabet(texts, scratch.normalizer, limit=min(1000, vocab_size // 4))
    continuations = ["##" + char for char in alphabet if char not in string.punctuation]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=[*BERT.values(), *continuations],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=sys.stderr.isatty(),
    )
    scratch.train_from_iterator(each_checked(texts), trainer)
    backend = wordpiece(scratch.get_vocab(), lower_case=lower_case)
    backend.add_special_tokens([*BERT.values()])
    return Tokenizer(backend, BERT)


def _learn_byte_bpe(texts: Iterable[str], vocab_size: int, lower_case: bool) -> Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if lower_case:
        raise ConfigError("tokenizer.lower_case is for wordpiece; byte_bpe keeps every byte as it is. Set it to False.")
    if vocab_size <= len(alphabet):
        raise ConfigError(f"tokenizer.vocab_size {vocab_size} is too small for byte_bpe; give 257 or more.")
    end = GPT2["eos"]
    backend = byte_bpe({}, [])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[end], initial_alphabet=alphabet, show_progress=sys.stderr.isatty()
    )
    backend.train_from_iterator(each_checked(texts), trainer)
    return Tokenizer(backend, GPT2)


def _alphabet(texts: Iterable[str], normalizer: normalizers.Normalizer, limit: int) -> list[str]:
    """The characters of the texts, the `limit` most frequent if there are more, in a fixed order."""
    counts = collections.Counter()
    for text in each_checked(texts):
        counts.update(normalizer.normalize_str(text))
    found = [char for char in sorted(counts, key=lambda char: (-counts[char], char)) if not char.isspace()]
    if not found:
        raise InputError("There is no text to learn a vocabulary from; the source is empty or all white space.")
    return sorted(found[:limit])

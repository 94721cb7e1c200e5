# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""New vocabularies, learned from text with the Rust `tokenizers` library."""

import collections
import string
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import tokenizers
from tokenizers import normalizers, pre_tokenizers, trainers

from zoo.errors import ConfigError, InputError
from zoo.text.batch import BatchFormat
from zoo.text.bpe import byte_bpe, frame_roberta
from zoo.text.classes import BERT, CLASSES, GPT2, ROBERTA, T5, XLNET
from zoo.text.template import classify, classify_last, enclose, end_each, frame
from zoo.text.tokenizer import Tokenizer, each_checked
from zoo.text.wordpiece import wordpiece

Kind = Literal["wordpiece", "byte_bpe"]
Special = Literal["", "bert", "roberta", "gpt2", "t5", "xlnet"]

USUAL_SPECIAL: Mapping[str, Special] = {"wordpiece": "bert", "byte_bpe": "gpt2"}

# In the order of their ids, which is that of the released vocabularies.
_TOKENS = {
    "bert": tuple(BERT.values()),
    "roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "gpt2": ("<|endoftext|>",),
    "t5": ("<pad>", "</s>", "<unk>"),
    "xlnet": ("<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"),
}
# The last ids of T5's vocabularies, number 0 the highest: what stands in place of hidden spans (arXiv:1910.10683).
_LAST = {"t5": tuple(f"<extra_id_{number}>" for number in reversed(range(100)))}
_ROLES = {"bert": BERT, "roberta": ROBERTA, "gpt2": GPT2, "t5": T5, "xlnet": XLNET}
_HAS_TYPES = ("bert", "xlnet")


def train_tokenizer(
    texts: Iterable[str], *, kind: str, vocab_size: int, lower_case: bool = False, special: str = ""
) -> Tokenizer:
    """Learns a vocabulary of at most `vocab_size` tokens; the same texts give the same vocabulary.

    Args:
      texts: read twice for `wordpiece`, so a list or a source and not a generator.
      kind: `wordpiece` as BERT's, or `byte_bpe` as GPT-2's.
      lower_case: WordPiece only; accents are stripped too, as in BERT's uncased vocabularies.
      special: the family whose special tokens the vocabulary gets and puts around texts: `bert`, `roberta` (with
        DistilRoBERTa, XLM-R and CamemBERT), `gpt2`, `t5` with its 100 sentinels, or `xlnet`; empty is `bert` for
        WordPiece and `gpt2` for byte-level BPE.

    Raises:
      ConfigError: an unknown kind or family, or a size too small for the alphabet and the special tokens.
      InputError: no text, or a lone surrogate in one.
    """
    if kind not in get_args(Kind):
        raise ConfigError(f"tokenizer kind {kind!r} is unknown; use 'wordpiece' or 'byte_bpe'.")
    if special not in get_args(Special):
        raise ConfigError(f"data.tokenizer.special {special!r} is unknown; use {', '.join(map(repr, _TOKENS))}.")
    family = special or USUAL_SPECIAL[kind]
    if kind == "wordpiece":
        backend = _learn_wordpiece(texts, vocab_size, lower_case, family)
    else:
        backend = _learn_byte_bpe(texts, vocab_size, lower_case, family)
    backend.add_special_tokens(_special_tokens(kind, family))
    _frame(backend, kind, family)
    side = CLASSES["xlnet"].padding_side if family == "xlnet" else "right"
    style = BatchFormat(has_token_types=family in _HAS_TYPES, padding_side=side)
    return Tokenizer(backend, _ROLES[family], _declaration(kind, family), style)


def has_mask(kind: str, special: str = "") -> bool:
    """Whether a tokenizer that is trained so has a mask token."""
    return "mask" in _ROLES[special or USUAL_SPECIAL[kind]]


def _special_tokens(kind: str, family: str) -> list[tokenizers.AddedToken]:
    """The special tokens; RoBERTa's mask includes the space before it, which in a byte-level text is a token."""
    lstrip = "<mask>" if kind == "byte_bpe" else None
    return [
        tokenizers.AddedToken(token, special=True, normalized=False, lstrip=token == lstrip)
        for token in (*_TOKENS[family], *_LAST.get(family, ()))
    ]


def _frame(backend: tokenizers.Tokenizer, kind: str, family: str) -> None:
    """Puts the family's tokens around texts; GPT-2 has none there."""
    roles = _ROLES[family]
    if family == "bert":
        frame(backend, *classify(roles["cls"], roles["sep"]))
    elif family == "roberta" and kind == "byte_bpe":
        frame_roberta(backend, roles, add_prefix_space=False)
    elif family == "roberta":
        frame(backend, *enclose(roles["bos"], roles["eos"]))
    elif family == "xlnet":
        frame(backend, *classify_last(roles["sep"], roles["cls"]))
    elif family == "t5":
        frame(backend, *end_each(roles["eos"]))


def _declaration(kind: str, family: str) -> dict[str, Any]:
    """The class of Transformers that is the same tokenizer; where there is none, only tokenizer.json is written."""
    if (kind, family) == ("byte_bpe", "roberta"):
        return {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": False}
    if (kind, family) in (("wordpiece", "bert"), ("byte_bpe", "gpt2")):
        return {}  # derived from the tokenizer itself
    types = ["token_type_ids"] if family in _HAS_TYPES else []
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", *types, "attention_mask"]}
    return names | ({"padding_side": CLASSES["xlnet"].padding_side} if family == "xlnet" else {})


def _learn_wordpiece(texts: Iterable[str], vocab_size: int, lower_case: bool, family: str) -> tokenizers.Tokenizer:
    """The trainer numbers continuations in hash order, so they are numbered here: ids and ties are then repeatable."""
    last = len(_LAST.get(family, ()))
    least = 64 + last
    if vocab_size < least:
        raise ConfigError(f"data.tokenizer.vocab_size {vocab_size} is too small for wordpiece; give {least} or more.")
    tokens, unk = _TOKENS[family], {"unk": _ROLES[family]["unk"]}
    scratch = wordpiece({token: index for index, token in enumerate(tokens)}, lower_case=lower_case, special=unk)
    vocab_size -= last
    alphabet = _alphabet(texts, scratch.normalizer, limit=min(1000, vocab_size // 4))
    continuations = ["##" + char for char in alphabet if char not in string.punctuation]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=[*tokens, *continuations],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=sys.stderr.isatty(),
    )
    scratch.train_from_iterator(each_checked(texts), trainer)
    return wordpiece(scratch.get_vocab(), lower_case=lower_case, special=unk)


def _learn_byte_bpe(texts: Iterable[str], vocab_size: int, lower_case: bool, family: str) -> tokenizers.Tokenizer:
    alphabet, tokens, last = pre_tokenizers.ByteLevel.alphabet(), _TOKENS[family], len(_LAST.get(family, ()))
    if lower_case:
        raise ConfigError(
            "data.tokenizer.lower_case is for wordpiece; byte_bpe keeps every byte as it is. Set it to False."
        )
    if vocab_size < (least := len(alphabet) + len(tokens) + last):
        raise ConfigError(f"data.tokenizer.vocab_size {vocab_size} is too small for byte_bpe; give {least} or more.")
    backend = byte_bpe({}, [])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - last,
        special_tokens=[*tokens],
        initial_alphabet=alphabet,
        show_progress=sys.stderr.isatty(),
    )
    backend.train_from_iterator(each_checked(texts), trainer)
    return backend


def _alphabet(texts: Iterable[str], normalizer: normalizers.Normalizer, limit: int) -> list[str]:
    """The characters of the texts, the `limit` most frequent if there are more, in a fixed order."""
    counts = collections.Counter()
    for text in each_checked(texts):
        counts.update(normalizer.normalize_str(text))
    found = [char for char in sorted(counts, key=lambda char: (-counts[char], char)) if not char.isspace()]
    if not found:
        raise InputError("There is no text to learn a vocabulary from; the source is empty or all white space.")
    return sorted(found[:limit])

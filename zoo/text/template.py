# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Templates: the special tokens around one text and around a pair, as each family has them."""

from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers
from tokenizers import processors

Template = tuple[Sequence[str], Sequence[str]]  # of one text, of a pair


def classify(cls: str, sep: str) -> Template:
    """BERT's and ALBERT's: token types distinguish the texts of a pair."""
    return (
        (f"{cls}:0", "$A:0", f"{sep}:0"),
        (f"{cls}:0", "$A:0", f"{sep}:0", "$B:1", f"{sep}:1"),
    )


def enclose(begin: str, end: str) -> Template:
    """RoBERTa's: two end tokens between the texts of a pair, and no token types."""
    return (begin, "$A", end), (begin, "$A", end, end, "$B", end)


def end_each(end: str) -> Template:
    """T5's: an end token after each text."""
    return ("$A", end), ("$A", end, "$B", end)


def classify_last(sep: str, cls: str) -> Template:
    """XLNet's: the classifying token comes last, with a type of its own."""
    return (
        ("$A:0", f"{sep}:0", f"{cls}:2"),
        ("$A:0", f"{sep}:0", "$B:1", f"{sep}:1", f"{cls}:2"),
    )


def enclose_each(begin: str | None, end: str | None) -> Template:
    """GPT-2's, if a begin or an end token is requested: both texts of a pair have their own."""
    first = [token for token in (begin, "$A", end) if token]
    second = [f"{token}:1" for token in (begin, "$B", end) if token]
    return first, [*first, *second]


def frame(backend: tokenizers.Tokenizer, single: Sequence[str], pair: Sequence[str]) -> tokenizers.Tokenizer:
    """The same tokenizer, which now adds the tokens of a template.

    Raises:
      ValueError: its vocabulary lacks one of them.
    """
    tokens = {piece.rpartition(":")[0] or piece for piece in (*single, *pair) if not piece.startswith("$")}
    known = [(token, backend.token_to_id(token)) for token in sorted(tokens)]
    if lacking := [token for token, index in known if index is None]:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    backend.post_processor = processors.TemplateProcessing(single=[*single], pair=[*pair], special_tokens=known)
    return backend


def frame_ends(
    backend: tokenizers.Tokenizer, special: Mapping[str, str], options: Mapping[str, Any]
) -> tokenizers.Tokenizer:
    """The same tokenizer with the ends that `add_bos_token` and `add_eos_token` ask for, if either is declared.

    They replace any other template, also with none, as in Transformers.

    Raises:
      ValueError: its vocabulary lacks one of them.
    """
    names = {role: f"add_{role}_token" for role in ("bos", "eos")}
    if not options.keys() & {*names.values()}:
        return backend
    begin, end = (special[role] if options.get(name) else None for role, name in names.items())
    return frame(backend, *enclose_each(begin, end))

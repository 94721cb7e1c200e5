# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Questions with contexts of any length, as windows over the context that overlap (BERT's run_squad.py).

A tokenizer that pads on the left (XLNet's) has the context first and the question behind it, as its model was made.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32

from zoo.data.ragged import Sequences, join
from zoo.data.rows import Rows
from zoo.errors import ConfigError, InputError
from zoo.text.batch import Window
from zoo.text.tokenizer import Tokenizer

_CHUNK = 256  # questions tokenized at a time, in all cores


class Windows(NamedTuple):
    """Windows over the contexts of questions, in order; all fields but the first have a value, or a row, a window.

    Attributes:
      sequences: what a model reads. question: the index of each window's question.
      offsets: begin and end in the context of each token, in characters; -1 for tokens of other texts.
      none: the token whose span means that the window has no answer: [CLS], else the first one.
    """

    sequences: Sequences
    question: Int32[np.ndarray, "N"]
    offsets: list[Int32[np.ndarray, "_ 2"]]
    none: Int32[np.ndarray, "N"]


def encode_windows(
    tokenizer: Tokenizer,
    questions: Sequence[str],
    contexts: Sequence[str],
    *,
    seq_len: int,
    stride: int,
    max_question_tokens: int,
    token_types: bool,
) -> Windows:
    """Each context behind its question, in as many windows of `seq_len` tokens as it needs.

    Args:
      stride: tokens that consecutive windows share. max_question_tokens: a longer question is cut.

    Raises:
      ConfigError: windows too short for a question and its context.
    """
    least = seq_len - max_question_tokens - tokenizer.backend.num_special_tokens_to_add(True)
    if least <= stride:
        raise ConfigError(
            f"data.seq_len {seq_len} leaves {max(least, 0)} tokens to a context beside a question of "
            f"{max_question_tokens} (data.max_question_tokens); that must exceed data.stride {stride}."
        )
    context_first = tokenizer.batch_format.padding_side == "left"
    order = "context_first" if context_first else "context_second"
    windows: list[Window] = []
    numbers: list[int] = []
    for start in range(0, len(questions), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        cut = tokenizer.cut(questions[chunk], max_question_tokens)
        found = tokenizer.encode_windows(cut, contexts[chunk], max_length=seq_len, stride=stride, order=order)
        windows += [window for row in found for window in row]
        numbers += [number for number, row in enumerate(found, start) for _ in row]
    fields = {"tokens": _flat([window.tokens for window in windows])}
    if token_types:
        fields["token_types"] = _flat([window.token_types for window in windows])
    return Windows(
        join(fields, np.array([len(window.tokens) for window in windows], np.int64)),
        np.array(numbers, np.int32),
        [_in_context(window, 0 if context_first else 1) for window in windows],
        np.array([_none(window.tokens, tokenizer) for window in windows], np.int32),
    )


def check_contexts(windows: Windows, rows: Rows, column: str) -> None:
    """InputError for a context in which the tokenizer finds no token, at its place in the table."""
    empty = [number for number, offsets in enumerate(windows.offsets) if not (offsets[:, 0] >= 0).any()]
    if empty:
        raise InputError(
            f"{rows.where(int(windows.question[empty[0]]), column)}: the tokenizer finds no token in this context; "
            "remove that row, or use a tokenizer that knows its characters."
        )


def _flat(rows: Sequence[Sequence[int]]) -> Int32[np.ndarray, "M"]:
    return np.concatenate([np.array(row, np.int32) for row in rows])


def _in_context(window: Window, source: int) -> Int32[np.ndarray, "T 2"]:
    offsets = np.array(window.offsets, np.int32).reshape(-1, 2)
    return np.where(np.array(window.sources)[:, None] == source, offsets, np.int32(-1))


def _none(ids: Sequence[int], tokenizer: Tokenizer) -> int:
    return ids.index(tokenizer.cls_id) if tokenizer.cls_id in ids else 0

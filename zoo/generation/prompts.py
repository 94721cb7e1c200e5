# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Prompts of a call as ids, and as arrays of one length."""

import numpy as np

from zoo.errors import ConfigError, InputError
from zoo.nn.check import check_inputs
from zoo.nn.encoder_decoder import EncoderDecoder
from zoo.nn.transformer import Transformer

_BUCKET = 32  # prompts are padded to multiples of this many tokens, so that nearby lengths share a compiled program


def encode(prompts, tokenizer) -> list[np.ndarray]:
    if isinstance(prompts, str):
        raise InputError("prompts must be a list; wrap the one text in brackets.")
    if any(isinstance(prompt, str) for prompt in prompts):
        if tokenizer is None:
            raise InputError("Prompts that are texts need tokenizer=zoo.tokenizer(...); or pass lists of token ids.")
        prompts = [tokenizer.encode(prompt) for prompt in prompts]
    ids = [np.asarray(prompt) for prompt in prompts]
    if not ids:
        raise InputError("prompts is empty; give at least one.")
    for index, row in enumerate(ids):
        if row.size == 0:
            raise InputError(f"Prompt {index} is empty; start with at least one token, such as the end-of-text token.")
        if row.ndim != 1:
            raise InputError(f"Prompt {index} must be a list of ids; found shape {row.shape}.")
    return ids


def pad(model: Transformer, ids: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one length, and 1 where they hold a token; they end together, or for an encoder begin together."""
    longest = max(row.size for row in ids)
    length = max(longest, min(-(-longest // _BUCKET) * _BUCKET, longest_text(model)))
    tokens, segments = np.zeros((2, len(ids), length), np.int64)
    for index, row in enumerate(ids):
        columns = slice(0, row.size) if isinstance(model, EncoderDecoder) else slice(length - row.size, length)
        tokens[index, columns] = row
        segments[index, columns] = 1
    check_inputs(model.config, tokens, None, segments, None)
    return tokens.astype(np.int32), segments.astype(np.int32)


def check_lengths(model: Transformer, ids: list[np.ndarray], max_length: int) -> None:
    """Refuses prompts that are as long as the declared `max_length` already."""
    lengths = [1] if isinstance(model, EncoderDecoder) else [row.size for row in ids]
    if max(lengths) >= max_length:
        raise ConfigError(
            f"The checkpoint declares max_length={max_length}, which counts prompts, and prompt "
            f"{int(np.argmax(lengths))} has {max(lengths)} tokens. Give max_new_tokens."
        )


def longest_text(model: Transformer) -> int:
    """The longest text that the positions allow, in tokens."""
    unlimited = model.config.positions not in ("learned", "sinusoidal")
    return np.iinfo(np.int32).max - 1 if unlimited else model.config.max_length

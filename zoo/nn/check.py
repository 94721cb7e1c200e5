# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks of a model's arguments. Inside `jax.jit` values are unknown and only shapes are checked."""

import math

import numpy as np
from jax.core import Tracer

from zoo.errors import InputError
from zoo.nn.config import TransformerConfig


def check_inputs(
    config: TransformerConfig, tokens, token_types, segments, positions, start: int = 0, *, of: str = "", logits_at=None
) -> None:
    """Raises InputError for ids outside a table, sequences that are too long, wrong shapes and all-padding sequences.

    Args:
      start: tokens before these, in a cache. of: `decoder_` where the ids are the decoder's.
    """
    if not hasattr(tokens, "ndim"):
        raise InputError(f"{of}tokens must be an array [B, T], not {type(tokens).__name__}; use np.asarray.")
    if tokens.ndim < 2:
        raise InputError(f"{of}tokens must be [B, T]; found shape {tokens.shape}. Add a batch axis: {of}tokens[None].")
    length = tokens.shape[-1]
    if length == 0:
        raise InputError(f"{of}tokens has shape {tokens.shape}; a sequence needs at least one token.")
    if config.positions in ("learned", "sinusoidal") and start + length > config.max_length:
        raise InputError(
            f"The sequence has {start + length} tokens; the model has positions for {config.max_length}. "
            "Truncate it, or split it into windows."
        )
    _check_ids(f"{of}tokens", tokens, tokens.shape, config.vocab_size)
    if token_types is not None:
        _check_token_types(config, token_types, tokens.shape)
    if positions is not None:
        limit = config.max_length if config.positions in ("learned", "sinusoidal") else np.iinfo(np.int32).max
        _check_ids("positions", positions, tokens.shape, limit)
    if segments is not None:
        _check_ids(f"{of}segments", segments, tokens.shape, np.iinfo(np.int32).max)
        _check_rows(f"{of}segments", segments)
    if logits_at is not None:
        batch = math.prod(tokens.shape[:-1])
        if logits_at.ndim != 2 or logits_at.shape[0] != batch:
            raise InputError(f"logits_at must be [B, M] with B = {batch}; found shape {tuple(logits_at.shape)}.")
        _check_ids("logits_at", logits_at, logits_at.shape, length)


def _check_token_types(config: TransformerConfig, token_types, shape: tuple[int, ...]) -> None:
    """A model without token types takes zeros, which tokenizers give for a single sentence."""
    if not config.num_token_types and (isinstance(token_types, Tracer) or np.any(token_types)):
        raise InputError(
            "This model has no token types; leave token_types out. To distinguish two sentences, use a family that "
            "has them, such as bert."
        )
    _check_ids("token_types", token_types, shape, max(config.num_token_types, 1))


def check_targets(config: TransformerConfig, targets, positions: tuple[int, ...]) -> None:
    """Raises InputError for targets that are not one id for each of the positions, `[..., M]`.

    Ids below 0 pass: they mark positions without a target, as -100 does in Hugging Face Transformers.
    """
    shape = (math.prod(positions[:-1]), positions[-1])
    if not hasattr(targets, "ndim") or tuple(targets.shape) != shape:
        found = tuple(targets.shape) if hasattr(targets, "ndim") else type(targets).__name__
        raise InputError(f"targets must be an array {list(shape)}, an id for each position with logits; found {found}.")
    _check_values("targets", targets, np.iinfo(np.int64).min, config.vocab_size)


def check_prefix(config: TransformerConfig, prefix, tokens) -> None:
    """Raises InputError unless `prefix` is None, or 0 or 1 for each token of a causal model."""
    if prefix is None:
        return
    if not config.attention.causal:
        raise InputError(
            "prefix says which tokens a causal model sees from both sides; this model's attention is bidirectional, "
            "so that every token is seen. Leave prefix out."
        )
    _check_ids("prefix", prefix, tokens.shape, 2)


def check_packed(num_segments, segments, positions, cache) -> None:
    """Raises InputError unless `num_segments` is None, or the segments are 1 to `num_segments`, with positions."""
    if num_segments is None:
        return
    if not isinstance(num_segments, int) or num_segments < 1:
        raise InputError(
            f"num_segments must be a whole number from 1 on that is known when a step is traced; found "
            f"{num_segments!r:.60}. Give the number of texts that a row may hold."
        )
    if cache is not None:
        raise InputError("num_segments reads whole rows of several texts; leave it or the cache out.")
    if segments is None or positions is None:
        missing = "segments" if segments is None else "positions"
        raise InputError(
            f"num_segments needs segments (1, 2, ... for the texts of a row) and positions (from 0 in each text); "
            f"{missing} is None. Give both, or leave num_segments out."
        )
    _check_values("segments", segments, 0, num_segments + 1)


def _check_ids(name: str, ids, shape: tuple[int, ...], limit: int) -> None:
    if tuple(ids.shape) != tuple(shape):
        raise InputError(f"{name} must have the shape of tokens, {tuple(shape)}; found {tuple(ids.shape)}.")
    _check_values(name, ids, 0, limit)


def _check_values(name: str, ids, low: int, limit: int) -> None:
    if not np.issubdtype(ids.dtype, np.integer) and ids.dtype != np.bool_:
        raise InputError(f"{name} must be integers; found {ids.dtype}.")
    if isinstance(ids, Tracer) or ids.size == 0:
        return
    ids = np.asarray(ids)
    bad = np.argwhere((ids < low) | (ids >= limit))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise InputError(
            f"{name}[{', '.join(map(str, where))}] is {ids[where]}; expected 0 to {limit - 1}."
            + (" Was the text encoded with this model's tokenizer?" if name.endswith(("tokens", "targets")) else "")
        )


def _check_rows(name: str, segments) -> None:
    if isinstance(segments, Tracer):
        return
    empty = np.flatnonzero(~np.asarray(segments).any(axis=-1))
    if len(empty):
        raise InputError(f"Row {empty[0]} of {name} is all padding (0); give it a token or leave it out.")

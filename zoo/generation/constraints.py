# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The scores of the next token under what is forbidden, penalized or forced, as functions of the tokens so far.

The tokens so far are an array with -1 where there is none: before a shorter prompt, and at the end, where new tokens
will be. With them a row's scores depend neither on other rows nor on padding.
"""

from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from zoo.generation.settings import Settings, Values
from zoo.nn.encoder_decoder import EncoderDecoder
from zoo.nn.transformer import Transformer

Scores = Float[Array, "B V"]
History = Int[Array, "B S"]


def context(
    model: Transformer, tokens: Int[Array, "B T"], segments: Int[Array, "B T"], settings: Settings
) -> Int[Array, "B P"]:
    """What stands before the new tokens, -1 for padding: the prompt, or what a decoder begins with."""
    if isinstance(model, EncoderDecoder):
        return jnp.full((tokens.shape[0], 1), cast(int, settings.decoder_start_id), jnp.int32)
    return jnp.where(segments > 0, tokens, -1)


def constrain(
    scores: Scores,
    before: Int[Array, "B P"],
    new: Int[Array, "B M"],
    step: Int[Array, ""],
    is_last: Bool[Array, "B"],
    settings: Settings,
    values: Values,
) -> Scores:
    """The scores in float32, under the settings, of new token number `step`.

    Args:
      scores: logits, or log probabilities in a beam search, to which a penalty then applies.
      before, new: the tokens so far, of a prompt and those generated; -1 for none.
      is_last: rows for which no token can follow this one.
    """
    scores = scores.astype(jnp.float32)
    history = jnp.concatenate([before, new], axis=1)
    if settings.penalizes:
        scores = penalize(scores, history, values.repetition_penalty)
    if size := settings.no_repeat_ngram_size:
        scores = forbid_ngrams(scores, history, before.shape[1] + step, size)
    if settings.banned:
        scores = scores.at[:, list(settings.banned)].set(-jnp.inf)
    if settings.eos_ids:
        ends = scores.at[:, list(settings.eos_ids)].set(-jnp.inf)
        scores = jnp.where(step < values.min_new_tokens, ends, scores)
    if settings.forced_eos_ids:
        forced = jnp.full_like(scores, -jnp.inf).at[:, list(settings.forced_eos_ids)].set(0.0)
        scores = jnp.where(is_last[:, None], forced, scores)
    return scores


def penalize(scores: Scores, history: History, penalty: Float[Array, ""]) -> Scores:
    """The scores of tokens that came before: divided by the penalty, or multiplied if negative (arXiv:1909.05858)."""
    seen = _marked(history, scores.shape)
    return jnp.where(seen, jnp.where(scores < 0, scores * penalty, scores / penalty), scores)


def forbid_ngrams(scores: Scores, history: History, length: Int[Array, ""], size: int) -> Scores:
    """-inf for tokens that would complete `size` tokens in a row that came before (arXiv:1705.04304, section 2.5).

    `length` is the number of columns of `history` that are filled.
    """
    context = size - 1
    padded = jnp.pad(history, ((0, 0), (context, 0)), constant_values=-1)
    ending = jax.lax.dynamic_slice_in_dim(padded, length, context, axis=1)  # the last tokens
    follows = jnp.ones_like(history, bool)  # whether the token of a column came after the same tokens
    for index in range(context):  # a text shorter than these has padding among them, which comes once, before it
        follows &= padded[:, index : index + history.shape[1]] == ending[:, index, None]
    return jnp.where(_marked(jnp.where(follows, history, -1), scores.shape), -jnp.inf, scores)


def _marked(tokens: History, shape: tuple[int, ...]) -> Bool[Array, "B V"]:
    """Which tokens of the vocabulary are among a row's; -1 is none."""
    rows = jnp.arange(shape[0])[:, None]
    return jnp.zeros(shape, bool).at[rows, jnp.where(tokens < 0, shape[1], tokens)].set(True, mode="drop")

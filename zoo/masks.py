# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The likeliest tokens at the masks of texts, by a masked language model (BERT, section 3.1)."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo.checks import suggest_arguments
from zoo.errors import ConfigError, InputError
from zoo.nn.transformer import Transformer
from zoo.text.tokenizer import Tokenizer

_BUCKET = 16  # lengths are padded to multiples of this many tokens, so that nearby ones share a compiled program


class Candidate(NamedTuple):
    """A token for a mask.

    Attributes:
      text: the given text with the token in place of the mask.
    """

    token: str
    id: int
    probability: float
    text: str


@suggest_arguments(sentences="texts", topk="top_k", k="top_k", targets="top_k, the number of candidates")
def fill_mask(
    model: Transformer, texts: Sequence[str], *, tokenizer: Tokenizer, top_k: int = 5, batch_size: int = 32
) -> list[list[list[Candidate]]]:
    """The `top_k` likeliest tokens for each mask of each text, the likeliest first.

    Args:
      model: with a `masked_lm` head. texts: with the tokenizer's mask in them ([MASK] or <mask>), once or more.
      tokenizer: the model's own. batch_size: texts at a time.

    Raises:
      ConfigError: another head, or a tokenizer without a mask. InputError: a text without a mask, or one too long.
    """
    mask = _checked(model, texts, tokenizer, top_k, batch_size)
    graphdef, state = nnx.split(model)
    found = []
    for start in range(0, len(texts), batch_size):
        chunk = list(texts[start : start + batch_size])
        fields = _encode(model, tokenizer, chunk, batch_size, start)
        rows, places = np.nonzero(fields[0][: len(chunk)] == tokenizer.mask_id)
        counts = np.bincount(rows, minlength=len(chunk))
        where = np.zeros((batch_size, 1 << int(counts.max() - 1).bit_length()), np.int32)  # few widths are compiled
        where[rows, np.concatenate([np.arange(count) for count in counts])] = places
        probabilities, ids = jax.device_get(_likeliest(graphdef, state, *fields, where, top_k=top_k))
        for text, count, *each in zip(chunk, counts, probabilities, ids, strict=False):
            masks = zip(range(count), *each, strict=False)
            found.append([_candidates(tokenizer, text, mask, *one) for one in masks])
    return found


@functools.partial(jax.jit, static_argnames=("graphdef", "top_k"))
def _likeliest(graphdef, state, tokens, segments, token_types, where, *, top_k: int):
    model: Transformer = nnx.merge(graphdef, state)
    types = token_types if model.config.num_token_types > 1 else None
    out: Any = model(tokens, token_types=types, segments=segments, logits_at=where)
    return jax.lax.top_k(jax.nn.softmax(out.logits.astype(jnp.float32)), top_k)


def _encode(model: Transformer, tokenizer: Tokenizer, texts: list[str], size: int, start: int) -> list[np.ndarray]:
    """Ids, segments and token types of a batch; a short one repeats a text, so that all have the same shape."""
    texts, most = texts + texts[-1:] * (size - len(texts)), model.config.max_length
    lengths = tokenizer.encode_batch(texts).segments.sum(axis=1)
    if (longest := int(lengths.max())) > most:
        raise InputError(
            f"text {start + int(lengths.argmax())} has {longest} tokens, and the model takes {most}; shorten it."
        )
    encoded = tokenizer.encode_batch(texts, pad_to=min(longest + -longest % _BUCKET, most))
    return [encoded.tokens, encoded.segments, encoded.token_types]


def _candidates(tokenizer: Tokenizer, text: str, mask: str, number: int, probabilities, ids) -> list[Candidate]:
    before, after = text.split(mask)[: number + 1], text.split(mask)[number + 1 :]
    found = []
    for probability, index in zip(probabilities.tolist(), ids.tolist(), strict=True):
        word = tokenizer.decode([index], special_tokens="keep").strip()
        filled = mask.join(before) + word + mask.join(after)
        found.append(Candidate(str(tokenizer.backend.id_to_token(index)), index, probability, filled))
    return found


def _checked(model: Transformer, texts: Any, tokenizer: Tokenizer, top_k: int, batch_size: int) -> str:
    """The text of the mask, if all the arguments go together."""
    if model.head_name != "masked_lm":
        raise ConfigError(
            f"fill_mask needs a model with a masked_lm head; found {model.head_name!r}. Load it with head='masked_lm'."
        )
    if tokenizer.mask_id is None:
        raise ConfigError("The tokenizer has no mask token; take the model's own, from zoo.tokenizer.")
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ConfigError(
            f"The tokenizer has {tokenizer.vocab_size} tokens and the model {model.config.vocab_size}; they do not "
            "belong together. Take both from one folder."
        )
    for name, value, most in (("top_k", top_k, model.config.vocab_size), ("batch_size", batch_size, 2**20)):
        if type(value) is not int or not 1 <= value <= most:
            raise ConfigError(f"{name} must be an int from 1 to {most}; found {value!r:.80}.")
    if isinstance(texts, str):
        raise InputError("texts must be a list; wrap the one text in brackets.")
    mask = tokenizer.special["mask"]
    for index, text in enumerate(texts):
        if not isinstance(text, str) or mask not in text:
            raise InputError(f"text {index} must be a str with {mask} in it, to be filled; found {text!r:.80}.")
    return mask

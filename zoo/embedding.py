# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Vectors of sentences, by a model whose folder tells how its tokens are pooled (sentence-transformers)."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float
from tqdm import tqdm

from zoo.checks import suggest_arguments
from zoo.errors import ConfigError, InputError
from zoo.nn.pooling import Pooling
from zoo.nn.transformer import Transformer

_BUCKET = 16  # lengths are padded to multiples of this many tokens, so that nearby ones share a compiled program
_LONG = 16  # batches from which a progress bar is shown


@suggest_arguments(sentences="texts", prompt_name="prompt", normalize_embeddings="pooling, which says whether")
def embed(
    model: Transformer,
    texts: Sequence[str],
    *,
    tokenizer: Any,
    batch_size: int = 32,
    prompt: str | None = None,
    pooling: Pooling | None = None,
) -> Float[np.ndarray, "n E"]:
    """The vectors of texts, float32, in their order; pooled, and normalised if the folder declares it.

    Texts of like lengths are run together, and each is cut to the model's longest sequence.

    Args:
      model: without a head. tokenizer: the model's own, as `zoo.tokenizer` gives it.
      batch_size: texts a batch.
      prompt: name of a prompt of the folder; None is its default, if it has one.
      pooling: how to pool, for a model whose folder does not tell (`model.pooling`).

    Raises:
      ConfigError: a model without pooling, another's tokenizer, an unknown prompt. InputError: a text that is not one.
    """
    pooling = _checked(model, pooling, tokenizer, batch_size, texts)
    start = _prompt(pooling, prompt)
    start, *ready = [text.lower() if pooling.lower_case else text for text in (start, *texts)]
    ready = [start + text for text in ready]
    skipped = 0 if pooling.include_prompt or not start else _prompt_length(tokenizer, start)
    graphdef, state = nnx.split(model)
    vectors: list[np.ndarray] = [np.empty(0)] * len(ready)
    for rows in _batches(ready, batch_size):
        batch = _encode(model, pooling, tokenizer, [ready[row] for row in rows], batch_size)
        found = np.asarray(_vectors(graphdef, state, *batch, pooling=pooling, skipped=skipped))
        for row, vector in zip(rows, found, strict=False):
            vectors[row] = vector
    return np.stack(vectors) if vectors else np.empty((0, _width(model, pooling)), np.float32)


@functools.partial(jax.jit, static_argnames=("graphdef", "pooling", "skipped"))
def _vectors(graphdef, state, tokens, segments, token_types, *, pooling: Pooling, skipped: int):
    model: Transformer = nnx.merge(graphdef, state)
    types = token_types if model.config.num_token_types > 1 else None
    return pooling(model(tokens, token_types=types, segments=segments).hidden, segments, skipped)


def _batches(texts: list[str], size: int) -> Iterator[list[int]]:
    """Indices of texts of like lengths, the longest first."""
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    starts = range(0, len(order), size)
    for start in tqdm(starts, desc="embed", disable=len(starts) < _LONG):
        yield order[start : start + size]


def _encode(model: Transformer, pooling: Pooling, tokenizer, texts: list[str], size: int) -> list[np.ndarray]:
    """A batch of ids, segments and token types; short batches repeat a text, so that all have the same shape."""
    declared = pooling.max_length or tokenizer.batch_format.max_length or model.config.max_length
    longest = min(model.config.max_length, declared)
    texts = texts + texts[-1:] * (size - len(texts))
    encoded = tokenizer.encode_batch(texts, max_length=longest)
    length = encoded.tokens.shape[1]
    more = min(-length % _BUCKET, longest - length)
    fields = ((encoded.tokens, tokenizer.fill_id), (encoded.segments, 0), (encoded.token_types, 0))
    return [np.pad(field, ((0, 0), (0, more)), constant_values=value) for field, value in fields]


def _prompt(pooling: Pooling, name: str | None) -> str:
    name, prompts = pooling.default_prompt if name is None else name, dict(pooling.prompts)
    if name is None:
        return ""
    if name not in prompts:
        raise ConfigError(f"No prompt {name!r:.80}; the model has {', '.join(prompts) or 'none'}.")
    return prompts[name]


def _prompt_length(tokenizer: Any, prompt: str) -> int:
    """How many tokens a prompt is before a text: a special token at its end is not there then."""
    ids = tokenizer.encode(prompt)
    return len(ids) - (ids[-1] in tokenizer.special_ids)


def _width(model: Transformer, pooling: Pooling) -> int:
    return pooling.dense[-1].kernel.shape[1] if pooling.dense else model.config.width * len(pooling.modes)


def _checked(model: Transformer, pooling: Pooling | None, tokenizer, batch_size: int, texts) -> Pooling:
    """The pooling to use, if all the arguments of `embed` go together."""
    pooling = model.pooling if pooling is None else pooling
    if not isinstance(pooling, Pooling):
        raise ConfigError(
            "The model does not know how to pool its tokens: its folder has no modules.json. Pass "
            "pooling=zoo.nn.pooling.Pooling(modes=('mean',), normalize=True), for example."
        )
    if model.head_name is not None or model.config.decoder_layers is not None:
        raise ConfigError(f"embed needs a bare encoder; found head {model.head_name!r}. Load it with head=None.")
    if type(batch_size) is not int or batch_size < 1:
        raise ConfigError(f"batch_size must be an int of 1 or more; found {batch_size!r:.80}.")
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ConfigError(
            f"The tokenizer has {tokenizer.vocab_size} tokens and the model {model.config.vocab_size}; they do not "
            "belong together. Take both from one folder."
        )
    if isinstance(texts, str):
        raise InputError("texts must be a list; wrap the one text in brackets.")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {index} must be a str; found {type(text).__name__}.")
    return pooling

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The two steps of a model that generates: reading the prompts into a cache, and reading one token more."""

from typing import Any, NamedTuple, cast

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from zoo.nn.cache import Cache
from zoo.nn.encoder_decoder import EncoderDecoder
from zoo.nn.transformer import Output, Transformer


class Prefilled(NamedTuple):
    """A model's state after its prompts.

    Attributes:
      logits: of the token that comes next. position: that token's position.
      source: what the encoder made of the prompts, if the model has one; copies of a prompt share it.
    """

    logits: Float[Array, "B V"]
    cache: Cache
    position: Int[Array, "B"]
    source: Any = None

    def repeat(self, times: int) -> "Prefilled":
        """Every sequence so many times, one copy after the other."""
        if times == 1:
            return self
        rows = jnp.repeat(jnp.arange(self.position.shape[0]), times)
        return Prefilled(self.logits[rows], self.cache.take(rows), self.position[rows], self.source)


def prefill(
    model: Transformer,
    tokens: Int[Array, "B T"],
    segments: Int[Array, "B T"],
    max_new: int,
    decoder_start_id: int | None = None,
    *,
    prefix: bool = False,
) -> Prefilled:
    """Reads the prompts, in both directions with `prefix`; the cache then has room for `max_new` tokens more."""
    batch, length = tokens.shape
    if isinstance(model, EncoderDecoder):
        source = model.encode(tokens, segments)
        cache = Cache.empty(model.config.decoder, batch, 1 + max_new, layers="apart")
        start = model.config.decoder_start_id if decoder_start_id is None else decoder_start_id
        first = jnp.full((batch, 1), cast(int, start), jnp.int32)
        out = model.decode(first, source, cache=cache)
        return Prefilled(*last(out), jnp.ones((batch,), jnp.int32), source)
    positions = jnp.maximum(jnp.cumsum(segments, axis=1) - 1, 0)
    cache = Cache.empty(model.config, batch, length + max_new, layers="apart")
    end = jnp.full((batch, 1), length - 1, jnp.int32)
    seen = segments if prefix else None
    out = model(tokens, segments=segments, positions=positions, prefix=seen, cache=cache, logits_at=end)
    return Prefilled(*last(out), positions[:, -1] + 1)


def advance(
    model: Transformer, token: Int[Array, "B"], position: Int[Array, "B"], cache: Cache, source: Any = None
) -> Output:
    """Reads one token more of each row; `position` is that of the one to come, `source` as of `prefill`."""
    if isinstance(model, EncoderDecoder):
        return model.decode(token[:, None], source, cache=cache)
    return model(token[:, None], positions=position[:, None] - 1, cache=cache)


def last(out: Output) -> tuple[Float[Array, "B V"], Cache]:
    """The logits after the last token, and the updated cache."""
    return cast(Array, out.logits)[:, -1], cast(Cache, out.cache)

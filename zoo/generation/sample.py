# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Generation of one token after the other: the most likely one, or a sample."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from zoo.generation.constraints import constrain, context
from zoo.generation.prefill import advance, last, prefill
from zoo.generation.settings import Settings, Values
from zoo.nn.cache import Cache


class Found(NamedTuple):
    """The texts of a batch, `num_return_sequences` of each prompt after one another.

    Attributes:
      new: the tokens, of which the first `counts` are meant. ended: whether the last of them is an end token.
      scores: of a beam search.
    """

    new: Int[Array, "B M"]
    counts: Int[Array, "B"]
    ended: Bool[Array, "B"]
    scores: Float[Array, "B"] | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class _State:
    """The loop's state: the token chosen last, and the position of the one to choose next."""

    step: Int[Array, ""]
    token: Int[Array, "B"]
    position: Int[Array, "B"]
    new: Int[Array, "B M"]
    counts: Int[Array, "B"]
    ended: Bool[Array, "B"]
    cache: Cache


@functools.partial(jax.jit, static_argnames=("graphdef", "settings"))
def sample(graphdef, params, tokens, segments, key, values: Values, *, settings: Settings) -> Found:
    """Continues the prompts, each `num_return` times."""
    model = nnx.merge(graphdef, params)
    max_new, longest = settings.max_new, settings.longest
    begun = prefill(model, tokens, segments, max_new, settings.decoder_start_id, prefix=settings.prefix)
    begun = begun.repeat(settings.num_return)
    before = jnp.repeat(context(model, tokens, segments, settings), settings.num_return, axis=0)
    batch = begun.position.shape[0]

    def live(state: _State):
        # The token after a full sequence can still be chosen; it is never fed back.
        return ~state.ended & (state.position <= longest) & (state.counts < max_new)

    def record(state: _State, logits, cache) -> _State:
        """Chooses the next tokens and stores them in the rows that are not finished."""
        is_last = (state.position == longest) | (state.step == max_new - 1)
        scores = constrain(logits, before, state.new, state.step, is_last, settings, values)
        token = _choose(scores, jax.random.fold_in(key, state.step), values, settings)
        is_live = live(state)
        kept = jnp.where(is_live, token, state.new[:, state.step])
        return _State(
            step=state.step + 1,
            token=token,
            position=state.position + 1,
            new=state.new.at[:, state.step].set(kept),
            counts=state.counts + is_live.astype(jnp.int32),
            ended=state.ended | (is_live & is_any(token, settings.eos_ids)),
            cache=cache,
        )

    def step(state: _State) -> _State:
        return record(state, *last(advance(model, state.token, state.position, state.cache, begun.source)))

    start = _State(
        step=jnp.int32(0),
        token=jnp.zeros((batch,), jnp.int32),
        position=begun.position,
        new=jnp.full((batch, max_new), -1, jnp.int32),
        counts=jnp.zeros((batch,), jnp.int32),
        ended=jnp.zeros((batch,), bool),
        cache=begun.cache,
    )
    start = record(start, begun.logits, begun.cache)
    final = jax.lax.while_loop(lambda state: jnp.any(live(state)), step, start)
    return Found(final.new, final.counts, final.ended)


def is_any(token: Int[Array, "*B"], ids: tuple[int, ...]) -> Bool[Array, "*B"]:
    """Where a token is one of these."""
    return jnp.isin(token, jnp.asarray(ids, jnp.int32))


def _choose(logits: Float[Array, "B V"], key, values: Values, settings: Settings) -> Int[Array, "B"]:
    if settings.greedy:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    logits = logits / values.temperature
    if settings.top_k is None and not settings.use_top_p:
        return jax.random.categorical(key, logits).astype(jnp.int32)
    kept, ids = jax.lax.top_k(logits, settings.top_k or logits.shape[-1])
    if settings.use_top_p:
        probs = jax.nn.softmax(kept, axis=-1)
        earlier = jnp.cumsum(probs, axis=-1) - probs  # the most likely token is always kept
        kept = jnp.where(earlier < values.top_p, kept, -jnp.inf)
    index = jax.random.categorical(key, kept)
    return jnp.take_along_axis(ids, index[:, None], axis=-1).squeeze(1).astype(jnp.int32)

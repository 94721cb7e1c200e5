# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Beam search: the K likeliest beginnings of each text, extended together, and the K best texts that ended.

The rules are those of Transformers 5, so that both find the same texts. At each step the candidates are the likeliest
extensions of all beams of a prompt, enough of them that K go on whatever number has ended. Of the K best candidates,
those that end become hypotheses, whose score is their log probability divided by length**length_penalty, where length
counts the new tokens with the end token; the K likeliest that do not end are the next beams. A prompt's search is over
once its K hypotheses are full and
  * early_stopping=True: at once;
  * False: the likeliest beam, if it ended now, would not be better than the worst of them;
  * "never": nor if it ended at the greatest length, which with a positive length penalty is its best hope.
At its greatest length every beam is a hypothesis as it stands.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from zoo.generation.constraints import constrain, context
from zoo.generation.prefill import advance, last, prefill
from zoo.generation.sample import Found, is_any
from zoo.generation.settings import Settings, Values
from zoo.nn.cache import Cache


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class _Texts:
    """K texts of each prompt, the best first; a score of -inf means that there is none."""

    new: Int[Array, "B K M"]
    scores: Float[Array, "B K"]
    counts: Int[Array, "B K"]
    ended: Bool[Array, "B K"]

    @classmethod
    def none(cls, batch: int, beams: int, max_new: int) -> "_Texts":
        return cls(
            new=jnp.full((batch, beams, max_new), -1, jnp.int32),
            scores=jnp.full((batch, beams), -jnp.inf),
            counts=jnp.zeros((batch, beams), jnp.int32),
            ended=jnp.zeros((batch, beams), bool),
        )

    def best(self, others: "_Texts", scores: Float[Array, "B J"]) -> "_Texts":
        """The best K of these and of others, whose scores are given."""
        merged = jax.tree.map(lambda ours, theirs: jnp.concatenate([ours, theirs], axis=1), self, others)
        ranked = jnp.concatenate([self.scores, scores], axis=1)
        top, index = jax.lax.top_k(ranked, self.scores.shape[1])
        return dataclasses.replace(_gather(merged, index), scores=top)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class _State:
    """The loop's state. The cache holds the beams of all prompts after one another, `[B * K, ...]`.

    Attributes:
      beams: what is being extended; their scores are log probabilities. found: the hypotheses. done: finished prompts.
    """

    step: Int[Array, ""]
    beams: _Texts
    found: _Texts
    done: Bool[Array, "B"]
    cache: Cache


@functools.partial(jax.jit, static_argnames=("graphdef", "settings"))
def search(graphdef, params, tokens, segments, values: Values, *, settings: Settings) -> Found:
    """The best `num_return` texts of each prompt."""
    model = nnx.merge(graphdef, params)
    batch, num_beams, max_new = tokens.shape[0], settings.num_beams, settings.max_new
    begun = prefill(model, tokens, segments, max_new, settings.decoder_start_id, prefix=settings.prefix)
    begun = begun.repeat(num_beams)
    before = jnp.repeat(context(model, tokens, segments, settings), num_beams, axis=0)
    # The token after a full sequence can still be chosen; it is never fed back.
    longest = jnp.minimum(max_new, settings.longest + 1 - begun.position)
    row = jnp.arange(batch)[:, None] * num_beams

    def record(state: _State, logits, cache) -> _State:
        flat = state.beams.new.reshape(batch * num_beams, max_new)
        scores = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
        scores = constrain(scores, before, flat, state.step, state.step + 1 == longest, settings, values)
        scores = scores.reshape(batch, num_beams, -1) + state.beams.scores[..., None]
        candidates, parent = _extend(state.beams, scores, state.step, settings.eos_ids)
        limit = longest.reshape(batch, num_beams)[:, 0]
        stops = candidates.ended | (state.step + 1 >= limit)[:, None]
        running, kept = jax.lax.top_k(jnp.where(stops, -jnp.inf, candidates.scores), num_beams)
        beams = dataclasses.replace(_gather(candidates, kept), scores=running)
        found = _finish(state, candidates, stops, values)
        parent = jnp.take_along_axis(parent, kept, axis=1)
        step = state.step + 1
        done = state.done | (step >= limit) | _is_over(beams, found, step, limit, settings, values)
        cache = cache.take((row + parent).reshape(-1))
        return _State(step=step, beams=beams, found=found, done=done, cache=cache)

    def step(state: _State) -> _State:
        token = state.beams.new[:, :, state.step - 1].reshape(-1)
        position = begun.position + state.step
        return record(state, *last(advance(model, token, position, state.cache, begun.source)))

    none = _Texts.none(batch, num_beams, max_new)
    # All beams begin alike, so that only the first one's extensions may be taken.
    first = jnp.where(jnp.arange(num_beams)[None] == 0, 0.0, none.scores)
    start = _State(
        step=jnp.int32(0),
        beams=dataclasses.replace(none, scores=first),
        found=none,
        done=jnp.zeros((batch,), bool),
        cache=begun.cache,
    )
    start = record(start, begun.logits, begun.cache)
    final = jax.lax.while_loop(lambda state: ~jnp.all(state.done), step, start)
    found, texts = final.found, batch * settings.num_return
    leaves = (found.new, found.counts, found.ended, found.scores)
    return Found(*(leaf[:, : settings.num_return].reshape(texts, *leaf.shape[2:]) for leaf in leaves))


def _extend(
    beams: _Texts, scores: Float[Array, "B K V"], step: Int[Array, ""], eos_ids: tuple[int, ...]
) -> tuple[_Texts, Int[Array, "B J"]]:
    """The likeliest extensions by one token, and the beams that they extend.

    There are so many that K of them do not end even if every beam is extended by every end token.
    """
    batch, num_beams, vocab_size = scores.shape
    count = min(max(2, 1 + len(eos_ids)), vocab_size) * num_beams
    top, index = jax.lax.top_k(scores.reshape(batch, -1), count)
    parent, token = index // vocab_size, (index % vocab_size).astype(jnp.int32)
    extended = _gather(beams, parent)
    return _Texts(
        new=extended.new.at[:, :, step].set(token),
        scores=top,
        counts=extended.counts + 1,
        ended=is_any(token, eos_ids),
    ), parent


def _finish(state: _State, candidates: _Texts, stops: Bool[Array, "B J"], values: Values) -> _Texts:
    """The hypotheses, with those of the K best candidates that stop; unchanged where the search is over."""
    counts = candidates.counts.astype(jnp.float32)
    eligible = stops & (jnp.arange(stops.shape[1])[None] < state.found.scores.shape[1]) & ~state.done[:, None]
    scores = jnp.where(eligible, candidates.scores / counts**values.length_penalty, -jnp.inf)
    return state.found.best(candidates, scores)


def _is_over(
    beams: _Texts, found: _Texts, step: Int[Array, ""], limit: Int[Array, "B"], settings: Settings, values: Values
) -> Bool[Array, "B"]:
    """Whether the hypotheses are full and, so far as `early_stopping` asks for it, no beam can be better."""
    worst = found.scores.min(axis=1)
    is_full = worst > -jnp.inf
    over = is_full if settings.early_stopping is True else jnp.zeros_like(is_full)
    length = jnp.broadcast_to(step, limit.shape)
    if settings.early_stopping == "never":
        length = jnp.where(values.length_penalty > 0, limit, length)
    return over | (beams.scores[:, 0] / length.astype(jnp.float32) ** values.length_penalty <= worst)


def _gather(texts: _Texts, index: Int[Array, "B J"]) -> _Texts:
    """The texts of each prompt at these places."""
    rows = jnp.arange(index.shape[0])[:, None]
    return jax.tree.map(lambda leaf: leaf[rows, index], texts)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Cross entropy without materialising all logits.

The vocabulary is processed in blocks with a running maximum and sum, as in online softmax (arXiv:1805.02867); the
backward pass recomputes each block's logits. The memory at a time is `[B, M, block]` in float32.

A block takes equally many rows of each of several equal parts of the table. On a mesh that shards the vocabulary, every
device then works on its own rows, and only reductions over `[B, M]` are communicated.
"""

import functools
import math
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

_MAX_BLOCK = 8192  # columns
_LEAST_BLOCKS = 8  # so that at most an eighth of the logits is held, except of a tiny vocabulary
_MOST_PARTS = 64  # devices that a vocabulary may be sharded over
_WHOLE = 128  # a block has a multiple of so many columns, if possible: on a GPU, products of odd sizes are slow


def softmax_xent(
    x: Float[Array, "B M D"],
    table: Float[Array, "V D"],
    targets: Int[Array, "B M"],
    *,
    bias: Float[Array, "V"] | None = None,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    block: int | None = None,
) -> tuple[Float[Array, "B M"], Int[Array, "B M"], Float[Array, "B M"]]:
    """See `zoo.kernels.softmax_xent.softmax_xent`; returns losses, predicted ids and negative log-likelihoods.

    Args:
      block: columns at a time; None is at most an eighth of them, and at most 8192.
    """
    vocab, width = table.shape
    parts, size = cut(vocab, block)
    bias = jnp.zeros((vocab,), jnp.float32) if bias is None else bias
    options = _Options(size, label_smoothing, z_loss)
    found = _xent(options, x, table.reshape(parts, -1, width), bias.reshape(parts, -1), targets)
    return cast(tuple[Array, Array, Array], found)


def cut(vocab: int, block: int | None = None) -> tuple[int, int]:
    """The number of parts that a vocabulary is divided into, and the rows of each that a block takes."""
    parts = math.gcd(vocab, _MOST_PARTS)
    rows = vocab // parts
    size = min(rows, max(1, (block or min(_MAX_BLOCK, vocab // _LEAST_BLOCKS)) // parts))
    blocks = -(-rows // size)
    even = -(-rows // blocks)  # blocks of nearly the same size
    whole = _WHOLE // math.gcd(parts, _WHOLE)
    return parts, min(-(-even // whole), size // whole) * whole or even


class _Options(NamedTuple):
    size: int  # rows of each part in a block
    smoothing: float
    z_loss: float


class _Block(NamedTuple):
    logits: Float[Array, "B M P C"]  # -inf in columns that an earlier block has counted
    ids: Int[Array, "1 1 P C"]
    fresh: Bool[Array, "1 1 1 C"]  # not counted by an earlier block


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _xent(options: _Options, x, table, bias, targets):
    return _forward(options, x, table, bias, targets)[0]


def _forward(options: _Options, x, table, bias, targets):
    vocab, zeros = table.shape[0] * table.shape[1], jnp.zeros(x.shape[:2], jnp.float32)

    def step(carry, start):
        highest, total, at_target, spread, predicted = carry
        block = _block(options, x, table, bias, start)
        top, best = _most_likely(block)
        new = jnp.maximum(highest, top)
        total = total * jnp.exp(highest - new) + jnp.sum(jnp.exp(block.logits - new[:, :, None, None]), axis=(2, 3))
        hit = (block.ids == targets[:, :, None, None]) & block.fresh
        at_target = at_target + jnp.sum(jnp.where(hit, block.logits, 0.0), axis=(2, 3))
        if options.smoothing:
            spread = spread + jnp.sum(jnp.where(block.fresh, block.logits, 0.0), axis=(2, 3))
        return (new, total, at_target, spread, jnp.where(top > highest, best, predicted)), None

    first = (jnp.full_like(zeros, -jnp.inf), zeros, zeros, zeros, jnp.zeros_like(zeros, jnp.int32))
    (highest, total, at_target, spread, predicted), _ = jax.lax.scan(step, first, _starts(options, table))
    normalizer = highest + jnp.log(total)
    loss = normalizer - (1.0 - options.smoothing) * at_target - options.smoothing / vocab * spread
    loss = loss + options.z_loss * normalizer**2
    known = (targets >= 0) & (targets < vocab)
    loss, nll = (jnp.where(known, each, jnp.nan) for each in (loss, normalizer - at_target))
    return (loss, predicted, nll), (x, table, bias, targets, normalizer)


def _backward(options: _Options, saved, cotangents):
    x, table, bias, targets, normalizer = saved
    vocab = table.shape[0] * table.shape[1]
    change = jnp.where((targets >= 0) & (targets < vocab), cotangents[0], 0.0)
    targets, normalizer, gradient = (value[:, :, None, None] for value in (targets, normalizer, change))

    def step(carry, start):
        dx, dtable, dbias = carry
        block = _block(options, x, table, bias, start)
        wanted = jnp.where(block.ids == targets, 1.0 - options.smoothing, 0.0) + options.smoothing / vocab
        probs = jnp.exp(block.logits - normalizer)
        dlogits = gradient * ((1.0 + 2.0 * options.z_loss * normalizer) * probs - wanted)
        dlogits = jnp.where(block.fresh, dlogits, 0.0)
        short = dlogits.astype(x.dtype)
        rows = jax.lax.dynamic_slice_in_dim(table, start, options.size, axis=1)
        dx = dx + jnp.einsum("BMPC,PCD->BMD", short, rows, preferred_element_type=jnp.float32)
        part = jnp.einsum("BMPC,BMD->PCD", short, x, preferred_element_type=jnp.float32)
        return (dx, _add_at(dtable, part, start), _add_at(dbias, jnp.sum(dlogits, axis=(0, 1)), start)), None

    zeros = tuple(jnp.zeros(like.shape, jnp.float32) for like in (x, table, bias))
    (dx, dtable, dbias), _ = jax.lax.scan(step, zeros, _starts(options, table))
    return dx.astype(x.dtype), dtable.astype(table.dtype), dbias.astype(bias.dtype), None


_xent.defvjp(_forward, _backward)


def _starts(options: _Options, table: Float[Array, "P R D"]) -> Int[Array, "_"]:
    """Where the blocks of each part begin; the last one is moved back where it would go beyond the end."""
    rows = table.shape[1]
    return jnp.minimum(jnp.arange(0, rows, options.size, dtype=jnp.int32), rows - options.size)


def _block(options: _Options, x: Float[Array, "B M D"], table, bias, start: Int[Array, ""]) -> _Block:
    parts, rows, _ = table.shape
    columns = start + jnp.arange(options.size, dtype=jnp.int32)
    fresh = (columns >= -(-start // options.size) * options.size)[None, None, None]
    ids = columns[None, None, None] + rows * jnp.arange(parts, dtype=jnp.int32)[None, None, :, None]
    table, bias = (jax.lax.dynamic_slice_in_dim(whole, start, options.size, axis=1) for whole in (table, bias))
    logits = jnp.einsum("BMD,PCD->BMPC", x, table, preferred_element_type=jnp.float32)
    logits = logits + bias.astype(jnp.float32)[None, None]
    return _Block(jnp.where(fresh, logits, -jnp.inf), ids, fresh)


def _most_likely(block: _Block) -> tuple[Float[Array, "B M"], Int[Array, "B M"]]:
    """The largest logit of each position and its id, the lowest of several."""
    top = jnp.max(block.logits, axis=(2, 3))
    is_top = block.logits == top[:, :, None, None]
    return top, jnp.min(jnp.where(is_top, block.ids, jnp.iinfo(jnp.int32).max), axis=(2, 3))


def _add_at(total, part, start):
    old = jax.lax.dynamic_slice_in_dim(total, start, part.shape[1], axis=1)
    return jax.lax.dynamic_update_slice_in_dim(total, old + part, start, axis=1)

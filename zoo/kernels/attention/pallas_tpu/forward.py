# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Forward pass: online softmax (arXiv:1805.02867) over blocks of keys, possibly just one."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from zoo.kernels.attention.pallas_tpu.spec import Spec
from zoo.kernels.attention.pallas_tpu.tile import Refs, Tiles, contract, loop

_ROWS = 16  # sublanes of a bfloat16 tile
_LOWEST = -1e30  # finite, so that a query that sees nothing has weights exp2(-inf - _LOWEST) = 0


class _State(NamedTuple):
    highest: Array  # [1, queries]
    total: Array  # [1, queries]
    mixed: Array  # [width, queries]


def attend(spec: Spec, tiles: Tiles, outputs: Refs) -> None:
    """Writes `out` [heads, width, step] and `normalizer` [heads, 1, step]."""
    for begin in range(0, spec.blocks.step, spec.blocks.queries):
        low, high = tiles.band(begin)
        states = loop(
            low,
            high,
            lambda block, states, begin=begin: _step(spec, tiles, begin, block, states),
            lambda: _nothing(spec, tiles),
        )
        for head, (highest, total, mixed) in zip(tiles.heads, states, strict=True):
            seen = total > 0.0
            scale = 1.0 / jnp.where(seen, total, 1.0)
            out = outputs["out"]
            out[head, :, tiles.queries(begin)] = (mixed * scale).astype(out.dtype)
            normalizer = jnp.where(seen, highest + jnp.log2(jnp.where(seen, total, 1.0)), 0.0)
            outputs["normalizer"][head, :, tiles.queries(begin)] = normalizer


def _step(spec: Spec, tiles: Tiles, begin: int, block: Any, states: list[_State] | None) -> list[_State]:
    """One block of keys; each stage covers several heads, so that one's products overlap another's softmax."""
    mask, found = tiles.mask(begin, block), []
    for together in tiles.groups:
        scores = [tiles.scores(head, begin, block) for head in together]
        if mask is not None:
            scores = [jnp.where(mask, score, -jnp.inf) for score in scores]
        highest = [jnp.maximum(jnp.max(score, axis=0, keepdims=True), _LOWEST) for score in scores]
        if states is not None:
            highest = [jnp.maximum(new, states[head].highest) for head, new in zip(together, highest, strict=True)]
        weights = [jnp.exp2(score - high) for score, high in zip(scores, highest, strict=True)]
        for head, weight, high in zip(together, weights, highest, strict=True):
            value = tiles.refs["value"][head // spec.group, :, tiles.keys(block)]
            found.append(_State(high, *_mix(spec, value, weight, tiles.kept(head, begin, block))))
    if states is None:
        return found
    return [_join(old, new) for old, new in zip(states, found, strict=True)]


def _mix(spec: Spec, value: Array, weight: Array, kept: Array | None) -> tuple[Array, Array]:
    """The sum of the weights and the weighted sum of values; with a row of ones, one product computes both."""
    if kept is not None:  # the normalizer sums all weights, dropped ones included
        dropped = jnp.where(kept, weight * (1.0 / (1.0 - spec.rate)), 0.0)
        mixed = contract(spec, value, dropped.astype(value.dtype), (1, 0))
        return jnp.sum(weight, axis=0, keepdims=True), mixed
    width, ones = value.shape[0], jnp.ones((_ROWS, value.shape[1]), value.dtype)
    mixed = contract(spec, jnp.concatenate([value, ones]), weight.astype(value.dtype), (1, 0))
    return mixed[width : width + 1], mixed[:width]


def _join(old: _State, new: _State) -> _State:
    """The sums so far, rescaled to the new maximum, plus those of the block."""
    shrink = jnp.exp2(old.highest - new.highest)
    return _State(new.highest, old.total * shrink + new.total, old.mixed * shrink + new.mixed)


def _nothing(spec: Spec, tiles: Tiles) -> list[_State]:
    size, width = spec.blocks.queries, tiles.refs["query"].shape[1]
    row = jnp.zeros((1, size), jnp.float32)
    return [_State(row + _LOWEST, row, jnp.zeros((width, size), jnp.float32)) for _ in tiles.heads]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Backward pass: the weights of every tile are recomputed and give all gradients (arXiv:2205.14135, appendix B)."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array

from zoo.kernels.attention.pallas_tpu.spec import Spec
from zoo.kernels.attention.pallas_tpu.tile import Refs, Tiles, contract, loop


class Sums:
    """Gradients of keys and values, summed in float32, in buffers where a head takes several steps."""

    def __init__(self, spec: Spec, outputs: Refs, buffers: Refs):
        self.spec, self.outputs, self.buffers = spec, outputs, buffers
        self.parts: dict[tuple[str, int, int], Array] = {}

    def begin(self) -> None:
        for buffer in self.buffers.values():
            buffer[...] = jnp.zeros_like(buffer)

    def add(self, name: str, head: int, block: Any, keys: Any, part: Array) -> None:
        if self.buffers:
            self.buffers[name][head, :, keys] += part
        else:
            key = (name, head, block)
            self.parts[key] = self.parts[key] + part if key in self.parts else part

    def write(self) -> None:
        factors = {"dkey": self.spec.scale, "dvalue": 1.0}
        if self.buffers:
            for name, factor in factors.items():
                out = self.outputs[name]
                out[...] = (self.buffers[name][...] * factor).astype(out.dtype)
            return
        size, zeros = self.spec.blocks.keys, jnp.zeros((self.outputs["dkey"].shape[1], self.spec.blocks.keys))
        for name, head, block in itertools.product(
            factors, range(self.spec.blocks.heads), range(self.spec.keys // size)
        ):
            part, out = self.parts.get((name, head, block), zeros), self.outputs[name]
            out[head, :, block * size : (block + 1) * size] = (part * factors[name]).astype(out.dtype)


def differentiate(spec: Spec, tiles: Tiles, outputs: Refs, sums: Sums, *, first: Any, last: Any, fresh: Any) -> None:
    """Writes `dquery` [heads, width, step]; `dkey` and `dvalue` [heads, width, keys] on the last step of a head.

    Args:
      first, last: whether this step is the first or last of a head. fresh: whether `dbias` is still to be cleared.
    """
    when(first, sums.begin)
    for name in ("dbias", "ddistances_backwards"):
        if name in outputs:
            when(fresh, lambda name=name: _clear(outputs[name]))
    for name in ("ddistance_query", "dsame", "dother"):
        if name in outputs:
            _clear(outputs[name])
    for begin in range(0, spec.blocks.step, spec.blocks.queries):
        _queries(spec, tiles, outputs, sums, begin)
    when(last, sums.write)


def _queries(spec: Spec, tiles: Tiles, outputs: Refs, sums: Sums, begin: int) -> None:
    """The gradients from one block of queries."""
    at, refs = tiles.queries(begin), tiles.refs
    means = []  # of the weights' gradients, by the weights
    for head in tiles.heads:
        product = refs["dout"][head, :, at].astype(jnp.float32) * refs["out"][head, :, at].astype(jnp.float32)
        means.append(jnp.sum(product, axis=0, keepdims=True))
    low, high = tiles.band(begin)
    found = loop(
        low,
        high,
        lambda block, found: _step(spec, tiles, outputs, sums, begin, block, means, found),
        lambda: [jnp.zeros((refs["query"].shape[1], spec.blocks.queries), jnp.float32) for _ in tiles.heads],
    )
    for head, gradient in zip(tiles.heads, found, strict=True):
        dquery = outputs["dquery"]
        dquery[head, :, at] = (gradient * spec.scale).astype(dquery.dtype)


def _step(spec: Spec, tiles: Tiles, outputs: Refs, sums: Sums, begin: int, block: Any, means, found):
    """One tile of every head; each stage covers some heads, so that one's products overlap another's arithmetic."""
    mask, gradients = tiles.mask(begin, block), []
    at, keys, refs = tiles.queries(begin), tiles.keys(block), tiles.refs
    for together in tiles.groups:
        scores = [tiles.scores(head, begin, block) for head in together]
        received = [tiles.product("value", head, block, refs["dout"][head, :, at]) for head in together]
        changes = []
        for head, score, gradient in zip(together, scores, received, strict=True):
            score = score if mask is None else jnp.where(mask, score, -jnp.inf)
            weight = jnp.exp2(score - refs["normalizer"][head, :, at])
            kept, dropped, dout = tiles.kept(head, begin, block), weight, refs["dout"][head, :, at]
            if kept is not None:
                up = 1.0 / (1.0 - spec.rate)
                dropped, gradient = jnp.where(kept, weight * up, 0.0), jnp.where(kept, gradient * up, 0.0)
            change = weight * (gradient - means[head])
            if spec.bias_gradient:
                outputs["dbias"][head if outputs["dbias"].shape[0] > 1 else 0, keys, at] += change
            if "ddistances_backwards" in outputs:
                _add_near(spec, tiles, outputs, head, begin, block, change)
            part = contract(spec, dout, dropped.astype(dout.dtype), (1, 1))
            sums.add("dvalue", head // spec.group, block, keys, part)
            changes.append(change.astype(dout.dtype))
        for head, change in zip(together, changes, strict=True):
            query, key = refs["query"][head, :, at], refs["key"][head // spec.group, :, keys]
            sums.add("dkey", head // spec.group, block, keys, contract(spec, query, change, (1, 1)))
            gradients.append(contract(spec, key, change, (1, 0)))
    if found is None:
        return gradients
    return [old + new for old, new in zip(found, gradients, strict=True)]


def _add_near(spec: Spec, tiles: Tiles, outputs: Refs, head: int, begin: int, block: Any, change: Array) -> None:
    """The gradients of the terms of distance and segment: `Tiles.near` backwards."""
    at, sizes = tiles.queries(begin), spec.blocks
    change = change * spec.scale
    if "differs" in tiles.refs:
        differs = tiles.differs(begin, block)
        for name, chosen in (("dsame", ~differs), ("dother", differs)):
            outputs[name][head, :, at] += jnp.sum(jnp.where(chosen, change, 0.0), axis=0, keepdims=True)
    query = tiles.refs["distance_query"][head, :, at]
    row, column = (jax.lax.broadcasted_iota(jnp.int32, (sizes.keys, sizes.keys), axis) for axis in (0, 1))
    backwards = (row + column == sizes.keys - 1).astype(query.dtype)
    # Rows can be rotated to the right only. With keys and distances in reverse order, that undoes the rotation.
    rotated = contract(spec, change.astype(query.dtype), backwards, (0, 0))
    rotated = jnp.concatenate([rotated, jnp.zeros((sizes.queries, sizes.queries), jnp.float32)], axis=1)
    rotated = pltpu.roll(rotated, 0, 1, stride=1, stride_axis=0).astype(query.dtype)
    apart = tiles.apart_backwards(begin, block)
    distances = tiles.refs["distances_backwards"][head, :, apart]
    outputs["ddistance_query"][head, :, at] += contract(spec, distances, rotated, (1, 1))
    outputs["ddistances_backwards"][head, :, apart] += contract(spec, query, rotated, (1, 0))


def _clear(ref: Any) -> None:
    ref[...] = jnp.zeros_like(ref)


def when(condition: Any, action: Any) -> None:
    """`action()` if the condition, which may be static, holds."""
    if isinstance(condition, bool):
        if condition:
            action()
    else:
        pl.when(condition)(action)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""One tile of scores, keys down the sublanes and queries along the lanes, as both passes compute it."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array

from zoo.kernels import dropout
from zoo.kernels.attention.pallas_tpu.spec import LANES, Spec

LOG2E = 1.4426950408889634
Refs = dict[str, Any]


class Tiles:
    """The tiles of one grid step: `refs` are its inputs, without the batch axis."""

    def __init__(self, spec: Spec, refs: Refs, *, batch: Any, heads: Any, step: Any):
        self.spec, self.refs, self.batch = spec, refs, batch
        self.first_head = heads * (spec.blocks.heads * spec.group)
        self.start = step * spec.blocks.step
        self.columns: Refs = {}  # of a step that takes all queries at once
        if spec.queries == spec.blocks.step and spec.offset is not None:
            self.columns = {name: _down(refs[name][...]) for name in ("key_segments", "key_order") if name in refs}

    @property
    def heads(self) -> range:
        """Heads of queries in the step."""
        return range(self.spec.blocks.heads * self.spec.group)

    @property
    def groups(self) -> Iterator[range]:
        """The same, in groups whose stages overlap."""
        for first in range(0, len(self.heads), self.spec.blocks.overlap):
            yield self.heads[first : first + self.spec.blocks.overlap]

    def position(self, begin: int) -> Any:
        """The position among the keys of the step's query `begin`."""
        offset = self.refs["offset"][0] if self.spec.offset is None else self.spec.offset
        return self.start + begin + offset

    def band(self, begin: int) -> tuple[Any, Any]:
        """The blocks of keys that the queries from `begin` on may see."""
        low, high = self.spec.band(self.position(begin))
        if "first_block" in self.refs:
            block = (self.start + begin) // self.spec.blocks.queries
            low = jnp.maximum(low, self.refs["first_block"][self.batch, block])
            high = jnp.minimum(high, self.refs["last_block"][self.batch, block] + 1)
        return low, high

    def queries(self, begin: int) -> Any:
        return pl.ds(begin, self.spec.blocks.queries)

    def keys(self, block: Any) -> Any:
        start = block * self.spec.blocks.keys
        return pl.ds(start if isinstance(start, int) else pl.multiple_of(start, LANES), self.spec.blocks.keys)

    def product(self, name: str, head: int, block: Any, vectors: Array) -> Array:
        """[keys, queries]: the block's keys, or values, times vectors of queries."""
        matrix = self.refs[name][head // self.spec.group, :, self.keys(block)]
        return contract(self.spec, matrix, vectors, (0, 0))

    def scores(self, head: int, begin: int, block: Any) -> Array:
        """Scores in units of log 2, so that `exp2` turns them into weights; -inf where a bias hides a key."""
        scores = self.product("key", head, block, self.refs["query"][head, :, self.queries(begin)])
        if "distances" in self.refs:
            scores = scores + self.near(head, begin, block)
        scores = scores * (self.spec.scale * LOG2E)
        if "bias" in self.refs:
            bias = self.refs["bias"]
            chosen = bias[head if bias.shape[0] > 1 else 0, self.keys(block), self.queries(begin)]
            scores = scores + chosen.astype(jnp.float32) * LOG2E
        return scores

    def apart(self, begin: int, block: Any) -> Any:
        """The distances between the queries and the keys of a tile: as many as both together, the last key's last."""
        sizes = self.spec.blocks
        start = self.spec.queries - begin - sizes.queries + block * sizes.keys
        return pl.ds(start, sizes.queries + sizes.keys)

    def apart_backwards(self, begin: int, block: Any) -> Any:
        """The same where distances are in reverse order."""
        sizes = self.spec.blocks
        return pl.ds(begin + self.spec.keys - (block + 1) * sizes.keys, sizes.queries + sizes.keys)

    def near(self, head: int, begin: int, block: Any) -> Array:
        """The terms of distance and segment, not scaled."""
        at, size = self.queries(begin), self.spec.blocks.keys
        distances = self.refs["distances"][head, :, self.apart(begin, block)]
        # Row i of [queries, distances] holds the scores of query i; that of key j is in column `queries` - i + j.
        products = contract(self.spec, self.refs["distance_query"][head, :, at], distances, (0, 0))
        term = pltpu.roll(products, size, 1, stride=1, stride_axis=0)[:, :size].T
        if "differs" in self.refs:
            same, other = (self.refs[name][head, :, at] for name in ("same", "other"))
            term = term + jnp.where(self.differs(begin, block), other, same)
        return term

    def differs(self, begin: int, block: Any) -> Array:
        return self.refs["differs"][self.keys(block), self.queries(begin)].astype(jnp.int32) != 0

    def mask(self, begin: int, block: Any) -> Array | None:
        """Which keys of the tile each query sees; the same for all heads."""
        spec, shape = self.spec, (self.spec.blocks.keys, self.spec.blocks.queries)
        conditions = []
        first, key = self.position(begin), block * spec.blocks.keys
        if spec.cuts(first, key):
            row, column = (jax.lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (0, 1))
            after = row - column  # the key's position after the query's, relative to the tile's
            if spec.causal:
                conditions.append(after <= first - key)
            if spec.window is not None:
                conditions.append(after > first - key - spec.window)
                if not spec.causal:
                    conditions.append(after < first - key + spec.window)
            if spec.hides_padding:
                conditions.append(row < spec.real_keys - key)
        for kind, sees in (("segments", jnp.equal), ("order", jnp.less_equal)):
            if f"key_{kind}" in self.refs:
                lines = self.refs[f"query_{kind}"][:, self.queries(begin)]
                conditions.append(sees(self.down(f"key_{kind}", block), lines))
        if "allowed" in self.refs:
            conditions.append(self.refs["allowed"][self.keys(block), self.queries(begin)].astype(jnp.int32) != 0)
        if not conditions:
            return None
        seen = conditions[0]
        for condition in conditions[1:]:
            seen = seen & condition
        return seen

    def down(self, name: str, block: Any) -> Array:
        """[keys, 1]: what a row of all keys says of those of the block."""
        if name not in self.columns:
            return _down(self.refs[name][:, self.keys(block)])[:, :1]
        size = self.spec.blocks.keys
        return self.columns[name][block * size : (block + 1) * size, :1]

    def kept(self, head: int, begin: int, block: Any) -> Array | None:
        """Which weights of the tile dropout keeps."""
        spec = self.spec
        if not spec.rate:
            return None
        shape = (spec.blocks.keys, spec.blocks.queries)
        if spec.generator == "hash":
            lines = self.refs["seeds"][head, :, self.queries(begin)]
            rows = (block * spec.blocks.keys + jax.lax.broadcasted_iota(jnp.int32, (shape[0], 1), 0)).astype(jnp.uint32)
            return dropout.keep_at(lines, rows, spec.rate)
        tile = (self.start + begin) // spec.blocks.queries * (spec.keys // spec.blocks.keys) + block
        bits = random_bits(self.refs["seeds"][self.batch, self.first_head + head], tile, shape)
        return dropout.keep_bits(bits, spec.rate)


def random_bits(seed: Any, tile: Any, shape: tuple[int, int]) -> Array:
    """Bits of the hardware generator, the same each time for a tile."""
    pltpu.prng_seed(seed, tile)
    return jax.lax.bitcast_convert_type(pltpu.prng_random_bits(shape), jnp.uint32)


def contract(spec: Spec, a: Array, b: Array, axes: tuple[int, int]) -> Array:
    """Product of two matrices over one axis of each, summed in float32."""
    dimensions = (((axes[0],), (axes[1],)), ((), ()))
    return jax.lax.dot_general(a, b, dimensions, precision=spec.precision, preferred_element_type=jnp.float32)


def loop(low: Any, high: Any, body: Callable[[Any, Any], Any], first: Callable[[], Any], carry: Any = None) -> Any:
    """`carry = body(block, carry)` over blocks; unrolled where the bounds are static, beginning with `carry` None."""
    if isinstance(low, int) and isinstance(high, int):
        for block in range(low, high):
            carry = body(block, carry)
        return first() if carry is None else carry
    return jax.lax.fori_loop(low, high, body, first())


def _down(row: Array) -> Array:
    """A row's elements down the sublanes, each broadcast along the lanes."""
    return jnp.broadcast_to(row, (LANES, row.shape[1])).T

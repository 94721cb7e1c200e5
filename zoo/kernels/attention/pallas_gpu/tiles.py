# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Shared by the Hopper kernels: the spec of a call, one tile of its scores, and the pipeline between warpgroups.

A tile is [queries, keys] (`query_axis` 0) or [keys, queries] (`query_axis` 1). Two warpgroups compute, 64 rows each; a
third only issues copies into shared memory, a step ahead of them.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from zoo.kernels import dropout

ROWS = 64  # rows of one warpgroup's tile: the M of wgmma
WORKERS = 2  # warpgroups that compute
COLUMNS = 64  # rows of the other side that a step loads, unless a kernel sets another number
STAGES = 2  # steps whose operands are in shared memory at once
LOG2E = math.log2(math.e)
LOWEST = -3.0e38  # below every score; finite, so that a difference of two is not NaN
FLOOR = -1.0e30  # a finite bias counts as at least this, so that its sum with a score stays above LOWEST
QUERY_SIDE = ("query_segments", "query_order", "seeds", "highest", "inverse", "delta")  # vectors [B, T] or [B, N, T]
KEY_SIDE = ("key_segments", "key_order")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """The static part of a call.

    Attributes:
      keys: number of keys before padding.
      causal, window: as in AttentionMask.
      bias_gradient: whether the bias is the caller's, and not only a mask.
    """

    scale: float
    keys: int
    causal: bool
    window: int | None
    rate: float
    bias_gradient: bool


def mosaic() -> Any:
    """The Pallas module of Mosaic GPU, imported by the first call that needs it."""
    from jax.experimental.pallas import mosaic_gpu

    return mosaic_gpu


@dataclasses.dataclass(frozen=True)
class Tile:
    """One warpgroup's part of the scores of a sequence and a head, with the kernel's inputs for both sides.

    Attributes:
      query, key: index of the tile's first query and key.
      shape: rows and columns.
      query_axis: the axis of `shape` with the queries.
      near: vectors of `given` that are already in registers or in shared memory.
    """

    spec: Spec
    given: dict[str, Any]
    batch: Any
    head: Any
    query: Any
    key: Any
    shape: tuple[int, int]
    query_axis: int
    near: dict[str, Any] = dataclasses.field(default_factory=dict)

    def of_queries(self, name: str) -> jax.Array:
        """A vector along the queries."""
        return self._vector(name, self.query, self.query_axis)

    def of_keys(self, name: str) -> jax.Array:
        """A vector along the keys."""
        return self._vector(name, self.key, 1 - self.query_axis)

    def _vector(self, name: str, start: Any, axis: int) -> jax.Array:
        near, plgpu = self.near.get(name), mosaic()
        if isinstance(near, jax.Array):
            return near
        ref = line(self.given[name], self.batch, self.head, start, self.shape[axis]) if near is None else near
        return plgpu.load(ref, layout=plgpu.Layout.WGMMA.reduce(1 - axis), optimized=near is not None)

    def over_queries(self, vector: jax.Array) -> jax.Array:
        return lax.broadcast_in_dim(vector, self.shape, [self.query_axis])

    def over_keys(self, vector: jax.Array) -> jax.Array:
        return lax.broadcast_in_dim(vector, self.shape, [1 - self.query_axis])

    def queries(self) -> jax.Array:
        return self.query + self._iota(self.query_axis)

    def keys(self) -> jax.Array:
        return self.key + self._iota(1 - self.query_axis)

    def _iota(self, axis: int) -> jax.Array:
        plgpu = mosaic()
        return plgpu.broadcasted_iota(jnp.int32, self.shape, axis, layout=plgpu.Layout.WGMMA)

    def logits(self, products: jax.Array) -> jax.Array:
        """Scores in powers of two, -inf where the query may not see the key."""
        logits = products * (self.spec.scale * LOG2E)
        if "bias" in self.given:
            bias = self._bias().astype(jnp.float32)
            logits = logits + jnp.maximum(bias, FLOOR) * LOG2E
            logits = jnp.where(bias == -jnp.inf, -jnp.inf, logits)
        for seen in self._conditions():
            logits = jnp.where(seen, logits, -jnp.inf)
        return logits

    def _bias(self) -> jax.Array:
        ref = self.given["bias"]
        batch, head = (
            index if size > 1 else 0 for index, size in zip((self.batch, self.head), ref.shape[:2], strict=True)
        )
        starts = (self.query, self.key) if self.query_axis == 0 else (self.key, self.query)
        rows, columns = (pl.ds(start, size) for start, size in zip(starts, self.shape, strict=True))
        plgpu = mosaic()
        return plgpu.load(ref.at[batch, head, rows, columns], layout=plgpu.Layout.WGMMA, optimized=False)

    def _conditions(self) -> list[jax.Array]:
        spec, seen = self.spec, []
        if "key_segments" in self.given:  # padded with 0, which nothing sees
            keys = self.over_keys(self.of_keys("key_segments"))
            seen += [self.over_queries(self.of_queries("query_segments")) == keys, keys != 0]
        elif self.given["key"].shape[1] != spec.keys:
            seen.append(self.keys() < spec.keys)
        if "key_order" in self.given:
            seen.append(self.over_keys(self.of_keys("key_order")) <= self.over_queries(self.of_queries("query_order")))
        if spec.causal or spec.window is not None:
            distance = self.queries() + self.given["offset"][0] - self.keys()
            if spec.causal:
                seen.append(distance >= 0)
            elif spec.window is not None:
                seen.append(distance > -spec.window)
            if spec.window is not None:
                seen.append(distance < spec.window)
        return seen

    def drop(self, *weights: jax.Array) -> tuple[jax.Array, ...]:
        """Zeros where dropout drops; the rest is not rescaled."""
        if not self.spec.rate:
            return weights
        lines = self.over_queries(self.of_queries("seeds"))
        kept = dropout.keep_at(lines, self.keys().astype(jnp.uint32), self.spec.rate)
        return tuple(jnp.where(kept, x, 0.0) for x in weights)

    def gradients(self, products: jax.Array, mixed: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Weights after dropout, and the gradient of the scores, without the factors of dropout and scale.

        Args:
          products: query times key.
          mixed: gradient of the output times value.
        """
        weights = jnp.exp2(self.logits(products) - self.over_queries(self.of_queries("highest")))
        weights = weights * self.over_queries(self.of_queries("inverse"))
        dropped, mixed = self.drop(weights, mixed)
        return dropped, weights * (mixed * (1.0 / (1.0 - self.spec.rate)) - self.over_queries(self.of_queries("delta")))


def line(ref: Any, batch: Any, head: Any, start: Any, size: int) -> Any:
    """A part of a vector [B, T] or [B, N, T] in the GPU's global memory."""
    span = pl.ds(start, size)
    return ref.at[batch, span] if len(ref.shape) == 2 else ref.at[batch, head, span]


def buffers(given: dict[str, Any], names: tuple[str, ...], size: int) -> dict[str, Any]:
    """Shared memory for the vectors of a step."""
    return {name: mosaic().SMEM((STAGES, size), given[name].dtype) for name in names if name in given}


def multiply(a: Any, b: Any, shape: tuple[int, int]) -> jax.Array:
    """`a @ b` in float32, both in shared memory."""
    plgpu = mosaic()

    def product(accumulator):
        plgpu.wgmma(accumulator, a, b)
        return accumulator[...]

    return pl.run_scoped(product, plgpu.ACC(shape, jnp.float32))


def accumulate(total: jax.Array, a: jax.Array, b: Any) -> jax.Array:
    """`total + a @ b`; `a` is in registers, `b` in shared memory.

    The only operation here that JAX's interpreter cannot run: tests replace it by another product.
    """
    plgpu = mosaic()
    return pl.run_state(lambda accumulator: plgpu.wgmma(accumulator, a, b))(plgpu.ACC.init(total))


def filled(shape: tuple[int, ...], value: float) -> jax.Array:
    """A constant [rows, columns] or [rows] in the layout that products have."""
    plgpu = mosaic()
    layout = plgpu.Layout.WGMMA if len(shape) == 2 else plgpu.Layout.WGMMA.reduce(1)
    return plgpu.layout_cast(jnp.full(shape, value, jnp.float32), layout)


def span(given: dict[str, Any], name: str, batch: Any, block: Any, length: int, columns: int) -> tuple[Any, Any]:
    """The first step along the other side that a block needs, and how many; `given` counts in COLUMNS."""
    if name not in given:
        return jnp.int32(0), jnp.int32(length // columns)
    unit = jnp.int32(columns // COLUMNS)
    first = lax.div(given[name][batch, block, 0], unit)
    return first, lax.div(given[name][batch, block, 1] + (unit - 1), unit) - first


def feed(steps: Any, ready: Any, free: Any, fetch: Any) -> None:
    """Loads the operands of every step; `fetch(step, slot)` copies, once both workers have released the slot."""
    plgpu = mosaic()

    @pl.loop(0, steps)
    def _(step):
        slot = lax.rem(step, jnp.int32(STAGES))

        @pl.when(step >= STAGES)
        def _():
            plgpu.barrier_wait(free.at[slot])

        fetch(step, slot, ready.at[slot])


def consume(steps: Any, ready: Any, free: Any, lines: dict[str, Any], body: Any, carry: Any) -> Any:
    """Runs `carry = body(step, slot, carry)` as operands arrive; `lines` are those that it loads into registers."""
    plgpu = mosaic()

    def iteration(step, carry):
        slot = lax.rem(step, jnp.int32(STAGES))
        plgpu.barrier_wait(ready.at[slot])
        carry = body(step, slot, carry)
        if lines:
            plgpu.commit_smem()  # orders the loads into registers before the next copy
        plgpu.barrier_arrive(free.at[slot])
        return carry

    return lax.fori_loop(0, steps, iteration, carry)

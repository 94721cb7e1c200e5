# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Calls of the TPU's attention kernels, and what they give by float64 NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from tests.kernels.tpu import on_tpu
from zoo.kernels import dropout
from zoo.kernels.attention import AttentionMask, Call, pallas_tpu
from zoo.kernels.attention.pallas_tpu.spec import Blocks

SMALL = Blocks(1, 1, 128, 128, 128)  # several steps of queries
WHOLE = Blocks(2, 2, 384, 128, 128)  # one step, several tiles
KEY = jax.random.key(5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One call; `bias` is (rows, heads) of its shape, `documents` how many a row holds before its padding.

    `order` has a prefix as long as the row's number times 60, is a permutation, or has 16 tokens in each place.
    """

    queries: int
    keys: int | None = None
    heads: int = 2
    key_heads: int | None = None
    width: int = 16
    causal: bool = False
    window: int | None = None
    documents: int = 0
    allowed: int = 0
    order: str = ""
    bias: tuple[int, int] | None = None
    rate: float = 0.0
    offset: int = 0
    dtype: str = "float32"
    blocks: Blocks | None = None
    rows: int = 2

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        keys, key_heads = self.keys or self.queries, self.key_heads or self.heads
        shapes = {
            "query": (self.rows, self.queries, self.heads, self.width),
            "key": (self.rows, keys, key_heads, self.width),
            "value": (self.rows, keys, key_heads, self.width),
            "dout": (self.rows, self.queries, self.heads, self.width),
        }
        if self.bias is not None:
            shapes["bias"] = (*self.bias, self.queries, keys)
        rng = np.random.default_rng(self.queries + keys)
        made = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        return {name: np.asarray(jnp.asarray(x, self.dtype).astype(jnp.float32)) for name, x in made.items()}

    def mask(self) -> AttentionMask:
        keys = self.keys or self.queries
        rng = np.random.default_rng(1)
        segments = [None, None]
        if self.documents:
            for side, length in enumerate((self.queries, keys)):
                drawn = np.sort(rng.integers(1, self.documents + 1, (self.rows, length)), axis=1)
                drawn[0, length - length // 4 :] = 0
                segments[side] = jnp.asarray(drawn, jnp.int32)
        allowed = rng.random((self.allowed, self.queries, keys)) < 0.7 if self.allowed else None
        drawn = [self.draw_order(length) if self.order else None for length in (self.queries, keys)]
        return AttentionMask(
            causal=self.causal,
            window=self.window,
            query_segments=segments[0],
            key_segments=segments[1],
            query_order=drawn[0],
            key_order=drawn[1],
            allowed=None if allowed is None else jnp.asarray(allowed),
            query_offset=self.offset,
        )

    def draw_order(self, length: int):
        order = np.arange(length)
        if self.order == "prefix":
            found = [np.where(order < 60 * row, 0, order) for row in range(1, self.rows + 1)]
        elif self.order == "permutation":
            found = [np.random.default_rng(row).permutation(length) - 1 for row in range(self.rows)]
        else:
            found = [order // 16] * self.rows
        return jnp.asarray(np.stack(found), jnp.int32)


def expected(case: Case) -> dict[str, np.ndarray]:
    """The output and all gradients, in float64, from the formulas."""
    arrays = {name: x.astype(np.float64) for name, x in case.arrays.items()}
    query, dout = (arrays[name].transpose(0, 2, 1, 3) for name in ("query", "dout"))
    group = case.heads // (case.key_heads or case.heads)
    key, value = (np.repeat(arrays[name].transpose(0, 2, 1, 3), group, axis=1) for name in ("key", "value"))
    scale = case.width**-0.5
    scores = query @ key.swapaxes(2, 3) * scale + arrays.get("bias", 0.0)
    dense = case.mask().dense(query.shape[2], key.shape[2])
    seen = np.broadcast_to(True if dense is None else np.asarray(dense), scores.shape)
    highest = np.max(np.where(seen, scores, -np.inf), axis=-1, keepdims=True)
    weights = np.where(seen, np.exp(scores - np.where(np.isfinite(highest), highest, 0.0)), 0.0)
    total = weights.sum(-1, keepdims=True)
    probs = weights / np.where(total > 0, total, 1.0)
    factor = np.ones_like(probs)
    if case.rate:
        factor = np.asarray(dropout.keep(KEY, probs.shape, case.rate)) / (1.0 - case.rate)
    out = (probs * factor) @ value
    dprobs = factor * (dout @ value.swapaxes(2, 3))
    dscores = probs * (dprobs - np.sum(dout * out, axis=-1, keepdims=True))

    def shared(x):
        return x.reshape(case.rows, -1, group, *x.shape[2:]).sum(2)

    found = {
        "out": out,
        "query": dscores @ key * scale,
        "key": shared(dscores.swapaxes(2, 3) @ query * scale),
        "value": shared((probs * factor).swapaxes(2, 3) @ dout),
    }
    found = {name: x.transpose(0, 2, 1, 3) for name, x in found.items()}
    if case.bias is not None:
        axes = tuple(axis for axis, size in enumerate(case.bias) if size == 1)
        found["bias"] = dscores.sum(axes, keepdims=True)
    return found


def computed(case: Case) -> dict[str, np.ndarray]:
    arrays = {name: jnp.asarray(x, case.dtype) for name, x in case.arrays.items()}
    dout, names = arrays.pop("dout"), list(arrays)

    def attend(*args):
        given = dict(zip(names, args, strict=True))
        call = Call(
            given["query"],
            given["key"],
            given["value"],
            mask=case.mask(),
            bias=given.get("bias"),
            dropout_rate=case.rate,
            dropout_key=KEY if case.rate else None,
            scale=case.width**-0.5,
        )
        return pallas_tpu.attention(
            call,
            blocks=case.blocks and (case.blocks, case.blocks),
        )

    with on_tpu():
        out, back = jax.vjp(attend, *arrays.values())
        gradients = back(dout)
    found = {"out": out} | dict(zip(names, gradients, strict=True))
    return {name: np.asarray(x.astype(jnp.float32)) for name, x in found.items()}


def compare(found, wanted, tolerance):
    for name, want in wanted.items():
        scale = max(np.abs(want).max(), 1e-3)
        error = np.abs(found[name] - want).max() / scale
        assert error < tolerance, f"{name}: relative error {error:.2e}"

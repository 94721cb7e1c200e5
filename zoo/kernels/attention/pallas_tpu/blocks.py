# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The block sizes of a call, by chip and shape.

The table has those that libtpu schedules into the fewest bundles, found by `python -m benchmarks.tpu_static --sweep`.
"""

from typing import Literal, NamedTuple

from zoo.kernels.attention.pallas_tpu.spec import LANES, Blocks, Generator

Pass = Literal["forward", "backward"]

WHOLE = 1024  # the longest sequence that is one grid step; beyond it, a step takes a block of queries
WHOLE_CAUSAL = 2048  # the same for causal masks, which halve the code, with two bytes per number
_STEP = 512
_LONG = 1 << 31  # any length
_SUBLANES = 16  # rows of a bfloat16 tile
_MEMORY = 44 * 2**20  # bytes of VMEM that blocks may take
_PLANE = 2**20  # the most scores whose bias and its gradient, double-buffered, fit beside everything else


class _Row(NamedTuple):
    """The best blocks up to a length; a call uses the largest divisors up to these sizes. See `Blocks`."""

    length: int
    heads: int
    overlap: int
    queries: int
    keys: int


# Sequences of 128, 384 and 512 tokens were tuned with segments, longer ones with causal masks, all with 12 heads of
# width 64. The matrix units are 128 wide up to v5p, 256 from v6e on. Some settings with more heads save 2 to 8 % of the
# bundles at 2048 tokens, with twice the code (up to 60,000 bundles), and are left out.
_NARROW: dict[Pass, tuple[_Row, ...]] = {
    "forward": (
        _Row(128, 12, 6, 128, 128),
        _Row(384, 6, 6, 384, 128),
        _Row(512, 4, 4, 512, 128),
        _Row(WHOLE, 4, 4, 256, 256),
        _Row(WHOLE_CAUSAL, 2, 2, 512, 512),
        _Row(_LONG, 2, 2, 512, 512),
    ),
    "backward": (
        _Row(128, 12, 4, 128, 128),
        _Row(384, 6, 2, 384, 384),
        _Row(512, 6, 1, 512, 256),
        _Row(WHOLE, 4, 4, 256, 256),
        _Row(WHOLE_CAUSAL, 2, 2, 256, 256),
        _Row(_LONG, 2, 2, 512, 512),
    ),
}
_WIDE: dict[Pass, tuple[_Row, ...]] = {
    "forward": (
        _Row(128, 12, 6, 128, 128),
        _Row(384, 6, 3, 384, 384),
        _Row(512, 6, 6, 512, 256),
        _Row(WHOLE_CAUSAL, 4, 4, 512, 256),
        _Row(_LONG, 4, 4, 512, 256),
    ),
    "backward": (
        _Row(128, 12, 4, 128, 128),
        _Row(384, 6, 2, 384, 384),
        _Row(512, 6, 2, 512, 256),
        _Row(WHOLE, 4, 4, 256, 256),
        _Row(WHOLE_CAUSAL, 2, 2, 256, 512),
        _Row(_LONG, 2, 1, 512, 512),
    ),
}
# With relative terms, at 512 tokens: their cost per score is lower in larger tiles.
_NARROW_RELATIVE: dict[Pass, tuple[_Row, ...]] = {
    "forward": (_Row(WHOLE, 4, 4, 512, 512),),
    "backward": (_Row(WHOLE, 3, 3, 256, 256),),
}
_WIDE_RELATIVE: dict[Pass, tuple[_Row, ...]] = {
    "forward": (_Row(WHOLE, 2, 2, 512, 512),),
    "backward": (_Row(WHOLE, 3, 3, 512, 512),),
}
_OLD = ("TPU v2", "TPU v3", "TPU v4", "TPU v5")  # prefixes of device kinds


class Shape(NamedTuple):
    """What block sizes are chosen by; lengths are multiples of 128 tokens.

    Attributes:
      heads: of keys. group: query heads per key head. width: of a head. itemsize: bytes of a number.
      has_plane: whether the call has a bias or another array of queries by keys, which takes memory. relative: whether
        it has relative terms, which count as one.
    """

    queries: int
    keys: int
    heads: int
    group: int
    width: int
    itemsize: int
    causal: bool
    has_plane: bool
    relative: bool


def shape(
    queries: int,
    keys: int,
    heads: int,
    key_heads: int,
    width: int,
    itemsize: int,
    causal: bool,
    has_plane: bool,
    relative: bool = False,
) -> Shape:
    """The padded shape of a call."""
    return Shape(
        queries=padded(queries),
        keys=padded(keys),
        heads=key_heads,
        group=heads // key_heads,
        width=_round_up(width, _SUBLANES),
        itemsize=itemsize,
        causal=causal,
        has_plane=has_plane,
        relative=relative,
    )


def padded(length: int) -> int:
    """A length that is divisible by the blocks."""
    return _round_up(length, LANES if length <= WHOLE else _STEP)


def choose(which: Pass, shape: Shape, chip: str) -> Blocks:
    """The blocks of one pass on a chip such as `TPU v5 lite`; relative terms are for up to `WHOLE` tokens."""
    narrow, wide = (_NARROW_RELATIVE, _WIDE_RELATIVE) if shape.relative else (_NARROW, _WIDE)
    table = (narrow if chip.startswith(_OLD) else wide)[which]
    longest = max(shape.queries, shape.keys)
    whole = WHOLE_CAUSAL if shape.causal and not shape.has_plane and shape.itemsize == 2 else WHOLE
    row = next(row for row in table if longest <= row.length and (longest <= whole or row.length == _LONG))
    step = shape.queries if longest <= whole else min(_STEP, shape.queries)
    heads = 1 if shape.itemsize > 2 else _divisor_of(shape.heads, row.heads)
    if shape.has_plane:
        heads = _divisor_of(heads, max(1, _PLANE // (step * shape.keys * shape.group)))
    return Blocks(
        heads=heads,
        overlap=_divisor_of(heads * shape.group, row.overlap),
        step=step,
        queries=_divisor(step, row.queries),
        keys=_divisor(shape.keys, row.keys),
    )


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _divisor(length: int, most: int) -> int:
    """The largest divisor of a length, up to a size, that is a multiple of the lanes."""
    return max(size for size in range(LANES, min(length, most) + 1, LANES) if length % size == 0)


def _divisor_of(count: int, most: int) -> int:
    return max(size for size in range(1, min(count, most) + 1) if count % size == 0)


def choose_both(shape: Shape, chip: str, rate: float, generator: Generator) -> tuple[Blocks, Blocks]:
    """The blocks of both passes, with the same tiles if the hardware generator, which draws bits by tile, is used."""
    forward, backward = choose("forward", shape, chip), choose("backward", shape, chip)
    if rate and generator == "hardware":
        forward = forward._replace(step=backward.step, queries=backward.queries, keys=backward.keys)
    return forward, backward


def fits(shape: Shape, chip: str) -> bool:
    """Whether the backward pass, which needs more memory, fits; blocks are double-buffered."""
    blocks = choose("backward", shape, chip)
    of_queries = blocks.heads * shape.group * shape.width * blocks.step
    of_keys = blocks.heads * shape.width * shape.keys
    plane = blocks.heads * shape.group * blocks.step * shape.keys if shape.has_plane else 0
    tiles = 4 * blocks.overlap * blocks.queries * blocks.keys * 4
    return 2 * 4 * (of_queries + of_keys) * shape.itemsize + 8 * of_keys + 2 * 9 * plane + tiles <= _MEMORY


def queries_at_a_time(queries: int, keys: int) -> int:
    """How many queries a call with a bias takes, so that the bias and its gradient fit into VMEM."""
    size = WHOLE
    while size > LANES and size * padded(keys) > _PLANE:
        size //= 2
    return min(size, queries)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Cross entropy on a TPU (Pallas Mosaic): logits are made tile by tile in the fast memory and never leave it.

A tile has a row for each of some words of the vocabulary and a column for each of some positions, so that what is
summed over words is summed down the sublanes. The backward pass makes each tile once more and takes both gradients from
it: that of the words is summed over all positions before the next words come, that of the positions stays in the fast
memory. On a mesh that splits the vocabulary every device has words of its own, and only what there is of a position
travels.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array, Float, Int

from zoo.kernels import partition, platform

INTERPRET = False  # whether XLA runs the kernels, on any machine; for tests
_LANES, _SUBLANES = 128, 8
_VMEM = 48 * 2**20  # bytes, as for attention
_ROOM = 40 * 2**20  # bytes of blocks, and of the positions' gradients that are held
_WORDS = (1024, 512, 256)  # of a block, if it fits
_COLUMNS = 1024  # of a gradient that are computed at once
_TILES = 12 * 2**20  # bytes of a block of words, its gradient, and both in float32
_LOWEST = -1e30  # finite: a tile of nothing but padding has no weight
_NO_WORD = jnp.iinfo(jnp.int32).max
_DIMS = {"x": "BTD", "table": "VD", "bias": "V", "targets": "BT", "normalizer": "BT", "change": "BT"}
_TWO_CORES = ("TPU v4", "TPU v5", "TPU v5p")  # device kinds whose two cores share a grid


class Blocks(NamedTuple):
    """Words and positions of a grid step, and the words whose tile is computed at once."""

    words: int
    tile: int
    positions: int


class _Spread(NamedTuple):
    """The mesh axes over which words, and rows and positions together, are spread, and parts of the table's width."""

    words: partition.Axes
    positions: partition.Axes
    width: partition.Axes

    @classmethod
    def of(cls, x: Array, vocab: int) -> "_Spread":
        """Where the sums of the table's gradient can be left in parts, as its parameter lies, they are."""
        rows, length, width = x.shape
        positions = (*partition.axes("B", rows), *partition.axes("T", length))
        parts = partition.axes("W", width)
        fits = set(parts) <= set(positions) and partition.lacks({"W": width}) is None
        return cls(partition.axes("V", vocab), positions, parts if fits else ())


@dataclasses.dataclass(frozen=True)
class _Options:
    smoothing: float
    z_loss: float
    blocks: tuple[Blocks, Blocks] | None


class _Spec(NamedTuple):
    """What a kernel knows of a call: the vocabulary it has, of how many words in all, and its blocks."""

    vocab: int
    whole: int
    smoothing: float
    blocks: Blocks


def softmax_xent(
    x: Float[Array, "B M D"],
    table: Float[Array, "V D"],
    targets: Int[Array, "B M"],
    *,
    bias: Float[Array, "V"] | None = None,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    blocks: tuple[Blocks, Blocks] | None = None,
) -> tuple[Float[Array, "B M"], Int[Array, "B M"]]:
    """See `zoo.kernels.softmax_xent.softmax_xent`; gives losses and predicted ids.

    Args:
      blocks: of the forward and the backward pass; None goes by the width.
    """
    floats = {"x": x, "table": table} | ({} if bias is None else {"bias": bias})
    return cast(tuple[Array, Array], _xent(_Options(label_smoothing, z_loss, blocks), floats, targets))


def lacks(x: Any, table: Any) -> str | None:
    """Why this cannot compute a call, and what would; None if it can."""
    if platform.platform() != "tpu":
        return f"The kernel is written for TPUs, not for {platform.device_kind()!r}."
    if x.dtype != table.dtype or x.dtype not in (jnp.bfloat16, jnp.float32):
        return f"The kernel takes bfloat16 or float32, the same for both; found {x.dtype} and {table.dtype}."
    (rows, length, width), vocab = x.shape, table.shape[0]
    if rows * length < _LANES:
        return f"The kernel takes blocks of positions; {rows * length} would fill little of one."
    if _WORDS[-1] * width * (4 + 4 * x.dtype.itemsize) > _TILES:
        return f"Blocks of a table {width} wide do not fit the fast memory."
    return partition.lacks({"B": rows, "V": vocab})


def choose(width: int, itemsize: int) -> tuple[Blocks, Blocks]:
    """The blocks of both passes for vectors so wide. Tried with 768, on v5e and v6e."""
    words = next((words for words in _WORDS if words * width * (4 + 4 * itemsize) <= _TILES), _WORDS[-1])
    positions = 512 if width * itemsize <= 4096 else 256
    return Blocks(words, 256, positions), Blocks(min(words, 512), min(words, 512), positions)


def cores(device_kind: str) -> int:
    """How many cores of a device share a grid."""
    return 2 if device_kind in _TWO_CORES else 1


def held(blocks: Blocks, width: int, itemsize: int) -> int:
    """How many blocks of positions have room for their gradients; what comes and goes is there twice."""
    words = blocks.words * width * (4 + 2 * (4 + itemsize))
    positions = blocks.positions * width * 4 * itemsize
    return max(1, (_ROOM - words - positions) // (blocks.positions * width * 4))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _xent(options: _Options, floats: dict[str, Array], targets: Array):
    return _forward(options, floats, targets)[0]


def _forward(options: _Options, floats: dict[str, Array], targets: Array):
    vocab = floats["table"].shape[0]
    run = functools.partial(_statistics, options, partition.axes("V", vocab))
    found = partition.run(run, floats | {"targets": targets}, _DIMS, dict.fromkeys(_STATISTICS, "BT"))
    normalizer = found["highest"] + jnp.log(found["total"])
    loss = normalizer - (1.0 - options.smoothing) * found["at_target"] + options.z_loss * normalizer**2
    if options.smoothing:
        loss = loss - options.smoothing / vocab * found["spread"]
    loss = jnp.where((targets >= 0) & (targets < vocab), loss, jnp.nan)
    return (loss, found["predicted"]), (floats, targets, normalizer)


def _backward(options: _Options, saved: Any, cotangents: Any):
    floats, targets, normalizer = saved
    vocab = floats["table"].shape[0]
    known = (targets >= 0) & (targets < vocab)
    arrays = floats | {"targets": targets, "normalizer": normalizer, "change": jnp.where(known, cotangents[0], 0.0)}
    spread = _Spread.of(floats["x"], vocab)
    run = functools.partial(_gradients, options, vocab, spread)
    dims = {name: _DIMS[name] for name in floats} | ({"table": "VW"} if spread.width else {})
    found = partition.run(run, arrays, _DIMS, dims)
    return {name: found[name].astype(array.dtype) for name, array in floats.items()}, None


_xent.defvjp(_forward, _backward)

_STATISTICS = ("highest", "total", "at_target", "spread", "predicted")


def _statistics(options: _Options, axes: partition.Axes, arrays: dict[str, Array]) -> dict[str, Array]:
    """Over all words; `axes` are those of the mesh that split them. Logits of targets elsewhere count as 0."""
    shape, (vocab, width) = arrays["targets"].shape, arrays["table"].shape
    blocks = (options.blocks or choose(width, arrays["table"].dtype.itemsize))[0]
    first = _first_word(axes, vocab)
    inputs = _inputs(arrays, blocks.positions, first)
    spec = _Spec(vocab, vocab, options.smoothing, blocks)
    length = inputs["x"].shape[0]
    grid = (length // blocks.positions, pl.cdiv(vocab, blocks.words))
    dtypes = dict.fromkeys(_STATISTICS, jnp.float32) | {"predicted": jnp.int32}
    outputs = {name: jax.ShapeDtypeStruct((1, length), dtype) for name, dtype in dtypes.items()}
    found = _call(
        functools.partial(_statistics_kernel, spec),
        "softmax_xent_forward", inputs, outputs, {}, grid, ("parallel", "arbitrary"),
        functools.partial(_block, spec, lambda i, j: (i, j)),
    )  # fmt: skip
    found = {name: array[0, : math.prod(shape)].reshape(shape) for name, array in found.items()}
    found["predicted"] = found["predicted"] + first
    if not axes:
        return found
    highest = jax.lax.pmax(found["highest"], axes)
    best = jnp.where(found["highest"] == highest, found["predicted"], _NO_WORD)
    sums = {name: jax.lax.psum(found[name], axes) for name in ("at_target", "spread")}
    total = jax.lax.psum(found["total"] * jnp.exp(found["highest"] - highest), axes)
    return sums | {"highest": highest, "total": total, "predicted": jax.lax.pmin(best, axes)}


def _gradients(options: _Options, whole: int, spread: _Spread, arrays: dict[str, Array]):
    """Of what the arrays hold; positions go in parts whose gradients fit the fast memory, one a core at a time."""
    rows, length, width = arrays["x"].shape
    vocab, itemsize = arrays["table"].shape[0], arrays["x"].dtype.itemsize
    blocks = (options.blocks or choose(width, itemsize))[1]
    inputs = _inputs(arrays, blocks.positions, _first_word(spread.words, vocab))
    inputs["grown"] = inputs["change"] * (1.0 + 2.0 * options.z_loss * inputs["normalizer"])
    spec = _Spec(vocab, whole, options.smoothing, blocks)
    count = inputs["x"].shape[0] // blocks.positions
    at_once = cores(platform.device_kind())
    parts = max(pl.cdiv(count, held(blocks, width, itemsize)), min(at_once, count))
    size = pl.cdiv(count, parts)
    turns = pl.cdiv(parts, at_once)
    parts = min(parts, at_once)
    inputs = {name: _filled(array, turns * parts * size * blocks.positions, name) for name, array in inputs.items()}
    of_words, dx = _in_turns(functools.partial(_gradients_call, spec, parts=parts, size=size), inputs, turns)
    gradients = {"x": dx[: rows * length].reshape(rows, length, width)}
    if spread.words:
        gradients["x"] = jax.lax.psum(gradients["x"], spread.words)
    if spread.width:
        of_words["table"] = jax.lax.psum_scatter(of_words["table"], spread.width, scatter_dimension=1, tiled=True)
    for name in of_words:
        over = tuple(axis for axis in spread.positions if name != "table" or axis not in spread.width)
        of_words[name] = jax.lax.psum(of_words[name], over) if over else of_words[name]
    return gradients | of_words


def _in_turns(call: Callable[..., dict[str, Array]], inputs: dict[str, Array], turns: int):
    """Gradients of the words, summed over turns, and those of the positions, one turn's after the other's."""
    of_words = {name: inputs.pop(name) for name in ("table", "bias") if name in inputs}

    def summed(found: dict[str, Array]) -> dict[str, Array]:
        return {name: jnp.sum(found[name], axis=(0, 1) if name == "bias" else 0) for name in of_words}

    if turns == 1:
        found = call(inputs | of_words)
        return summed(found), found["x"]

    def turn(total, positions):
        # Fused with the loop's own stacking, the kernel would have no more than the default's fast memory.
        found = jax.lax.optimization_barrier(call(positions | of_words, exact=True))
        return jax.tree.map(jnp.add, total, summed(found)), found["x"]

    by_turn = {
        name: array.reshape(turns, -1, array.shape[1]) if name == "x" else array.reshape(turns, 1, -1)
        for name, array in inputs.items()
    }
    shapes = {"table": of_words["table"].shape} | (
        {"bias": (of_words["table"].shape[0],)} if "bias" in of_words else {}
    )
    zeros = {name: jnp.zeros(shape, jnp.float32) for name, shape in shapes.items()}
    total, dx = jax.lax.scan(turn, zeros, by_turn)
    return total, dx.reshape(-1, dx.shape[-1])


def _gradients_call(
    spec: _Spec, inputs: dict[str, Array], *, parts: int, size: int, exact: bool = False
) -> dict[str, Array]:
    """Args: exact: whether the words' gradients are wanted in float32, to be summed."""
    blocks, width, dtype = spec.blocks, inputs["x"].shape[1], inputs["x"].dtype
    steps = pl.cdiv(spec.vocab, blocks.words)
    summed = jnp.float32 if exact or parts > 1 else dtype
    outputs = {
        "x": jax.ShapeDtypeStruct(inputs["x"].shape, dtype),
        "table": jax.ShapeDtypeStruct((parts, spec.vocab, width), summed),
    }
    scratch = {
        "x": pltpu.VMEM((size * blocks.positions, width), jnp.float32),
        "table": pltpu.VMEM((blocks.words, width), jnp.float32),
    }
    if "bias" in inputs:
        outputs["bias"] = jax.ShapeDtypeStruct((parts, 1, spec.vocab), jnp.float32)
        scratch["bias"] = pltpu.VMEM((blocks.words, _LANES), jnp.float32)
    return _call(
        functools.partial(_gradients_kernel, spec, steps, size),
        "softmax_xent_backward", inputs, outputs, scratch, (parts, steps, size), ("parallel", "arbitrary", "arbitrary"),
        functools.partial(_block, spec, lambda part, j, i: (part * size + i, j)),
        {
            # Positions are written while the last words go by; before, the first block waits for its turn.
            "x": pl.BlockSpec(
                (blocks.positions, width),
                lambda part, j, i: (part * size + jnp.where(j == steps - 1, i, 0), 0),
            ),
            "table": pl.BlockSpec((None, blocks.words, width), lambda part, j, i: (part, j, 0)),
            "bias": pl.BlockSpec((None, 1, blocks.words), lambda part, j, i: (part, 0, j)),
        },
    )  # fmt: skip


def _call(
    kernel: Callable[..., None], name: str, inputs: dict[str, Array], outputs: dict[str, Any], scratch: dict[str, Any],
    grid: tuple[int, ...], semantics: tuple[Any, ...], block: Callable[..., pl.BlockSpec],
    out_blocks: dict[str, pl.BlockSpec] | None = None,
) -> dict[str, Array]:  # fmt: skip
    return pl.pallas_call(
        kernel,
        out_shape=outputs,
        grid=grid,
        in_specs=({key: block(key, array.shape) for key, array in inputs.items()},),
        out_specs={key: out_blocks[key] if out_blocks else block(key, array.shape) for key, array in outputs.items()},
        scratch_shapes=(scratch,) if scratch else (),
        compiler_params=pltpu.CompilerParams(dimension_semantics=semantics, vmem_limit_bytes=_VMEM),
        cost_estimate=_cost(inputs, outputs),
        interpret=INTERPRET,
        name=name,
    )(inputs)


def _cost(inputs: dict[str, Array], outputs: dict[str, Any]) -> pl.CostEstimate:
    """What the scheduler takes a call to cost: one product forwards; backwards that again, and one a gradient."""
    (length, width), (vocab, _) = inputs["x"].shape, inputs["table"].shape
    products = 3 if "table" in outputs else 1
    moved = sum(math.prod(array.shape) * array.dtype.itemsize for array in (*inputs.values(), *outputs.values()))
    return pl.CostEstimate(
        flops=products * 2 * length * vocab * width, transcendentals=length * vocab, bytes_accessed=moved
    )


def _block(spec: _Spec, place: Callable[..., tuple], name: str, shape: tuple[int, ...]) -> pl.BlockSpec:
    """The part of an array that a grid step sees; `place` gives its blocks of positions and of words."""
    blocks = spec.blocks
    if name == "x":
        return pl.BlockSpec((blocks.positions, shape[1]), lambda *at: (place(*at)[0], 0))
    if name == "table":
        return pl.BlockSpec((blocks.words, shape[1]), lambda *at: (place(*at)[1], 0))
    if name == "bias":
        return pl.BlockSpec((1, blocks.words), lambda *at: (0, place(*at)[1]))
    return pl.BlockSpec((1, blocks.positions), lambda *at: (0, place(*at)[0]))


def _inputs(arrays: dict[str, Array], multiple: int, first: Any) -> dict[str, Array]:
    """Positions one after another, filled up to a multiple; targets counted from the `first` word."""
    found = {}
    for name, array in arrays.items():
        if name == "x":
            found[name] = array.reshape(-1, array.shape[2])
        elif name == "targets":
            found[name] = array.reshape(1, -1) - first
        elif name == "bias":
            found[name] = array.astype(jnp.float32)[None]
        else:
            found[name] = array if name == "table" else array.reshape(1, -1)
    length = pl.cdiv(found["x"].shape[0], multiple) * multiple
    return {name: _filled(array, length, name) for name, array in found.items()}


def _filled(array: Array, length: int, name: str) -> Array:
    """With zeros for positions up to a length."""
    if name in ("table", "bias"):
        return array
    missing = length - array.shape[0 if name == "x" else 1]
    return jnp.pad(array, ((0, missing), (0, 0)) if name == "x" else ((0, 0), (0, missing))) if missing else array


def _first_word(axes: partition.Axes, vocab: int) -> Any:
    return jax.lax.axis_index(axes) * vocab if axes else 0


def _statistics_kernel(spec: _Spec, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Joins what a block of words has with what came before, as in online softmax (arXiv:1805.02867)."""
    step = pl.program_id(1)

    @pl.when(step == 0)
    def _():
        for name, start in zip(_STATISTICS, (_LOWEST, 0.0, 0.0, 0.0, 0), strict=True):
            outputs[name][...] = jnp.full_like(outputs[name], start)

    def scan(masked: bool) -> None:
        highest, total, at_target, spread, predicted = (outputs[name][...] for name in _STATISTICS)
        for begin in range(0, spec.blocks.words, spec.blocks.tile):
            logits, words = _tile(spec, inputs, step, begin, masked)
            top, best = _likeliest(logits, words)
            sums = jnp.sum(jnp.exp(logits - top), axis=0, keepdims=True)
            real = jnp.where(words < spec.vocab, logits, 0.0) if masked else logits  # a target may be another device's
            at_target += jnp.sum(jnp.where(words == inputs["targets"][...], real, 0.0), axis=0, keepdims=True)
            if spec.smoothing:
                spread += jnp.sum(real, axis=0, keepdims=True)
            new = jnp.maximum(highest, top)
            total = total * jnp.exp(highest - new) + sums * jnp.exp(top - new)
            predicted = jnp.where(top > highest, best, predicted)
            highest = new
        for name, value in zip(_STATISTICS, (highest, total, at_target, spread, predicted), strict=True):
            outputs[name][...] = value

    _masking_the_last(spec, step, scan)


def _gradients_kernel(
    spec: _Spec, steps: int, size: int, inputs: dict[str, Any], outputs: dict[str, Any], sums: dict[str, Any]
) -> None:
    step, place = pl.program_id(1), pl.program_id(2)
    blocks = spec.blocks
    here = pl.ds(pl.multiple_of(place * blocks.positions, blocks.positions), blocks.positions)

    @pl.when(place == 0)
    def _():
        for name in ("table", "bias"):
            if name in sums:
                sums[name][...] = jnp.zeros_like(sums[name])

    @pl.when(step == 0)
    def _():
        sums["x"][here, :] = jnp.zeros_like(sums["x"][here, :])

    def scan(masked: bool) -> None:
        x, rows = inputs["x"], inputs["table"]
        for begin in range(0, blocks.words, blocks.tile):
            logits, words = _tile(spec, inputs, step, begin, masked)
            change = jnp.exp(logits - inputs["normalizer"][...]) * inputs["grown"][...]
            wanted = inputs["change"][...] * (1.0 - spec.smoothing)
            change = jnp.where(words == inputs["targets"][...], change - wanted, change)
            if spec.smoothing:
                change = change - inputs["change"][...] * (spec.smoothing / spec.whole)
            at = pl.ds(begin, blocks.tile)
            table = rows[at, :]
            if masked:  # what comes out for words beyond the vocabulary is not kept
                table = jnp.where(words[:, :1] < spec.vocab, table, jnp.zeros_like(table))
            if "bias" in sums:
                parts = [change[:, lane : lane + _LANES] for lane in range(0, blocks.positions, _LANES)]
                sums["bias"][at, :] += functools.reduce(jnp.add, parts)
            short = change.astype(x.dtype)
            for left in range(0, x.shape[1], _COLUMNS):
                columns = pl.ds(left, min(_COLUMNS, x.shape[1] - left))
                sums["table"][at, columns] += _product(short, inputs["x"][:, columns], (1, 0))
                sums["x"][here, columns] += _product(short, table[:, left : left + _COLUMNS], (0, 0))

    _masking_the_last(spec, step, scan)

    @pl.when(place == size - 1)
    def _():
        outputs["table"][...] = sums["table"][...].astype(outputs["table"].dtype)
        if "bias" in sums:
            outputs["bias"][...] = jnp.sum(sums["bias"][...].T, axis=0, keepdims=True)

    @pl.when(step == steps - 1)
    def _():
        outputs["x"][...] = sums["x"][here, :].astype(outputs["x"].dtype)


def _tile(spec: _Spec, inputs: dict[str, Any], step: Any, begin: int, masked: bool) -> tuple[Array, Array]:
    """Logits of some words by all positions of the step, -inf beyond the vocabulary; and which words they are."""
    size = spec.blocks.tile
    at = pl.ds(begin, size)
    logits = _product(inputs["table"][at, :], inputs["x"][...], (1, 1))
    if "bias" in inputs:
        bias = jnp.broadcast_to(inputs["bias"][:, at], (_LANES, size)).T
        logits = logits + bias[:, :1]
    words = step * spec.blocks.words + begin + jax.lax.broadcasted_iota(jnp.int32, logits.shape, 0)
    if masked:
        logits = jnp.where(words < spec.vocab, logits, -jnp.inf)
    return logits, words


def _likeliest(logits: Array, words: Array) -> tuple[Array, Array]:
    """The largest logit of each position and its word, the lowest of several; a comparison, not two, for each."""
    top, group = jnp.full_like(logits[:_SUBLANES], _LOWEST), jnp.zeros_like(words[:_SUBLANES])
    for begin in range(0, logits.shape[0], _SUBLANES):
        part = logits[begin : begin + _SUBLANES]
        group = jnp.where(part > top, begin, group)
        top = jnp.maximum(top, part)
    highest = jnp.max(top, axis=0, keepdims=True)
    best = jnp.where(top == highest, group + words[:_SUBLANES], _NO_WORD)
    return highest, jnp.min(best, axis=0, keepdims=True)


def _masking_the_last(spec: _Spec, step: Any, scan: Callable[[bool], None]) -> None:
    """Beyond the vocabulary, the last block of words holds anything."""
    if not spec.vocab % spec.blocks.words:
        scan(False)
        return
    last = spec.vocab // spec.blocks.words
    pl.when(step < last)(lambda: scan(False))
    pl.when(step == last)(lambda: scan(True))


def _product(a: Array, b: Array, axes: tuple[int, int]) -> Array:
    """Of two matrices over one axis of each, summed in float32."""
    precision = jax.lax.Precision.HIGHEST if a.dtype == jnp.float32 else None
    dimensions = (((axes[0],), (axes[1],)), ((), ()))
    return jax.lax.dot_general(a, b, dimensions, precision=precision, preferred_element_type=jnp.float32)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Cross entropy on a TPU (Pallas Mosaic): logits are computed tile by tile in VMEM and never leave it.

A tile has a row per vocabulary entry and a column per position, so that sums over the vocabulary go down the sublanes.
The backward pass recomputes each tile and takes both gradients from it: that of a block of the table is summed over all
positions before the next block, that of the positions stays in VMEM. On a mesh that shards the vocabulary every device
has its own entries, and only the values of each position are communicated.
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

INTERPRET = False  # whether kernels run in interpret mode, on any machine; for tests
_LANES, _SUBLANES = 128, 8
_VMEM = 48 * 2**20  # bytes, as for attention
_BLOCK_BYTES = 40 * 2**20  # of blocks, and of the positions' gradients that are held
_VOCAB_BLOCKS = (1024, 512, 256)  # vocabulary entries of a block; the first that fits
_COLUMNS = 1024  # of a gradient, computed at once
_TILES = 12 * 2**20  # bytes of a block of the table, its gradient, and both in float32
_LOWEST = -1e30  # finite: a tile of nothing but padding has no weight
_NO_ID = jnp.iinfo(jnp.int32).max
_DIMS = {"x": "BTD", "table": "VD", "bias": "V", "targets": "BT", "normalizer": "BT", "change": "BT"}
_TWO_CORES = ("TPU v4", "TPU v5", "TPU v5p")  # device kinds whose two cores share a grid


class Blocks(NamedTuple):
    """Vocabulary entries and positions of a grid step, and the entries of a tile that is computed at once."""

    vocab: int
    tile: int
    positions: int


class _MeshAxes(NamedTuple):
    """The mesh axes that the vocabulary, sequences and positions together, and the table's width are sharded over."""

    vocab: partition.Axes
    positions: partition.Axes
    width: partition.Axes

    @classmethod
    def of(cls, x: Array, vocab: int) -> "_MeshAxes":
        """The table's gradient stays sharded like its parameter where its sums allow that."""
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
    """The static part of a call.

    Attributes:
      vocab: vocabulary entries on this device. whole: entries on all devices.
    """

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
) -> tuple[Float[Array, "B M"], Int[Array, "B M"], Float[Array, "B M"]]:
    """See `zoo.kernels.softmax_xent.softmax_xent`; returns losses, predicted ids and negative log-likelihoods.

    Args:
      blocks: of the forward and the backward pass; None chooses by the width.
    """
    floats = {"x": x, "table": table} | ({} if bias is None else {"bias": bias})
    return cast(tuple[Array, Array, Array], _xent(_Options(label_smoothing, z_loss, blocks), floats, targets))


def lacks(x: Any, table: Any) -> str | None:
    """Why this cannot compute a call, and what would help; None if it can."""
    if platform.platform() != "tpu":
        return f"The kernel is written for TPUs, not for {platform.device_kind()!r}."
    if x.dtype != table.dtype or x.dtype not in (jnp.bfloat16, jnp.float32):
        return f"The kernel takes bfloat16 or float32, the same for both; found {x.dtype} and {table.dtype}."
    (rows, length, width), vocab = x.shape, table.shape[0]
    if rows * length < _LANES:
        return f"The kernel takes blocks of {_LANES} or more positions; found {rows * length}."
    if _VOCAB_BLOCKS[-1] * width * (4 + 4 * x.dtype.itemsize) > _TILES:
        return f"Blocks of a table of width {width} do not fit into VMEM."
    return partition.lacks({"B": rows, "V": vocab})


def choose(width: int, itemsize: int) -> tuple[Blocks, Blocks]:
    """The blocks of both passes for vectors of this width. Tuned with 768, on v5e and v6e."""
    vocab = next((size for size in _VOCAB_BLOCKS if size * width * (4 + 4 * itemsize) <= _TILES), _VOCAB_BLOCKS[-1])
    positions = 512 if width * itemsize <= 4096 else 256
    return Blocks(vocab, 256, positions), Blocks(min(vocab, 512), min(vocab, 512), positions)


def cores(device_kind: str) -> int:
    """How many cores of a device share a grid."""
    return 2 if device_kind in _TWO_CORES else 1


def held(blocks: Blocks, width: int, itemsize: int) -> int:
    """How many blocks of positions can hold their gradients in VMEM; inputs and outputs are double-buffered."""
    table = blocks.vocab * width * (4 + 2 * (4 + itemsize))
    positions = blocks.positions * width * 4 * itemsize
    return max(1, (_BLOCK_BYTES - table - positions) // (blocks.positions * width * 4))


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
    known = (targets >= 0) & (targets < vocab)
    loss, nll = (jnp.where(known, each, jnp.nan) for each in (loss, normalizer - found["at_target"]))
    return (loss, found["predicted"], nll), (floats, targets, normalizer)


def _backward(options: _Options, saved: Any, cotangents: Any):
    floats, targets, normalizer = saved
    vocab = floats["table"].shape[0]
    known = (targets >= 0) & (targets < vocab)
    arrays = floats | {"targets": targets, "normalizer": normalizer, "change": jnp.where(known, cotangents[0], 0.0)}
    axes = _MeshAxes.of(floats["x"], vocab)
    run = functools.partial(_gradients, options, vocab, axes)
    dims = {name: _DIMS[name] for name in floats} | ({"table": "VW"} if axes.width else {})
    found = partition.run(run, arrays, _DIMS, dims)
    return {name: found[name].astype(array.dtype) for name, array in floats.items()}, None


_xent.defvjp(_forward, _backward)

_STATISTICS = ("highest", "total", "at_target", "spread", "predicted")


def _statistics(options: _Options, axes: partition.Axes, arrays: dict[str, Array]) -> dict[str, Array]:
    """Over the whole vocabulary, sharded over `axes` of the mesh. Logits of targets on other devices count as 0."""
    shape, (vocab, width) = arrays["targets"].shape, arrays["table"].shape
    blocks = (options.blocks or choose(width, arrays["table"].dtype.itemsize))[0]
    first = _first_id(axes, vocab)
    inputs = _inputs(arrays, blocks.positions, first)
    spec = _Spec(vocab, vocab, options.smoothing, blocks)
    length = inputs["x"].shape[0]
    grid = (length // blocks.positions, pl.cdiv(vocab, blocks.vocab))
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
    best = jnp.where(found["highest"] == highest, found["predicted"], _NO_ID)
    sums = {name: jax.lax.psum(found[name], axes) for name in ("at_target", "spread")}
    total = jax.lax.psum(found["total"] * jnp.exp(found["highest"] - highest), axes)
    return sums | {"highest": highest, "total": total, "predicted": jax.lax.pmin(best, axes)}


def _gradients(options: _Options, whole: int, axes: _MeshAxes, arrays: dict[str, Array]):
    """Gradients of the arrays; positions are processed in parts whose gradients fit into VMEM, one per core."""
    rows, length, width = arrays["x"].shape
    vocab, itemsize = arrays["table"].shape[0], arrays["x"].dtype.itemsize
    blocks = (options.blocks or choose(width, itemsize))[1]
    inputs = _inputs(arrays, blocks.positions, _first_id(axes.vocab, vocab))
    inputs["scaled_change"] = inputs["change"] * (1.0 + 2.0 * options.z_loss * inputs["normalizer"])
    spec = _Spec(vocab, whole, options.smoothing, blocks)
    count = inputs["x"].shape[0] // blocks.positions
    at_once = cores(platform.device_kind())
    parts = max(pl.cdiv(count, held(blocks, width, itemsize)), min(at_once, count))
    size = pl.cdiv(count, parts)
    chunks = pl.cdiv(parts, at_once)
    parts = min(parts, at_once)
    inputs = {name: _padded(array, chunks * parts * size * blocks.positions, name) for name, array in inputs.items()}
    of_vocab, dx = _in_chunks(functools.partial(_gradients_call, spec, parts=parts, size=size), inputs, chunks)
    gradients = {"x": dx[: rows * length].reshape(rows, length, width)}
    if axes.vocab:
        gradients["x"] = jax.lax.psum(gradients["x"], axes.vocab)
    if axes.width:
        of_vocab["table"] = jax.lax.psum_scatter(of_vocab["table"], axes.width, scatter_dimension=1, tiled=True)
    for name in of_vocab:
        over = tuple(axis for axis in axes.positions if name != "table" or axis not in axes.width)
        of_vocab[name] = jax.lax.psum(of_vocab[name], over) if over else of_vocab[name]
    return gradients | of_vocab


def _in_chunks(call: Callable[..., dict[str, Array]], inputs: dict[str, Array], chunks: int):
    """Gradients of table and bias, summed over chunks of positions, and those of the positions, concatenated."""
    of_vocab = {name: inputs.pop(name) for name in ("table", "bias") if name in inputs}

    def summed(found: dict[str, Array]) -> dict[str, Array]:
        return {name: jnp.sum(found[name], axis=(0, 1) if name == "bias" else 0) for name in of_vocab}

    if chunks == 1:
        found = call(inputs | of_vocab)
        return summed(found), found["x"]

    def step(total, positions):
        # Fused with the stacking of the loop's outputs, the kernel would get only the default VMEM limit.
        found = jax.lax.optimization_barrier(call(positions | of_vocab, exact=True))
        return jax.tree.map(jnp.add, total, summed(found)), found["x"]

    by_chunk = {
        name: array.reshape(chunks, -1, array.shape[1]) if name == "x" else array.reshape(chunks, 1, -1)
        for name, array in inputs.items()
    }
    shapes = {"table": of_vocab["table"].shape} | (
        {"bias": (of_vocab["table"].shape[0],)} if "bias" in of_vocab else {}
    )
    zeros = {name: jnp.zeros(shape, jnp.float32) for name, shape in shapes.items()}
    total, dx = jax.lax.scan(step, zeros, by_chunk)
    return total, dx.reshape(-1, dx.shape[-1])


def _gradients_call(
    spec: _Spec, inputs: dict[str, Array], *, parts: int, size: int, exact: bool = False
) -> dict[str, Array]:
    """Args: exact: whether gradients of table and bias are returned in float32, to be summed."""
    blocks, width, dtype = spec.blocks, inputs["x"].shape[1], inputs["x"].dtype
    steps = pl.cdiv(spec.vocab, blocks.vocab)
    summed = jnp.float32 if exact or parts > 1 else dtype
    outputs = {
        "x": jax.ShapeDtypeStruct(inputs["x"].shape, dtype),
        "table": jax.ShapeDtypeStruct((parts, spec.vocab, width), summed),
    }
    scratch = {
        "x": pltpu.VMEM((size * blocks.positions, width), jnp.float32),
        "table": pltpu.VMEM((blocks.vocab, width), jnp.float32),
    }
    if "bias" in inputs:
        outputs["bias"] = jax.ShapeDtypeStruct((parts, 1, spec.vocab), jnp.float32)
        scratch["bias"] = pltpu.VMEM((blocks.vocab, _LANES), jnp.float32)
    return _call(
        functools.partial(_gradients_kernel, spec, steps, size),
        "softmax_xent_backward", inputs, outputs, scratch, (parts, steps, size), ("parallel", "arbitrary", "arbitrary"),
        functools.partial(_block, spec, lambda part, j, i: (part * size + i, j)),
        {
            # Positions are written with the last block of the vocabulary; until then the first block is pending.
            "x": pl.BlockSpec(
                (blocks.positions, width),
                lambda part, j, i: (part * size + jnp.where(j == steps - 1, i, 0), 0),
            ),
            "table": pl.BlockSpec((None, blocks.vocab, width), lambda part, j, i: (part, j, 0)),
            "bias": pl.BlockSpec((None, 1, blocks.vocab), lambda part, j, i: (part, 0, j)),
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
    """The cost that the scheduler assumes: one product forwards; backwards that again, and one per gradient."""
    (length, width), (vocab, _) = inputs["x"].shape, inputs["table"].shape
    products = 3 if "table" in outputs else 1
    moved = sum(math.prod(array.shape) * array.dtype.itemsize for array in (*inputs.values(), *outputs.values()))
    return pl.CostEstimate(
        flops=products * 2 * length * vocab * width, transcendentals=length * vocab, bytes_accessed=moved
    )


def _block(spec: _Spec, block_at: Callable[..., tuple], name: str, shape: tuple[int, ...]) -> pl.BlockSpec:
    """The part of an array that a grid step reads; `block_at` gives its blocks of positions and of the vocabulary."""
    blocks = spec.blocks
    if name == "x":
        return pl.BlockSpec((blocks.positions, shape[1]), lambda *at: (block_at(*at)[0], 0))
    if name == "table":
        return pl.BlockSpec((blocks.vocab, shape[1]), lambda *at: (block_at(*at)[1], 0))
    if name == "bias":
        return pl.BlockSpec((1, blocks.vocab), lambda *at: (0, block_at(*at)[1]))
    return pl.BlockSpec((1, blocks.positions), lambda *at: (0, block_at(*at)[0]))


def _inputs(arrays: dict[str, Array], multiple: int, first: Any) -> dict[str, Array]:
    """Positions flattened and padded to a multiple; targets relative to the id `first`."""
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
    return {name: _padded(array, length, name) for name, array in found.items()}


def _padded(array: Array, length: int, name: str) -> Array:
    """The array with positions zero-padded to a length."""
    if name in ("table", "bias"):
        return array
    missing = length - array.shape[0 if name == "x" else 1]
    return jnp.pad(array, ((0, missing), (0, 0)) if name == "x" else ((0, 0), (0, missing))) if missing else array


def _first_id(axes: partition.Axes, vocab: int) -> Any:
    return jax.lax.axis_index(axes) * vocab if axes else 0


def _statistics_kernel(spec: _Spec, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Merges a block of the vocabulary with the earlier ones, as in online softmax (arXiv:1805.02867)."""
    step = pl.program_id(1)

    @pl.when(step == 0)
    def _():
        for name, start in zip(_STATISTICS, (_LOWEST, 0.0, 0.0, 0.0, 0), strict=True):
            outputs[name][...] = jnp.full_like(outputs[name], start)

    def scan(masked: bool) -> None:
        highest, total, at_target, spread, predicted = (outputs[name][...] for name in _STATISTICS)
        for begin in range(0, spec.blocks.vocab, spec.blocks.tile):
            logits, ids = _tile(spec, inputs, step, begin, masked)
            top, best = _most_likely(logits, ids)
            sums = jnp.sum(jnp.exp(logits - top), axis=0, keepdims=True)
            real = jnp.where(ids < spec.vocab, logits, 0.0) if masked else logits  # a target may be on another device
            at_target += jnp.sum(jnp.where(ids == inputs["targets"][...], real, 0.0), axis=0, keepdims=True)
            if spec.smoothing:
                spread += jnp.sum(real, axis=0, keepdims=True)
            new = jnp.maximum(highest, top)
            total = total * jnp.exp(highest - new) + sums * jnp.exp(top - new)
            predicted = jnp.where(top > highest, best, predicted)
            highest = new
        for name, value in zip(_STATISTICS, (highest, total, at_target, spread, predicted), strict=True):
            outputs[name][...] = value

    _mask_last_block(spec, step, scan)


def _gradients_kernel(
    spec: _Spec, steps: int, size: int, inputs: dict[str, Any], outputs: dict[str, Any], sums: dict[str, Any]
) -> None:
    step, index = pl.program_id(1), pl.program_id(2)
    blocks = spec.blocks
    here = pl.ds(pl.multiple_of(index * blocks.positions, blocks.positions), blocks.positions)

    @pl.when(index == 0)
    def _():
        for name in ("table", "bias"):
            if name in sums:
                sums[name][...] = jnp.zeros_like(sums[name])

    @pl.when(step == 0)
    def _():
        sums["x"][here, :] = jnp.zeros_like(sums["x"][here, :])

    def scan(masked: bool) -> None:
        x, rows = inputs["x"], inputs["table"]
        for begin in range(0, blocks.vocab, blocks.tile):
            logits, ids = _tile(spec, inputs, step, begin, masked)
            change = jnp.exp(logits - inputs["normalizer"][...]) * inputs["scaled_change"][...]
            wanted = inputs["change"][...] * (1.0 - spec.smoothing)
            change = jnp.where(ids == inputs["targets"][...], change - wanted, change)
            if spec.smoothing:
                change = change - inputs["change"][...] * (spec.smoothing / spec.whole)
            at = pl.ds(begin, blocks.tile)
            table = rows[at, :]
            if masked:  # results beyond the vocabulary are discarded
                table = jnp.where(ids[:, :1] < spec.vocab, table, jnp.zeros_like(table))
            if "bias" in sums:
                parts = [change[:, lane : lane + _LANES] for lane in range(0, blocks.positions, _LANES)]
                sums["bias"][at, :] += functools.reduce(jnp.add, parts)
            short = change.astype(x.dtype)
            for left in range(0, x.shape[1], _COLUMNS):
                columns = pl.ds(left, min(_COLUMNS, x.shape[1] - left))
                sums["table"][at, columns] += _product(short, inputs["x"][:, columns], (1, 0))
                sums["x"][here, columns] += _product(short, table[:, left : left + _COLUMNS], (0, 0))

    _mask_last_block(spec, step, scan)

    @pl.when(index == size - 1)
    def _():
        outputs["table"][...] = sums["table"][...].astype(outputs["table"].dtype)
        if "bias" in sums:
            outputs["bias"][...] = jnp.sum(sums["bias"][...].T, axis=0, keepdims=True)

    @pl.when(step == steps - 1)
    def _():
        outputs["x"][...] = sums["x"][here, :].astype(outputs["x"].dtype)


def _tile(spec: _Spec, inputs: dict[str, Any], step: Any, begin: int, masked: bool) -> tuple[Array, Array]:
    """Logits of a tile by all positions of the step, -inf beyond the vocabulary; and the ids of the tile."""
    size = spec.blocks.tile
    at = pl.ds(begin, size)
    logits = _product(inputs["table"][at, :], inputs["x"][...], (1, 1))
    if "bias" in inputs:
        bias = jnp.broadcast_to(inputs["bias"][:, at], (_LANES, size)).T
        logits = logits + bias[:, :1]
    ids = step * spec.blocks.vocab + begin + jax.lax.broadcasted_iota(jnp.int32, logits.shape, 0)
    if masked:
        logits = jnp.where(ids < spec.vocab, logits, -jnp.inf)
    return logits, ids


def _most_likely(logits: Array, ids: Array) -> tuple[Array, Array]:
    """The largest logit of each position and its id, the lowest of several, with one comparison per logit."""
    top, group = jnp.full_like(logits[:_SUBLANES], _LOWEST), jnp.zeros_like(ids[:_SUBLANES])
    for begin in range(0, logits.shape[0], _SUBLANES):
        part = logits[begin : begin + _SUBLANES]
        group = jnp.where(part > top, begin, group)
        top = jnp.maximum(top, part)
    highest = jnp.max(top, axis=0, keepdims=True)
    best = jnp.where(top == highest, group + ids[:_SUBLANES], _NO_ID)
    return highest, jnp.min(best, axis=0, keepdims=True)


def _mask_last_block(spec: _Spec, step: Any, scan: Callable[[bool], None]) -> None:
    """Runs `scan`, masked for the last block if it reaches beyond the vocabulary, where it holds garbage."""
    if not spec.vocab % spec.blocks.vocab:
        scan(False)
        return
    last = spec.vocab // spec.blocks.vocab
    pl.when(step < last)(lambda: scan(False))
    pl.when(step == last)(lambda: scan(True))


def _product(a: Array, b: Array, axes: tuple[int, int]) -> Array:
    """Of two matrices over one axis of each, summed in float32."""
    precision = jax.lax.Precision.HIGHEST if a.dtype == jnp.float32 else None
    dimensions = (((axes[0],), (axes[1],)), ((), ()))
    return jax.lax.dot_general(a, b, dimensions, precision=precision, preferred_element_type=jnp.float32)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Attention on a TPU (Pallas Mosaic), tuned for heads of width 64 and sequences of 128 to 1,024 tokens.

Arrays are sequence-minor, [batch, heads, width, length]: lengths fill the lanes for any width, and the products for
outputs and gradients stream `width` rows through the matrix unit where the usual layout streams 128. A sequence of up
to 1,024 tokens, or 2,048 causal ones, is one grid step, in which causality and windows are static. For a longer one, a
step takes a block of queries and visits those blocks of keys that causality, window and segments leave.
"""

import dataclasses
import functools
import math
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float, Int

from zoo.kernels import dropout, partition, platform
from zoo.kernels.attention.call import Call
from zoo.kernels.attention.pallas_tpu import blocks as tuning
from zoo.kernels.attention.pallas_tpu import call
from zoo.kernels.attention.pallas_tpu.spec import Blocks, Generator, Spec
from zoo.kernels.attention.relative import Relative

_DIMS = {  # letters of the arrays of a call, see `zoo.kernels.partition`
    "query": "BNHT",
    "key": "BNHG",
    "value": "BNHG",
    "bias": "BNST",
    "allowed": "BST",
    "query_segments": "BT",
    "key_segments": "BG",
    "query_order": "BT",
    "key_order": "BG",
    "seeds": "BNT",
    "offset": "1",
    "distance_query": "BNHT",
    "distances": "BNHR",
    "same": "BNT",
    "other": "BNT",
    "differs": "BST",
}
_FLOATS = ("query", "key", "value", "bias", "distance_query", "distances", "same", "other")
_ROWS = ("query_segments", "key_segments", "query_order", "key_order", "seeds", "same", "other")
_UNSEEN = {"key_segments": -1, "key_order": np.iinfo(np.int32).max}  # of keys that no query sees


def attention(
    call: Call, *, generator: Generator = "hash", blocks: tuple[Blocks, Blocks] | None = None
) -> Float[Array, "B T N H"]:
    """See `zoo.kernels.attention.attention`; scores and sums are float32, the products in the inputs' dtype.

    Args:
      generator: of dropout's bits: `hash` drops the same weights as every implementation, `hardware` is cheaper.
      blocks: of the forward and the backward pass; None uses the table.
    """
    query, key, value, mask, bias = call.query, call.key, call.value, call.mask, call.bias
    arrays = {name: x.transpose(0, 2, 3, 1) for name, x in (("query", query), ("key", key), ("value", value))}
    if bias is not None:
        arrays["bias"] = bias.swapaxes(2, 3)
    if mask.allowed is not None:
        arrays["allowed"] = mask.allowed.swapaxes(1, 2).astype(jnp.int8)
    if mask.query_segments is not None and mask.key_segments is not None:
        arrays["query_segments"] = mask.query_segments.astype(jnp.int32)
        arrays["key_segments"] = jnp.where(mask.key_segments == 0, -1, mask.key_segments).astype(jnp.int32)
    if mask.query_order is not None and mask.key_order is not None:
        arrays["query_order"], arrays["key_order"] = (x.astype(jnp.int32) for x in (mask.query_order, mask.key_order))
    if call.dropout_key is not None and call.drops:
        shape = (query.shape[0], query.shape[2], query.shape[1] if generator == "hash" else 1)
        lines = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
        arrays["seeds"] = dropout.line_seeds(dropout.seeds(call.dropout_key), lines)
    if call.relative is not None:
        arrays |= _relative_arrays(call.relative, query.shape[1], key.shape[1])
    query_axes, offset = partition.axes("T", query.shape[1]), mask.query_offset
    if not isinstance(offset, int) or (query_axes and (mask.causal or mask.window is not None)):
        arrays["offset"], offset = jnp.asarray(offset, jnp.int32)[None], None
    settings = _Settings(
        causal=mask.causal,
        window=mask.window,
        scale=call.scale,
        rate=call.dropout_rate,
        generator=generator,
        offset=offset,
        chip=platform.device_kind(),
        blocks=blocks,
        query_axes=query_axes,
    )
    out = partition.run(functools.partial(_on_device, settings), arrays, _DIMS, _DIMS["query"])
    return out.transpose(0, 3, 1, 2)


def _relative_arrays(relative: Relative, queries: int, keys: int) -> call.Arrays:
    """Distances, padded so that the last block of queries starts at the first of them."""
    distances = relative.distances.transpose(1, 2, 0)[None]
    missing = queries + keys - distances.shape[3]
    distances = jnp.pad(distances, ((0, 0),) * 3 + ((0, max(0, missing)),))[..., : queries + keys]
    arrays = {"distance_query": relative.query.transpose(0, 2, 3, 1), "distances": distances}
    if relative.kinds is not None and relative.differs is not None:
        arrays["same"], arrays["other"] = (
            relative.kinds[..., kind].swapaxes(1, 2).astype(jnp.float32) for kind in (0, 1)
        )
        arrays["differs"] = relative.differs.swapaxes(1, 2).astype(jnp.int8)
    return arrays


def lacks(call: Call) -> str | None:
    """Why this cannot compute a call, and what would help; None if it can."""
    query, key, mask = call.query, call.key, call.mask
    if platform.platform() != "tpu":
        return f"The kernel is written for TPUs, not for {platform.device_kind()!r}."
    if query.dtype != key.dtype or query.dtype not in (jnp.bfloat16, jnp.float32):
        return f"The kernel takes bfloat16 or float32, the same for all; found query {query.dtype}, key {key.dtype}."
    (_, length, heads, width), (batch, keys, key_heads, _) = query.shape, key.shape
    relative = call.relative is not None
    has_plane, itemsize = call.bias is not None or relative or mask.allowed is not None, query.dtype.itemsize
    if relative and max(length, keys) > tuning.WHOLE:
        return f"The kernel takes relative terms for up to {tuning.WHOLE} tokens; found {length} and {keys}."
    if call.bias is not None or relative:
        length = tuning.queries_at_a_time(length, keys)
    shape = tuning.shape(length, keys, heads, key_heads, width, itemsize, mask.causal, has_plane, relative)
    if not tuning.fits(shape, platform.device_kind()):
        return f"{keys} keys of width {width} do not fit into VMEM. Shorten the sequences."
    if relative and partition.axes("T", query.shape[1]):
        return "The kernel takes relative terms of whole sequences, and the mesh shards them over devices."
    return partition.lacks({"B": batch, "N": key_heads})


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Settings:
    """The settings of a call other than its arrays; `query_axes` are the mesh axes that queries are sharded over."""

    causal: bool
    window: int | None
    scale: float
    rate: float
    generator: Generator
    offset: int | None
    chip: str
    blocks: tuple[Blocks, Blocks] | None
    query_axes: partition.Axes


def _on_device(settings: _Settings, arrays: call.Arrays) -> Float[Array, "B N H T"]:
    """One device's shard. With a bias, whose block has a row for every key, few queries are taken at a time."""
    length = arrays["query"].shape[3]
    if settings.query_axes:
        arrays = _from(settings, arrays, jax.lax.axis_index(settings.query_axes) * length)
    size = tuning.queries_at_a_time(length, arrays["key"].shape[3]) if "bias" in arrays else length
    parts = [_queries(settings, arrays, first, min(length, first + size)) for first in range(0, length, size)]
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=3)


def _from(settings: _Settings, arrays: call.Arrays, first: Int[Array, ""]) -> call.Arrays:
    """The arrays of a device whose queries begin at position `first` of the whole sequence."""
    arrays = dict(arrays)
    if "offset" in arrays:
        arrays["offset"] = arrays["offset"] + first
    if "seeds" in arrays and settings.generator == "hardware":
        arrays["seeds"] = dropout.mix(arrays["seeds"] + first.astype(jnp.uint32))
    return arrays


def _queries(settings: _Settings, arrays: call.Arrays, first: int, last: int) -> Float[Array, "B N H T"]:
    """The queries from `first` to before `last`."""
    arrays, offset = dict(arrays), settings.offset
    if (first, last) != (0, arrays["query"].shape[3]):
        for name in ("query", "bias", "allowed", "query_segments", "query_order", "seeds"):
            if name in arrays and (name, settings.generator) != ("seeds", "hardware"):
                arrays[name] = arrays[name][..., first:last]
        if "offset" in arrays:
            arrays["offset"] = arrays["offset"] + first
        offset = None if offset is None else offset + first
        if "seeds" in arrays and settings.generator == "hardware":
            arrays["seeds"] = dropout.mix(arrays["seeds"] + jnp.uint32(first))
    passes, inputs = _prepare(dataclasses.replace(settings, offset=offset), arrays)
    floats = {name: inputs.pop(name) for name in _FLOATS if name in inputs}
    out = cast(Array, _attend(passes, floats, inputs))
    return out[:, :, : arrays["query"].shape[2], : last - first]


def _prepare(settings: _Settings, arrays: call.Arrays) -> tuple[tuple[Spec, Spec], dict[str, Array]]:
    """The specs of both passes, and the arrays padded to whole blocks."""
    (_, heads, width, length), (_, key_heads, _, real_keys) = arrays["query"].shape, arrays["key"].shape
    has_plane = any(name in arrays for name in ("bias", "allowed", "distances"))
    itemsize = arrays["query"].dtype.itemsize
    relative = "distances" in arrays
    shape = tuning.shape(length, real_keys, heads, key_heads, width, itemsize, settings.causal, has_plane, relative)
    blocks = settings.blocks or tuning.choose_both(shape, settings.chip, settings.rate, settings.generator)
    queries = _round_up(shape.queries, math.lcm(*(block.step for block in blocks)))
    keys = _round_up(shape.keys, math.lcm(*(block.keys for block in blocks)))
    sizes = {"T": queries, "S": keys, "G": keys, "H": shape.width}
    inputs = {}
    for name, array in arrays.items():
        if name == "offset":
            inputs[name] = array
        elif name == "seeds" and settings.generator == "hardware":
            inputs[name] = jax.lax.bitcast_convert_type(array[..., 0], jnp.int32)
        elif name == "distances":
            # Row r is that of query t and key s with r = queries - t + s: padded in front for the queries.
            padding = ((0, 0), (0, 0), (0, shape.width - array.shape[2]))
            inputs[name] = jnp.pad(array, (*padding, (queries - length, keys - real_keys)))
        elif name in _ROWS:
            inputs[name] = _pad(array[..., None, :], 1, sizes[_DIMS[name][-1]], _UNSEEN.get(name, 0))
        else:
            inputs[name] = _pad(array, sizes[_DIMS[name][-2]], sizes[_DIMS[name][-1]], 0)
    spec = Spec(
        causal=settings.causal,
        window=settings.window,
        scale=settings.scale,
        rate=settings.rate,
        generator=settings.generator,
        group=shape.group,
        offset=settings.offset,
        queries=queries,
        keys=keys,
        real_keys=real_keys,
        hides_padding=real_keys < keys and not _UNSEEN.keys() & arrays.keys(),
        precision=jax.lax.Precision.HIGHEST if arrays["query"].dtype == jnp.float32 else None,
        bias_gradient=False,
        blocks=blocks[0],
    )
    return (spec, dataclasses.replace(spec, blocks=blocks[1])), inputs


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(passes: tuple[Spec, Spec], floats: call.Arrays, others: call.Arrays) -> Array:
    """`floats` get gradients: query, key, value, bias and relative terms; `others` are integers."""
    return call.forward(passes[0], floats | others | _bounds(passes[0], others))["out"]


def _attend_forward(passes: tuple[Spec, Spec], floats: dict[str, Any], others: dict[str, Any]):
    values, integers = ({name: primal.value for name, primal in inputs.items()} for inputs in (floats, others))
    outputs = call.forward(passes[0], values | integers | _bounds(passes[0], integers))
    named = {"out": "attended", "normalizer": "normalizer"}  # for remat policies, see zoo/nn/stack.py
    outputs = {key: checkpoint_name(outputs[key], name) for key, name in named.items()}
    # A constant bias, such as a mask, needs no gradient; the keys of a dict are static, its values are not.
    differentiated = {"bias": None} if "bias" in floats and floats["bias"].perturbed else {}
    return outputs["out"], (values, integers, outputs, differentiated)


def _attend_backward(passes: tuple[Spec, Spec], saved, dout: Any):
    values, integers, outputs, differentiated = saved
    spec = dataclasses.replace(passes[1], bias_gradient="bias" in differentiated)
    if isinstance(dout, jax.custom_derivatives.SymbolicZero):
        dout = jnp.zeros(dout.shape, outputs["out"].dtype)
    found = call.backward(spec, values | integers | outputs | {"dout": dout} | _bounds(spec, integers))
    gradients = {
        name: found[f"d{name}"].astype(array.dtype) if f"d{name}" in found else jnp.zeros_like(array)
        for name, array in values.items()
    }
    return gradients, {name: np.zeros(array.shape, jax.dtypes.float0) for name, array in integers.items()}


_attend.defvjp(_attend_forward, _attend_backward, symbolic_zeros=True)


def _bounds(spec: Spec, others: call.Arrays) -> call.Arrays:
    """The first and last block of keys that may share a segment with each block of queries; none if first > last.

    Ranges of ids are compared, since the documents of a packed sequence are numbered in order.
    """
    if "key_segments" not in others or spec.queries == spec.blocks.step:
        return {}
    queries, keys = (
        others[name].reshape(others[name].shape[0], -1, size)
        for name, size in (("query_segments", spec.blocks.queries), ("key_segments", spec.blocks.keys))
    )
    least = jnp.min(jnp.where(keys < 0, jnp.iinfo(jnp.int32).max, keys), axis=2)[:, None]
    meets = (least <= jnp.max(queries, axis=2)[:, :, None]) & (
        jnp.max(keys, axis=2)[:, None] >= jnp.min(queries, axis=2)[:, :, None]
    )
    blocks = jnp.arange(keys.shape[1], dtype=jnp.int32)[None, None]
    first = jnp.min(jnp.where(meets, blocks, keys.shape[1]), axis=2)
    return {"first_block": first, "last_block": jnp.max(jnp.where(meets, blocks, -1), axis=2)}


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _pad(array: Array, rows: int, columns: int, value: int) -> Array:
    """Pads the last two axes."""
    missing = (rows - array.shape[-2], columns - array.shape[-1])
    if not any(missing):
        return array
    return jnp.pad(array, ((0, 0),) * (array.ndim - 2) + tuple((0, n) for n in missing), constant_values=value)

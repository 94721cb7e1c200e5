# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Attention for Hopper GPUs in Pallas Mosaic GPU: scores never leave the chip, forward or backward.

After FlashAttention-3 (arXiv:2407.08608): it has the warpgroup that only loads, but not the ping-pong scheduling of the
two compute warpgroups. It adds structured masks, a bias with its gradient, and dropout by `zoo.kernels.dropout`.
Lengths are padded to a multiple of 128 and the width to one of 64, outside the kernels.
"""

import functools
import inspect
import re
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from zoo.errors import InputError
from zoo.kernels import dropout, partition, platform
from zoo.kernels.attention.call import Call
from zoo.kernels.attention.mask import AttentionMask
from zoo.kernels.attention.pallas_gpu.backward import bias_gradient, key_gradients, query_gradient
from zoo.kernels.attention.pallas_gpu.forward import forward
from zoo.kernels.attention.pallas_gpu.tiles import COLUMNS, ROWS, WORKERS, Spec, mosaic

_BLOCK = WORKERS * ROWS
_DIMS = {  # letters of the arrays of a call, see `zoo.kernels.partition`
    "query": "BTNH",
    "key": "BSNH",
    "value": "BSNH",
    "bias": "BNTS",
    "query_segments": "BT",
    "key_segments": "BS",
    "seeds": "BNT",
    "offset": "1",
}
_WIDEST = 128  # beyond it the backward pass's sums do not fit a warpgroup's registers


def attention(call: Call) -> Float[Array, "B T N H"]:
    """See `zoo.kernels.attention.attention`; call it only where `lacks` finds nothing.

    Scores and sums are float32, products in the inputs' dtype. A bias of -inf hides a key as a mask does.

    Raises:
      InputError: for inputs of several dtypes.
    """
    query, key, value, mask, bias = call.query, call.key, call.value, call.mask, call.bias
    if not query.dtype == key.dtype == value.dtype:
        raise InputError(f"query, key, value must be of one dtype; found {query.dtype}, {key.dtype}, {value.dtype}.")
    batch, length, heads, width = query.shape
    keys = key.shape[1]
    spec = Spec(
        scale=float(call.scale),
        keys=keys,
        causal=mask.causal,
        window=mask.window,
        rate=call.dropout_rate if call.drops else 0.0,
        bias_gradient=bias is not None,
    )
    rest = AttentionMask(query_order=mask.query_order, key_order=mask.key_order, allowed=mask.allowed)
    if (seen := rest.dense(length, keys)) is not None:  # the kernels have no such conditions
        bias = jnp.where(seen, 0.0, -jnp.inf).astype(query.dtype) if bias is None else jnp.where(seen, bias, -jnp.inf)
    query, key, value = (_pad(x, {1: _BLOCK, 3: 64}) for x in (query, key, value))
    given = _mask_arrays(mask)
    if call.dropout_key is not None and call.drops:
        lines = jnp.arange(batch * heads * length, dtype=jnp.uint32).reshape(batch, heads, length)
        given["seeds"] = _pad(dropout.line_seeds(dropout.seeds(call.dropout_key), lines), {2: _BLOCK})
    arrays = given | {"query": query, "key": key, "value": value}
    if bias is not None:
        arrays["bias"] = _pad(bias, {2: _BLOCK, 3: _BLOCK})
    out = partition.run(functools.partial(_on_device, spec), arrays, _DIMS, _DIMS["query"])
    return out[:, :length, :, :width]


def _on_device(spec: Spec, arrays: dict[str, Array]) -> Any:
    """One device's shard."""
    given = dict(arrays)
    query, key, value = (given.pop(name) for name in ("query", "key", "value"))
    return padded_attention(spec, query, key, value, given.pop("bias", None), given)


def lacks(call: Call) -> str | None:
    """Why this cannot compute a call on the program's device, as a sentence for the user; None if it can."""
    query, key = call.query, call.key
    device_kind = platform.device_kind()
    if not re.search(r"\bG?H(20|100|200|800)\b", device_kind):
        return f"The kernel is written for Hopper GPUs (H100, H200), not for {device_kind!r}."
    if query.dtype != key.dtype or query.dtype not in (jnp.bfloat16, jnp.float16):
        return (
            f"The kernel takes bfloat16 or float16, the same for all; found query {query.dtype}, key {key.dtype}. Cast "
            "them."
        )
    if query.shape[-1] > _WIDEST:
        return f"The kernel takes head widths up to {_WIDEST}; found {query.shape[-1]}."
    if 0 in (*query.shape, *key.shape):
        return f"The kernel does not take empty arrays; found query {query.shape}, key {key.shape}."
    if partition.axes("T", query.shape[1]):
        return "The kernel takes whole sequences, and the mesh shards them over devices."
    return _lacks_in_jax() or _lacks_in_cuda() or partition.lacks({"B": query.shape[0], "N": key.shape[2]})


@functools.cache
def _lacks_in_jax() -> str | None:
    """The API of Mosaic GPU changes with every release: what is used is looked for, not deduced from versions."""
    wanted = "The kernel needs the Mosaic GPU of JAX 0.12; jax {} {}. Upgrade JAX."
    try:
        plgpu = mosaic()
    except ImportError as error:
        return wanted.format(jax.__version__, f"cannot import it ({error})")
    missing = [name for name in ("copy_gmem_to_smem", "load", "store", "wgmma", "Layout") if not hasattr(plgpu, name)]
    arguments = inspect.signature(plgpu.kernel).parameters
    missing += [f"kernel({name}=)" for name in ("out_type", "scratch_types") if name not in arguments]
    return wanted.format(jax.__version__, f"has no {', '.join(missing)}") if missing else None


def _lacks_in_cuda() -> str | None:
    """JAX's own kernel refuses causal masks there: "due to a ptxas miscompilation" (its ops/gpu/attention_mgpu.py)."""
    backend = jax.extend.backend.get_backend()
    version = getattr(backend, "cuda_version", None)  # 1000 * major + 10 * minor, JAX 0.9 and later
    if version is None:
        found = re.search(r"cuda (\d+)", getattr(backend, "platform_version", None) or "")
        version = int(found[1]) if found else 0
    if 12080 <= version < 12091:
        return f"The compilers of CUDA 12.8 and 12.9 miscompile such kernels; found {version}. Install jax[cuda13]."
    return None


def _pad(x: jax.Array, multiples: dict[int, int]) -> jax.Array:
    """Zeros after the end of some axes."""
    return jnp.pad(x, [(0, -size % multiples.get(axis, 1)) for axis, size in enumerate(x.shape)])


def _mask_arrays(mask: AttentionMask) -> dict[str, jax.Array]:
    """The parts of the mask that the kernels read, padded."""
    given = {}
    if mask.query_segments is not None and mask.key_segments is not None:
        given["query_segments"] = _pad(mask.query_segments.astype(jnp.int32), {1: _BLOCK})
        given["key_segments"] = _pad(mask.key_segments.astype(jnp.int32), {1: _BLOCK})
    if mask.causal or mask.window is not None:
        given["offset"] = jnp.asarray(mask.query_offset, jnp.int32).reshape(1)
    return given


def _blocks(
    spec: Spec, given: dict[str, jax.Array], shape: tuple[int, int, int], query_block: int, key_block: int
) -> Bool[Array, "B Q K"] | None:
    """Whether any query of a block may see any key of another, by their positions and their first and last segments.

    Args:
      shape: sequences, queries and keys.
    """
    batch, length, keys = shape
    seen = []
    if "offset" in given:
        first = given["offset"][0] + jnp.arange(0, length, query_block, dtype=jnp.int32)[:, None]
        other = jnp.arange(0, keys, key_block, dtype=jnp.int32)[None]
        farthest, nearest = first + (query_block - 1) - other, first - other - (key_block - 1)
        lowest = 0 if spec.causal else 1 - (spec.window or 0)
        seen.append((farthest >= lowest)[None])
        if spec.window is not None:
            seen.append((nearest < spec.window)[None])
    if "key_segments" in given:
        (least, last), (other_least, other_last) = (
            _extremes(given[name], block)
            for name, block in (("query_segments", query_block), ("key_segments", key_block))
        )
        seen += [last[:, :, None] >= other_least[:, None], other_last[:, None] >= least[:, :, None]]
    if not seen:
        return None
    whole = (batch, length // query_block, keys // key_block)
    return functools.reduce(jnp.logical_and, [jnp.broadcast_to(x, whole) for x in seen])


def _extremes(segments: Int[Array, "B T"], block: int) -> tuple[Int[Array, "B Q"], Int[Array, "B Q"]]:
    """First and last segment of each block; in a block of padding the first is after the last."""
    blocks = segments.reshape(segments.shape[0], -1, block)
    bounds = jnp.iinfo(jnp.int32)
    least = jnp.min(jnp.where(blocks == 0, bounds.max, blocks), axis=-1)
    return least, jnp.max(jnp.where(blocks == 0, bounds.min, blocks), axis=-1)


def _ranges(seen: Bool[Array, "B Q K"]) -> Int[Array, "B Q 2"]:
    """From the first to after the last that is seen; 0 to 0 if none is."""
    last = seen.shape[-1] - jnp.argmax(seen[..., ::-1], axis=-1)
    ends = jnp.stack([jnp.argmax(seen, axis=-1), last], axis=-1).astype(jnp.int32)
    return jnp.where(jnp.any(seen, axis=-1, keepdims=True), ends, 0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def padded_attention(spec: Spec, query: Array, key: Array, value: Array, bias: Array | None, given: dict) -> Array:
    """`attention` of padded arrays, all with batch and head axes: this is what is sharded.

    Args:
      given: `query_segments`, `key_segments` (0 is padding), `seeds` of dropout [B, N, T], `offset` [1]; all optional.
    """
    return _forward(spec, query, key, value, bias, given)[0]


def _forward(spec: Spec, query: Array, key: Array, value: Array, bias: Array | None, given: dict):
    arrays = {**given, "query": query, "key": key, "value": value} | ({} if bias is None else {"bias": bias})
    seen = _blocks(spec, given, (query.shape[0], query.shape[1], key.shape[1]), _BLOCK, COLUMNS)
    ranges = {} if seen is None else {"key_blocks": _ranges(seen)}
    # 128 keys per step spill registers once more than the scores is held.
    columns = COLUMNS if spec.rate or bias is not None else 2 * COLUMNS
    out, *sums = forward(spec, arrays | ranges, columns)
    out = checkpoint_name(out, "attended")  # for remat policies, see zoo/nn/stack.py
    highest, inverse = (checkpoint_name(each, "normalizer") for each in sums)
    return out, (arrays, ranges, out, {"highest": highest, "inverse": inverse})


def _backward(spec: Spec, saved, out_gradient: Array):
    arrays, ranges, out, sums = saved
    delta = jnp.einsum("BTNH,BTNH->BNT", out, out_gradient, preferred_element_type=jnp.float32)
    arrays = arrays | sums | {"out_gradient": out_gradient, "delta": delta}
    batch, length, keys = *arrays["query"].shape[:2], arrays["key"].shape[1]
    turned = {"bias": arrays["bias"].swapaxes(2, 3)} if "bias" in arrays else {}
    seen = _blocks(spec, arrays, (batch, length, keys), COLUMNS, _BLOCK)
    turned |= {} if seen is None else {"query_blocks": _ranges(seen.swapaxes(1, 2))}
    query = query_gradient(spec, arrays | ranges)
    key, value = key_gradients(spec, arrays | turned)
    bias = None
    if "bias" in arrays:
        bias = jnp.zeros_like(arrays["bias"])
        if spec.bias_gradient:
            bias = bias_gradient(spec, arrays).astype(bias.dtype)
    return query, key, value, bias, None


padded_attention.defvjp(_forward, _backward)

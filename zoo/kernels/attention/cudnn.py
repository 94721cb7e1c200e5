# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's fused attention, through `jax.nn.dot_product_attention`, for the calls that it supports.

It supports causal masks and causal windows; the rest of a mask is passed as one array [B, 1, T, S] for all heads.
It has the gradient of a bias for some shapes only, and no dropout.
"""

import dataclasses
import re
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.kernels import partition, platform
from zoo.kernels.attention.call import Call
from zoo.kernels.attention.mask import AttentionMask

_WIDEST = 128  # head width on every generation; Hopper takes 256
BACKEND: Literal["cudnn", "xla"] = "cudnn"  # `xla` computes the same on any machine; for tests


def attention(call: Call) -> Float[Array, "B T N H"]:
    """See `zoo.kernels.attention.attention`; call it only where `lacks` finds nothing."""
    query, key, value, mask = call.query, call.key, call.value, call.mask
    queries, keys = query.shape[1], key.shape[1]
    rest = _rest(mask)
    causal = mask.causal and not rest.causal
    window = (mask.window - 1, 0) if mask.window is not None and rest.window is None else None
    seen = rest.dense(queries, keys)
    if seen is not None:
        seen = jnp.broadcast_to(seen, (seen.shape[0], 1, queries, keys))
    out = jax.nn.dot_product_attention(
        query, key, value, None, seen,
        scale=call.scale, is_causal=causal, local_window_size=window, implementation=BACKEND,
    )  # fmt: skip
    everything = mask.dense(queries, keys)
    if seen is None or everything is None:
        return out
    # Its mask adds a large negative number: a query that sees nothing would get the mean of the values.
    return jnp.where(jnp.any(everything, axis=(1, 3))[:, :, None, None], out, 0)


def _rest(mask: AttentionMask) -> AttentionMask:
    """The part of a mask that cuDNN takes as an array."""
    if not (mask.causal and isinstance(mask.query_offset, int) and mask.query_offset == 0):
        return mask
    return dataclasses.replace(mask, causal=False, window=None)


def lacks(call: Call) -> str | None:
    """Why this cannot compute a call on the program's device, as a sentence for the user; None if it can."""
    query, key = call.query, call.key
    if _generation() < 8:  # Ampere's
        return f"cuDNN's attention is for NVIDIA GPUs from Ampere on, not for {platform.device_kind()!r}."
    if query.dtype != key.dtype or query.dtype not in (jnp.bfloat16, jnp.float16):
        return f"cuDNN takes bfloat16 or float16, the same for all; found query {query.dtype}, key {key.dtype}."
    if query.shape[-1] > _WIDEST or query.shape[-1] % 8:
        return f"cuDNN takes head widths that are multiples of 8, up to {_WIDEST}; found {query.shape[-1]}."
    if call.bias is not None or call.relative is not None or call.dropout_rate:
        return "Through JAX, cuDNN has no dropout and not every bias's gradient."
    queries, keys = query.shape[1], key.shape[1]
    if partition.axes("T", queries):
        return "cuDNN takes whole sequences, and the mesh shards them over devices."
    rest = _rest(call.mask)
    needs_array = rest.causal or any(
        x is not None for x in (rest.window, rest.query_segments, rest.query_order, rest.allowed)
    )
    if needs_array and (queries % 2 or keys % 2):
        return f"With such a mask cuDNN takes even lengths; found {queries} queries and {keys} keys."
    return None


def _generation() -> int:
    """The major number of the GPU's compute capability; 0 without an NVIDIA GPU."""
    if platform.platform() != "gpu" or jax.default_backend() != "gpu":
        return 0
    found = re.match(r"\d+(?=\.\d)", str(getattr(jax.local_devices()[0], "compute_capability", "")))
    return int(found[0]) if found else 0

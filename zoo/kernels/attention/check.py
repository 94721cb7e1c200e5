# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks of the arguments of attention, before anything is computed. Each function raises InputError."""

import numbers
from typing import Any, get_args

import jax
import jax.numpy as jnp

from zoo.errors import InputError
from zoo.kernels.attention.mask import AttentionMask
from zoo.kernels.attention.relative import Relative
from zoo.kernels.names import DropoutBits


def check_arrays(query: Any, key: Any, value: Any) -> None:
    """Shapes and dtypes that agree."""
    shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
    if not query.ndim == key.ndim == value.ndim == 4:
        raise InputError(f"query, key and value must be [batch, length, heads, width]; found {shapes}.")
    if key.shape != value.shape or (query.shape[0], query.shape[3]) != (key.shape[0], key.shape[3]):
        raise InputError(f"query, key and value must agree in batch and width, key and value in all; found {shapes}.")
    if not key.shape[2] or query.shape[2] % key.shape[2]:
        raise InputError(f"the heads of query must be a multiple of those of key and value; found {shapes}.")
    _check_dtype("query", query, jnp.floating)
    _check_dtype("key", key, jnp.floating)
    if key.dtype != value.dtype:
        raise InputError(f"key and value must be of one dtype; found {key.dtype} and {value.dtype}. Cast one of them.")


def check_mask(mask: Any, query: Any, key: Any) -> None:
    """A mask whose shapes fit the call."""
    if not isinstance(mask, AttentionMask):
        raise InputError(
            f"mask must be an AttentionMask, not {type(mask).__name__}; AttentionMask(allowed=array) takes an array."
        )
    for kind in ("segments", "order"):
        sides = {f"query_{kind}": query, f"key_{kind}": key}
        if len({getattr(mask, name) is None for name in sides}) > 1:
            raise InputError(f"mask must have the {kind} of queries and keys, or neither.")
        for name, array in sides.items():
            ids = getattr(mask, name)
            if ids is None:
                continue
            _check_dtype(f"mask.{name}", ids, jnp.integer)
            if tuple(ids.shape) != array.shape[:2]:
                raise InputError(f"mask.{name} must be {list(array.shape[:2])}; found {list(ids.shape)}.")
    if mask.allowed is not None:
        _check_dtype("mask.allowed", mask.allowed, jnp.bool)
        _check_broadcasts("mask.allowed", mask.allowed, (query.shape[0], query.shape[1], key.shape[1]))
    window, offset = mask.window, mask.query_offset
    if window is not None and (not isinstance(window, numbers.Integral) or window < 1):
        raise InputError(f"mask.window must be a whole number of tokens, 1 or more, or None; found {window!r}.")
    if jnp.shape(offset) or not jnp.issubdtype(jnp.result_type(offset), jnp.integer):
        raise InputError(f"mask.query_offset must be one whole number; found {offset!r}.")


def check_terms(bias: Any, relative: Any, query: Any, key: Any) -> None:
    """Terms that are added to the scores."""
    (batch, queries, heads, _), keys = query.shape, key.shape[1]
    if bias is not None:
        _check_dtype("bias", bias, jnp.floating)
        _check_broadcasts("bias", bias, (batch, heads, queries, keys))
    if relative is not None:
        _check_relative(relative, bias, query, keys)


def _check_relative(relative: Any, bias: Any, query: Any, keys: int) -> None:
    if bias is not None:
        raise InputError("attention takes a bias or relative terms, not both; add `relative.bias(length) * scale`.")
    if not isinstance(relative, Relative):
        raise InputError(f"relative must be a Relative, not {type(relative).__name__}.")
    batch, queries, heads, width = query.shape
    if (relative.kinds is None) != (relative.differs is None):
        raise InputError("relative must have kinds and differs, or neither.")
    wanted = {"query": query.shape, "kinds": (batch, queries, heads, 2), "differs": (batch, queries, keys)}
    for name, shape in wanted.items():
        array = getattr(relative, name)
        if array is not None and tuple(array.shape) != tuple(shape):
            raise InputError(f"relative.{name} must be {list(shape)}; found {list(array.shape)}.")
    found = relative.distances.shape
    if len(found) != 3 or found[0] <= keys or tuple(found[1:]) != (heads, width):
        raise InputError(
            f"relative.distances must be [R, {heads}, {width}] with R above the {keys} keys; found {list(found)}."
        )


def check_dropout(rate: Any, key: Any, bits: Any) -> None:
    """A rate, a key if the rate is above 0, and a known kind of bits."""
    check_number("dropout_rate", rate)
    if not 0.0 <= rate < 1.0:
        raise InputError(f"dropout_rate must be at least 0 and below 1; found {rate!r}.")
    if rate > 0.0 and key is None:
        raise InputError(f"dropout_rate {rate} needs a dropout_key; pass jax.random.key(...), or the rate 0.")
    if rate > 0.0 and not isinstance(key, jax.Array):
        raise InputError(f"dropout_key must be a key such as jax.random.key(0); found {key!r}.")
    if bits not in get_args(DropoutBits):
        raise InputError(f"dropout_bits must be one of {', '.join(get_args(DropoutBits))}; found {bits!r}.")


def check_number(name: str, value: Any) -> None:
    """InputError for anything but a number, which a kernel is compiled for."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{name} must be a number, not {type(value).__name__}.")


def _check_dtype(name: str, array: Any, kind: Any) -> None:
    if not jnp.issubdtype(array.dtype, kind):
        names = {jnp.floating: "floating-point numbers", jnp.integer: "integers", jnp.bool: "true and false"}
        raise InputError(f"{name} must hold {names[kind]}; found {array.dtype}.")


def _check_broadcasts(name: str, array: Any, shape: tuple[int, ...]) -> None:
    """All axes but the last two may also be 1."""
    loose = len(shape) - 2
    fits = array.ndim == len(shape) and tuple(array.shape[loose:]) == shape[loose:]
    if not fits or any(found not in (1, size) for found, size in zip(array.shape[:loose], shape, strict=False)):
        raise InputError(f"{name} must be {list(shape)}, or 1 on the first {loose} axes; found {list(array.shape)}.")

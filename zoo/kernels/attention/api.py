# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one attention call of the package, and the choice of the implementation behind it."""

from typing import Any, Protocol

from jaxtyping import Array, Float

from zoo.errors import ConfigError, InputError
from zoo.kernels.attention import reference, xla
from zoo.kernels.attention.mask import AttentionMask


class Implementation(Protocol):
    """What a file of this folder offers."""

    def __call__(self, query, key, value, *, mask, bias, dropout_rate, dropout_key, scale) -> Array: ...


IMPLEMENTATIONS: dict[str, Implementation] = {"reference": reference.attention, "xla": xla.attention}


def attention(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B S K H"],
    value: Float[Array, "B S K H"],
    *,
    mask: AttentionMask,
    bias: Float[Array, "#B #N T S"] | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    scale: float | None = None,
    implementation: str | None = None,
) -> Float[Array, "B T N H"]:
    """Softmax attention; a query that may see nothing gets zeros.

    Args:
      key, value: of as many heads as `query`, or of K that N/K heads of it share (arXiv:2305.13245).
      mask: what each query may see.
      bias: added to the scaled scores.
      dropout_rate: chance that a weight is dropped, the same weights in every implementation for a `dropout_key`.
      scale: factor on the scores; None is `1/sqrt(H)`.
      implementation: `reference`, `xla`, or None for the faster, `xla`.

    Raises:
      ConfigError: for an unknown implementation.
      InputError: shapes that disagree, a mask of another kind, a dropout rate without a key.
    """
    name = implementation or "xla"
    if name not in IMPLEMENTATIONS:
        raise ConfigError(f"No attention implementation {name!r}; choose one of {', '.join(sorted(IMPLEMENTATIONS))}.")
    _check_shapes(query, key, value)
    _check_mask(mask, query, key)
    if bias is not None:
        _check_broadcasts("bias", bias, (query.shape[0], query.shape[2], query.shape[1], key.shape[1]))
    if not 0.0 <= dropout_rate < 1.0:
        raise InputError(f"dropout_rate must be at least 0 and below 1; found {dropout_rate!r}.")
    if dropout_rate > 0.0 and dropout_key is None:
        raise InputError(f"dropout_rate {dropout_rate} needs a dropout_key; pass jax.random.key(...), or the rate 0.")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return IMPLEMENTATIONS[name](
        query, key, value, mask=mask, bias=bias, dropout_rate=dropout_rate, dropout_key=dropout_key, scale=scale
    )


def _check_shapes(query: Any, key: Any, value: Any) -> None:
    shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
    if not query.ndim == key.ndim == value.ndim == 4:
        raise InputError(f"query, key and value must be [batch, length, heads, width]; found {shapes}.")
    if key.shape != value.shape or (query.shape[0], query.shape[3]) != (key.shape[0], key.shape[3]):
        raise InputError(f"query, key and value must agree in batch and width, key and value in all; found {shapes}.")
    if not key.shape[2] or query.shape[2] % key.shape[2]:
        raise InputError(f"the heads of query must be a multiple of those of key and value; found {shapes}.")


def _check_mask(mask: Any, query: Any, key: Any) -> None:
    if not isinstance(mask, AttentionMask):
        raise InputError(
            f"mask must be an AttentionMask, not {type(mask).__name__}; AttentionMask(allowed=array) takes an array."
        )
    sides = (("query_segments", mask.query_segments, query), ("key_segments", mask.key_segments, key))
    if (mask.query_segments is None) != (mask.key_segments is None):
        raise InputError("mask must have the segments of queries and keys, or neither.")
    for name, segments, array in sides:
        if segments is not None and tuple(segments.shape) != array.shape[:2]:
            raise InputError(f"mask.{name} must be {list(array.shape[:2])}; found {list(segments.shape)}.")
    if mask.allowed is not None:
        _check_broadcasts("mask.allowed", mask.allowed, (query.shape[0], query.shape[1], key.shape[1]))


def _check_broadcasts(name: str, array: Any, shape: tuple[int, ...]) -> None:
    """All axes but the last two may also be 1."""
    loose = len(shape) - 2
    fits = array.ndim == len(shape) and tuple(array.shape[loose:]) == shape[loose:]
    if not fits or any(found not in (1, size) for found, size in zip(array.shape[:loose], shape, strict=False)):
        raise InputError(f"{name} must be {list(shape)}, or 1 on the first {loose} axes; found {list(array.shape)}.")

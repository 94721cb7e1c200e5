# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one attention call of the package, and the choice of the implementation behind it."""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

from jaxtyping import Array, Float

from zoo.errors import ConfigError, InputError
from zoo.kernels import platform
from zoo.kernels.attention import cudnn, dispatch, pallas_gpu, pallas_tpu, reference, xla
from zoo.kernels.attention.mask import AttentionMask
from zoo.kernels.attention.relative import Relative

DropoutBits = Literal["fastest", "portable"]


Attend = Callable[..., Array]  # `(query, key, value, *, mask, bias, dropout_rate, dropout_key, scale)`


class Lacks(Protocol):
    """Why an implementation cannot compute a call, or None if it can."""

    def __call__(self, query, key, *, mask, bias, dropout_rate) -> str | None: ...


def _nothing(query, key, *, mask, bias, dropout_rate) -> None:
    del query, key, mask, bias, dropout_rate


class Implementation(NamedTuple):
    """What a file of this folder offers.

    Attributes:
      attend: the call, with portable dropout. lacks: what stands against one.
      fastest: the same with cheaper random bits, where there are any.
      relates: whether it takes `relative` terms, and need not be given them as a bias.
    """

    attend: Attend
    lacks: Lacks = _nothing
    fastest: Attend | None = None
    relates: bool = False


IMPLEMENTATIONS: dict[str, Implementation] = {
    "reference": Implementation(reference.attention),
    "xla": Implementation(xla.attention),
    "pallas_tpu": Implementation(
        pallas_tpu.attention,
        pallas_tpu.lacks,
        functools.partial(pallas_tpu.attention, generator="hardware"),
        relates=True,
    ),
    "pallas_gpu": Implementation(pallas_gpu.attention, pallas_gpu.lacks),
    "cudnn": Implementation(cudnn.attention, cudnn.lacks),
}


def attention(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B S K H"],
    value: Float[Array, "B S K H"],
    *,
    mask: AttentionMask,
    bias: Float[Array, "#B #N T S"] | None = None,
    relative: Relative | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Array | None = None,
    dropout_bits: DropoutBits = "portable",
    scale: float | None = None,
    implementation: str | None = None,
) -> Float[Array, "B T N H"]:
    """Softmax attention; a query that may see nothing gets zeros.

    Args:
      key, value: of as many heads as `query`, or of K that N/K heads of it share (arXiv:2305.13245).
      mask: what each query may see.
      bias: added to the scaled scores. relative: XLNet's terms, added before they are scaled; not with a bias.
      dropout_rate: chance that a weight is dropped.
      dropout_bits: `portable` drops, for a `dropout_key`, the same weights in every implementation and on every mesh;
        `fastest` takes the device's own generator where the implementation has one.
      scale: factor on the scores; None is `1/sqrt(H)`.
      implementation: a key of `IMPLEMENTATIONS`, or None for a choice by platform, shape and features
        (`zoo.kernels.attention.dispatch`).

    Raises:
      ConfigError: for an unknown implementation.
      InputError: shapes that disagree, a mask of another kind, a dropout rate without a key, an implementation asked
        for by name that cannot compute this call here.
    """
    if implementation is not None and implementation not in IMPLEMENTATIONS:
        raise ConfigError(
            f"No attention implementation {implementation!r}; choose one of {', '.join(sorted(IMPLEMENTATIONS))}."
        )
    _check_shapes(query, key, value)
    _check_mask(mask, query, key)
    if bias is not None:
        _check_broadcasts("bias", bias, (query.shape[0], query.shape[2], query.shape[1], key.shape[1]))
    if relative is not None:
        _check_relative(relative, bias, query, key)
    if not 0.0 <= dropout_rate < 1.0:
        raise InputError(f"dropout_rate must be at least 0 and below 1; found {dropout_rate!r}.")
    if dropout_rate > 0.0 and dropout_key is None:
        raise InputError(f"dropout_rate {dropout_rate} needs a dropout_key; pass jax.random.key(...), or the rate 0.")

    factor = query.shape[-1] ** -0.5 if scale is None else scale

    def lacks(name: str) -> str | None:
        plane = bias if relative is None else relative  # either takes room for every query and key
        return IMPLEMENTATIONS[name].lacks(query, key, mask=mask, bias=plane, dropout_rate=dropout_rate)

    if implementation is None:
        call = dispatch.Call(query.shape[1], key.shape[1], dropout_rate)
        implementation = dispatch.choose(call, platform.platform(), lacks)
    elif reason := lacks(implementation):
        able = ", ".join(name for name in IMPLEMENTATIONS if lacks(name) is None)
        raise InputError(
            f"attention cannot run as {implementation!r} here. {reason} These can: {able}; None chooses one of them."
        )
    chosen = IMPLEMENTATIONS[implementation]
    attend = chosen.fastest if dropout_bits == "fastest" and chosen.fastest else chosen.attend
    if relative is not None and chosen.relates:
        attend = functools.partial(attend, relative=relative)
    elif relative is not None:
        bias = relative.bias(key.shape[1]) * factor
    return attend(
        query,
        key,
        value,
        mask=mask,
        bias=bias,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        scale=factor,
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


def _check_relative(relative: Any, bias: Any, query: Any, key: Any) -> None:
    if bias is not None:
        raise InputError("attention takes a bias or relative terms, not both; add `relative.bias(length) * scale`.")
    (rows, queries, heads, width), keys = query.shape, key.shape[1]
    wanted = {
        "query": (relative.query, query.shape),
        "distances": (relative.distances, (relative.distances.shape[0], heads, width)),
        "kinds": (relative.kinds, (rows, queries, heads, 2)),
        "differs": (relative.differs, (rows, queries, keys)),
    }
    for name, (array, shape) in wanted.items():
        if array is not None and tuple(array.shape) != tuple(shape):
            raise InputError(f"relative.{name} must be {list(shape)}; found {list(array.shape)}.")
    if (relative.kinds is None) != (relative.differs is None):
        raise InputError("relative must have kinds and differs, or neither.")


def _check_broadcasts(name: str, array: Any, shape: tuple[int, ...]) -> None:
    """All axes but the last two may also be 1."""
    loose = len(shape) - 2
    fits = array.ndim == len(shape) and tuple(array.shape[loose:]) == shape[loose:]
    if not fits or any(found not in (1, size) for found, size in zip(array.shape[:loose], shape, strict=False)):
        raise InputError(f"{name} must be {list(shape)}, or 1 on the first {loose} axes; found {list(array.shape)}.")

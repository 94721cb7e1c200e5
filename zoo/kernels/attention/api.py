# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one attention call of the package, and the choice of the implementation behind it."""

import functools
from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.errors import ConfigError, InputError
from zoo.kernels import platform
from zoo.kernels.attention import check, cudnn, dispatch, pallas_gpu, pallas_tpu, reference, xla
from zoo.kernels.attention.mask import AttentionMask
from zoo.kernels.attention.relative import Relative
from zoo.kernels.names import DropoutBits

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
      bias: added to the scaled scores; -inf hides a key as the mask does.
      relative: XLNet's terms, added before the scores are scaled; not with a bias.
      dropout_rate: chance that a weight is dropped.
      dropout_bits: `portable` drops, for a `dropout_key`, the same weights in every implementation and on every mesh;
        `fastest` takes the device's own generator where the implementation has one.
      scale: factor on the scores, a number and no array; None is `1/sqrt(H)`.
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
    check.check_arrays(query, key, value)
    check.check_mask(mask, query, key)
    check.check_terms(bias, relative, query, key)
    check.check_dropout(dropout_rate, dropout_key, dropout_bits)
    if scale is not None:
        check.check_number("scale", scale)
    if 0 in (*query.shape, *key.shape):
        return jnp.zeros_like(query)  # nothing to attend to, or nobody to do it

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

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one attention call of the package, and the choice of its implementation."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.errors import ConfigError, InputError
from zoo.kernels import platform
from zoo.kernels.attention import check, cudnn, dispatch, pallas_gpu, pallas_tpu, reference, xla
from zoo.kernels.attention.call import Call
from zoo.kernels.attention.mask import AttentionMask
from zoo.kernels.attention.relative import Relative
from zoo.kernels.names import DropoutBits, Implementation

Attend = Callable[[Call], Array]
Lacks = Callable[[Call], str | None]  # why an implementation cannot compute a call, or None if it can


def _nothing(call: Call) -> None:
    del call


class Kernel(NamedTuple):
    """An implementation of attention.

    Attributes:
      attend: the call, with portable dropout. lacks: why it cannot compute a call.
      fastest: the same with cheaper random bits, where there are any.
      relates: whether it takes `relative` terms, and need not be given them as a bias.
    """

    attend: Attend
    lacks: Lacks = _nothing
    fastest: Attend | None = None
    relates: bool = False


IMPLEMENTATIONS: dict[Implementation, Kernel] = {
    "reference": Kernel(reference.attention),
    "xla": Kernel(xla.attention),
    "pallas_tpu": Kernel(
        pallas_tpu.attention,
        pallas_tpu.lacks,
        functools.partial(pallas_tpu.attention, generator="hardware"),
        relates=True,
    ),
    "pallas_gpu": Kernel(pallas_gpu.attention, pallas_gpu.lacks),
    "cudnn": Kernel(cudnn.attention, cudnn.lacks),
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
    implementation: Implementation | None = None,
) -> Float[Array, "B T N H"]:
    """Softmax attention; a query that attends to nothing gets zeros.

    Args:
      key, value: of as many heads as `query`, or of K that N/K heads of it share (arXiv:2305.13245).
      mask: which keys each query attends to.
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
      InputError: shapes that disagree, a mask of another kind, a dropout rate without a key, an implementation
        requested explicitly that cannot compute this call here.
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

    call = Call(
        query,
        key,
        value,
        mask=mask,
        scale=query.shape[-1] ** -0.5 if scale is None else scale,
        bias=bias,
        relative=relative,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
    )
    kernel = IMPLEMENTATIONS[_chosen(call, implementation)]
    if relative is not None and not kernel.relates:
        call = dataclasses.replace(call, bias=relative.bias(key.shape[1]) * call.scale, relative=None)
    return (kernel.fastest if dropout_bits == "fastest" and kernel.fastest else kernel.attend)(call)


def _chosen(call: Call, implementation: Implementation | None) -> Implementation:
    """The implementation that was requested, or else the one of the table; InputError if it cannot compute the call."""

    def lacks(name: Implementation) -> str | None:
        return IMPLEMENTATIONS[name].lacks(call)

    if implementation is None:
        workload = dispatch.Workload(call.query.shape[1], call.key.shape[1], call.dropout_rate)
        return dispatch.choose(workload, platform.platform(), lacks)
    if reason := lacks(implementation):
        able = ", ".join(name for name in IMPLEMENTATIONS if lacks(name) is None)
        raise InputError(
            f"attention cannot run as {implementation!r} here. {reason} These can: {able}; None chooses one of them."
        )
    return implementation

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


class Backend(NamedTuple):
    """An implementation of attention.

    Attributes:
      attend: runs a call, with portable dropout. lacks: why it cannot compute a call.
      fastest: the same with cheaper random bits, if it has any.
      takes_relative: whether it takes `relative` terms; the others are given them as a bias.
    """

    attend: Attend
    lacks: Lacks = _nothing
    fastest: Attend | None = None
    takes_relative: bool = False


IMPLEMENTATIONS: dict[Implementation, Backend] = {
    "reference": Backend(reference.attention),
    "xla": Backend(xla.attention),
    "pallas_tpu": Backend(
        pallas_tpu.attention,
        pallas_tpu.lacks,
        functools.partial(pallas_tpu.attention, generator="hardware"),
        takes_relative=True,
    ),
    "pallas_gpu": Backend(pallas_gpu.attention, pallas_gpu.lacks),
    "cudnn": Backend(cudnn.attention, cudnn.lacks),
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
      key, value: with as many heads as `query`, or with K heads, each shared by N/K query heads (arXiv:2305.13245).
      mask: which keys each query attends to.
      bias: added to the scaled scores; -inf hides a key as the mask does.
      relative: XLNet's terms, added before the scores are scaled; not together with a bias.
      dropout_rate: probability that a weight is dropped.
      dropout_bits: `portable` drops, for a `dropout_key`, the same weights in every implementation and on every mesh;
        `fastest` uses the device's hardware generator where the implementation can.
      scale: factor on the scores, a Python number; None is `1/sqrt(H)`.
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
        return jnp.zeros_like(query)  # no keys to attend to, or no queries

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
    if relative is not None and not kernel.takes_relative:
        call = dataclasses.replace(call, bias=relative.bias(key.shape[1]) * call.scale, relative=None)
    return (kernel.fastest if dropout_bits == "fastest" and kernel.fastest else kernel.attend)(call)


def _chosen(call: Call, implementation: Implementation | None) -> Implementation:
    """The requested implementation, or else the table's; InputError if it cannot compute the call."""

    def lacks(name: Implementation) -> str | None:
        return IMPLEMENTATIONS[name].lacks(call)

    if implementation is None:
        workload = dispatch.Workload(call.query.shape[1], call.key.shape[1], call.dropout_rate)
        return dispatch.choose(workload, platform.platform(), lacks)
    if reason := lacks(implementation):
        able = ", ".join(name for name in IMPLEMENTATIONS if lacks(name) is None)
        raise InputError(
            f"attention cannot run as {implementation!r} here. {reason} Use {able}, or None for the default."
        )
    return implementation

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Floating-point operations of a model: those of its matrix products, counted in the program itself.

The program is traced, not run, and its products are added up, those of a scanned layer as often as it runs. So heads
that read a few positions, shared layers, two streams, decoders and pairs of networks need no formulas of their own. By
the usual convention (arXiv:2204.02311, appendix B) a mask saves nothing, and a backward pass takes twice the forward
one, whatever is recomputed.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.sharding import AbstractDevice, AbstractMesh

from zoo.errors import InputError
from zoo.models import registry
from zoo.nn.config import TransformerConfig

TRAINING = 3  # passes in units of the forward one
_CPU = AbstractDevice(device_kind="cpu", num_cores=1, platform="cpu")


def count(function: Callable[..., Any], *args: Any) -> int:
    """Operations of `function(*args)`, a multiplication and an addition being two; arguments may be shapes.

    It is traced for one CPU, where no kernel hides operations.

    Raises:
      InputError: a kernel or a loop of unknown length with products inside.
    """
    with jax.sharding.use_abstract_mesh(AbstractMesh((), (), abstract_device=_CPU)):
        return _count(jax.make_jaxpr(function)(*args).jaxpr)


def forward(
    config: TransformerConfig, *, head: str | None, batch: int, length: int, predictions: int | None = None
) -> int:
    """Operations of one call of a model.

    Args:
      length: tokens of a sequence, and of the target of an encoder-decoder. predictions: positions that the LM head
        reads, where it does not read all; in XLNet, those of the query stream.
    """
    config = plain(config)
    graphdef, params = nnx.split(registry.family_of(config).abstract(config, head=head))
    tokens = jax.ShapeDtypeStruct((batch, 1, length) if head == "multiple_choice" else (batch, length), jnp.int32)
    given: dict[str, Any] = {"tokens": tokens}
    if predictions is not None and head == "permutation_lm":
        given["target_positions"] = jax.ShapeDtypeStruct((batch, predictions), jnp.int32)
    elif predictions is not None:
        given["logits_at"] = jax.ShapeDtypeStruct((batch, predictions), jnp.int32)
    return count(lambda params, given: nnx.merge(graphdef, params)(**given).hidden, params, given)


def plain(config: TransformerConfig) -> TransformerConfig:
    """The config without a kernel that hides its operations."""
    return config.replace(attention_kernel=None)


def _count(jaxpr: Jaxpr) -> int:
    return sum(_of(equation) for equation in jaxpr.eqns)


def _of(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in contracted)
    inner = [_count(jaxpr) for jaxpr in _jaxprs(params)]
    if name == "cond":
        return max(inner)
    if name == "scan":
        return params["length"] * sum(inner)
    if name in ("while", "pallas_call") and any(inner):
        raise InputError(f"The products in a {name} cannot be counted; it runs an unknown number of times.")
    if name == "shard_map":
        return params["mesh"].size * sum(inner)
    return sum(inner)


def _jaxprs(params: dict[str, Any]) -> Iterator[Jaxpr]:
    for value in params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, ClosedJaxpr):
                yield part.jaxpr
            elif isinstance(part, Jaxpr):
                yield part

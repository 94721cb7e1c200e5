# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one cross entropy of the package, and the choice of its implementation."""

import dataclasses
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from zoo.errors import ConfigError, InputError
from zoo.kernels import platform
from zoo.kernels.softmax_xent import blocked, pallas_tpu, plain


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Xent:
    """The result at each position.

    Attributes:
      loss: nats, smoothed and with the z-loss. predicted: the most likely id, the lowest of several; without gradient.
      nll: the negative log-likelihood alone, in nats; without gradient.
    """

    loss: Float[Array, "B M"]
    predicted: Int[Array, "B M"]
    nll: Float[Array, "B M"]


class Run(Protocol):
    """Losses, predicted ids and negative log-likelihoods."""

    def __call__(self, x, table, targets, *, bias, label_smoothing, z_loss) -> tuple[Array, Array, Array]: ...


def _nothing(x: Any, table: Any) -> None:
    del x, table


class Lacks(Protocol):
    """Why an implementation cannot compute a call, or None if it can."""

    def __call__(self, x, table) -> str | None: ...


class Backend(NamedTuple):
    """One implementation."""

    run: Run
    lacks: Lacks = _nothing


IMPLEMENTATIONS: dict[str, Backend] = {
    "plain": Backend(plain.softmax_xent),
    "blocked": Backend(blocked.softmax_xent),
    "pallas_tpu": Backend(pallas_tpu.softmax_xent, pallas_tpu.lacks),
}


def softmax_xent(
    x: Float[Array, "B M D"],
    table: Float[Array, "V D"],
    targets: Int[Array, "B M"],
    *,
    bias: Float[Array, "V"] | None = None,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    implementation: str | None = None,
) -> Xent:
    """Cross entropy of `softmax(x @ table.T + bias)` with the targets, one position at a time, in float32.

    Args:
      targets: ids; one outside the table gives a loss of NaN and no gradient; leave such positions out.
      label_smoothing: fraction of the target's weight that is spread over the whole vocabulary (arXiv:1512.00567,
        section 7). z_loss: factor on the squared log of the normalizer (arXiv:2204.02311, section 5).
      implementation: a key of `IMPLEMENTATIONS`, or None for a choice by platform: `plain`, which materialises all
        logits, on a CPU, where memory is not short; elsewhere one that does not.

    Raises:
      ConfigError: for an unknown implementation.
      InputError: shapes and dtypes that disagree, or an implementation requested explicitly that cannot compute this
        call here.
    """
    if implementation is not None and implementation not in IMPLEMENTATIONS:
        raise ConfigError(
            f"No implementation {implementation!r} of the loss; choose one of {', '.join(sorted(IMPLEMENTATIONS))}."
        )
    _check(x, table, targets, bias, label_smoothing, z_loss)
    name = implementation or _choose(x, table)
    if reason := IMPLEMENTATIONS[name].lacks(x, table):
        raise InputError(
            f"The loss cannot run as {name!r} here. {reason} Use blocked or plain, or None for the default."
        )
    loss, predicted, nll = IMPLEMENTATIONS[name].run(
        x, table, targets, bias=bias, label_smoothing=label_smoothing, z_loss=z_loss
    )
    return Xent(loss=loss, predicted=predicted, nll=nll)


def _choose(x: Any, table: Any) -> str:
    """On a CPU `plain`, which is up to 1.9 times faster there; elsewhere memory is short.

    For the kernel, see `benchmarks/records/xent_static.md`.
    """
    if platform.platform() == "cpu":
        return "plain"
    return "blocked" if IMPLEMENTATIONS["pallas_tpu"].lacks(x, table) else "pallas_tpu"


def _check(x: Any, table: Any, targets: Any, bias: Any, label_smoothing: float, z_loss: float) -> None:
    """InputError for arguments that do not match."""
    if x.ndim != 3 or table.ndim != 2 or x.shape[2] != table.shape[1] or not table.shape[0]:
        raise InputError(
            f"x must be [batch, positions, width] and table [vocab, width]; found {list(x.shape)} and "
            f"{list(table.shape)}."
        )
    if targets.shape != x.shape[:2] or not jnp.issubdtype(targets.dtype, jnp.integer):
        raise InputError(f"targets must be integers {list(x.shape[:2])}; found {targets.dtype} {list(targets.shape)}.")
    if bias is not None and bias.shape != table.shape[:1]:
        raise InputError(f"bias must be {list(table.shape[:1])}; found {list(bias.shape)}.")
    if not 0.0 <= label_smoothing <= 1.0 or not z_loss >= 0.0:
        raise InputError(
            f"label_smoothing must be between 0 and 1, and z_loss at least 0; found {label_smoothing} and {z_loss}."
        )

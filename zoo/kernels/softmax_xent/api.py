# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one cross entropy of the package, and the choice of the implementation behind it."""

import dataclasses
from typing import Protocol

import jax
from jaxtyping import Array, Float, Int

from zoo.errors import ConfigError
from zoo.kernels import platform
from zoo.kernels.softmax_xent import blocked, plain


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Xent:
    """What came of each position.

    Attributes:
      loss: nats, smoothed and with the z-loss. predicted: the likeliest id, the lowest of several; has no gradient.
    """

    loss: Float[Array, "B M"]
    predicted: Int[Array, "B M"]


class Implementation(Protocol):
    """What a file of this folder offers."""

    def __call__(self, x, table, targets, *, bias, label_smoothing, z_loss) -> tuple[Array, Array]: ...


IMPLEMENTATIONS: dict[str, Implementation] = {"plain": plain.softmax_xent, "blocked": blocked.softmax_xent}


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
      targets: ids; one outside the table gives a loss of NaN, for the caller to leave out or to see.
      label_smoothing: share of the target's weight that is spread over the whole vocabulary (arXiv:1512.00567,
        section 7). z_loss: factor on the squared log of the normalizer (arXiv:2204.02311, section 5).
      implementation: `plain`, `blocked`, or None: blocked on an accelerator, where memory is short, and plain on a CPU,
        where it is the faster by up to 1.9 times.

    Raises:
      ConfigError: for an unknown implementation.
    """
    name = implementation or ("plain" if platform.platform() == "cpu" else "blocked")
    if name not in IMPLEMENTATIONS:
        raise ConfigError(
            f"No implementation {name!r} of the loss; choose one of {', '.join(sorted(IMPLEMENTATIONS))}."
        )
    loss, predicted = IMPLEMENTATIONS[name](
        x, table, targets, bias=bias, label_smoothing=label_smoothing, z_loss=z_loss
    )
    return Xent(loss=loss, predicted=predicted)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one attention call of the package, and the choice of the implementation behind it."""

from typing import Protocol

from jaxtyping import Array, Float

from zoo.errors import ConfigError
from zoo.kernels.attention import reference, xla
from zoo.kernels.attention.mask import AttentionMask


class Implementation(Protocol):
    """What a file of this folder offers."""

    def __call__(self, query, key, value, *, mask, bias, dropout_rate, dropout_key, scale) -> Array: ...


IMPLEMENTATIONS: dict[str, Implementation] = {"reference": reference.attention, "xla": xla.attention}


def attention(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B S N H"],
    value: Float[Array, "B S N H"],
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
      mask: what each query may see.
      bias: added to the scaled scores.
      dropout_rate: chance that a weight is dropped; only with a `dropout_key`.
      scale: factor on the scores; None is `1/sqrt(H)`.
      implementation: `reference`, `xla`, or None for the faster, `xla`.

    Raises:
      ConfigError: for an unknown implementation.
    """
    name = implementation or "xla"
    if name not in IMPLEMENTATIONS:
        raise ConfigError(f"No attention implementation {name!r}; choose one of {', '.join(sorted(IMPLEMENTATIONS))}.")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return IMPLEMENTATIONS[name](
        query, key, value, mask=mask, bias=bias, dropout_rate=dropout_rate, dropout_key=dropout_key, scale=scale
    )

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The compute-optimal frontier as power laws of compute, which Chinchilla's first two approaches find."""

import dataclasses
from typing import Any

import numpy as np

from zoo.scaling.fit import Allocation
from zoo.scaling.power import fit_floor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frontier:
    """Best params and tokens, each scale * C^exponent, and their loss, floor + scale * C^-exponent, of C FLOPs.

    Numbers, or float64 [R, 1] of R resamples.
    """

    params_scale: Any
    params_exponent: Any
    tokens_scale: Any
    tokens_exponent: Any
    loss_floor: Any
    loss_scale: Any
    loss_exponent: Any

    def values(self) -> dict[str, Any]:
        """The constants by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def optimal(self, flops: Any) -> Allocation:
        """The best allocation of FLOPs."""
        params = self.params_scale * flops**self.params_exponent
        tokens = self.tokens_scale * flops**self.tokens_exponent
        return Allocation(params, tokens, self.loss_floor + self.loss_scale * flops**-self.loss_exponent)


def fit_frontiers(
    flops: np.ndarray, params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, weights: np.ndarray | None = None
) -> Frontier:
    """Frontiers of R resamples, through log params, log tokens and losses [R, n] at FLOPs [n], with weights [R, n]."""
    weights = np.ones_like(params) if weights is None else weights
    x = np.log(flops)
    center = (weights @ x) / weights.sum(1)
    offset = (x - center[:, None]) * weights
    square = (offset * (x - center[:, None])).sum(1)
    found = {}
    for name, logs in (("params", params), ("tokens", tokens)):
        slope = (offset * logs).sum(1) / square
        mean = (weights * logs).sum(1) / weights.sum(1)
        found |= {f"{name}_scale": np.exp(mean - slope * center)[:, None], f"{name}_exponent": slope[:, None]}
    floors = fit_floor(flops, loss, weights)
    names = ("loss_floor", "loss_scale", "loss_exponent")
    return Frontier(**found, **{name: floors[:, [index]] for index, name in enumerate(names)})


def first(frontiers: Frontier) -> Frontier:
    """The frontier of the first resample, as numbers."""
    return Frontier(**{name: float(value[0, 0]) for name, value in frontiers.values().items()})

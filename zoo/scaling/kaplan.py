# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Kaplan's law, L = ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D (arXiv:2001.08361, equation 1.5).

N leaves embeddings out. The law has no floor: its loss goes to 0. The laws of one variable, L(N), L(D) and L(C), are
power laws (`zoo.scaling.power`). `optimal` is not the paper's own best size, which grows with C^0.73: that one counts
steps at the critical batch size, of runs that shared one learning rate schedule (arXiv:2203.15556, section 2).
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from zoo.scaling.fit import Allocation, Law
from zoo.scaling.parametric import need_axes
from zoo.scaling.runs import FLOPS_PER_TOKEN, Runs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kaplan(Law):
    """L = ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D of N parameters and D tokens."""

    title: ClassVar[str] = "Kaplan's law"

    N_c: Any
    D_c: Any
    alpha_N: Any
    alpha_D: Any

    def loss(self, params: Any, tokens: Any) -> Any:
        """The loss in nats a token."""
        return ((self.N_c / params) ** (self.alpha_N / self.alpha_D) + self.D_c / tokens) ** self.alpha_D

    def optimal(self, flops: Any) -> Allocation:
        """See `Law.optimal`; where the derivative of the loss by N is 0 with D = C / 6N."""
        ratio = self.alpha_N / self.alpha_D
        params = (ratio * self.N_c**ratio * flops / (FLOPS_PER_TOKEN * self.D_c)) ** (1 / (1 + ratio))
        tokens = flops / FLOPS_PER_TOKEN / params
        return Allocation(params, tokens, self.loss(params, tokens))

    @property
    def exponent(self) -> Any:
        """With which the best size grows with compute."""
        return self.alpha_D / (self.alpha_N + self.alpha_D)

    @classmethod
    def log_loss(cls, logs: np.ndarray, runs: Runs) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """See `Law.log_loss`."""
        scale_params, scale_tokens, log_alpha_params, log_alpha_tokens = (logs[:, [index]] for index in range(4))
        alpha_params, alpha_tokens = np.exp(log_alpha_params), np.exp(log_alpha_tokens)
        by_params = alpha_params / alpha_tokens * (scale_params - np.log(runs.params))
        by_tokens = scale_tokens - np.log(runs.tokens)
        total = np.logaddexp(by_params, by_tokens)
        of_params = np.exp(by_params - total)
        by_alpha = alpha_tokens * of_params * by_params
        return alpha_tokens * total, (
            alpha_params * of_params,
            alpha_tokens * (1 - of_params),
            by_alpha,
            alpha_tokens * total - by_alpha,
        )

    @classmethod
    def starts(cls, runs: Runs) -> np.ndarray:
        """Exponents and shares of the two terms; the scales are those that meet the mean loss at the mean run."""
        params, tokens, loss = (np.exp(np.log(values).mean()) for values in (runs.params, runs.tokens, runs.loss))
        grid = itertools.product(
            (0.03, 0.06, 0.12, 0.25, 0.5), (0.03, 0.06, 0.12, 0.25, 0.5), (0.1, 0.3, 0.5, 0.7, 0.9)
        )
        alpha_params, alpha_tokens, part = np.array([*grid]).T
        total = loss ** (1 / alpha_tokens)
        scales = params * (part * total) ** (alpha_tokens / alpha_params), tokens * (1 - part) * total
        return np.stack([*scales, alpha_params, alpha_tokens], axis=-1)

    @classmethod
    def check(cls, runs: Runs, fixed: Mapping[str, float]) -> None:
        """See `Law.check`."""
        need_axes(cls, runs, 2)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Chinchilla's law, L = E + A / N^alpha + B / D^beta: its third approach (arXiv:2203.15556, section 3.3).

Besiroglu et al. (arXiv:2404.10102) fitted the published points again, without the five highest losses
(`Runs.drop_highest`), and found other constants than the paper prints: its optimizer had stopped early.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from zoo.errors import InputError
from zoo.scaling.fit import Allocation, Law
from zoo.scaling.runs import FLOPS_PER_TOKEN, Runs, need_distinct

_COLLINEAR = 1 - 1e-6  # correlation of log params and log tokens above which they are one variable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chinchilla(Law):
    """L = E + A / N^alpha + B / D^beta of N parameters and D tokens."""

    title: ClassVar[str] = "Chinchilla's law"

    E: Any
    A: Any
    B: Any
    alpha: Any
    beta: Any

    def loss(self, params: Any, tokens: Any) -> Any:
        """The loss in nats a token."""
        return self.E + self.A * params**-self.alpha + self.B * tokens**-self.beta

    def optimal(self, flops: Any) -> Allocation:
        """See `Law.optimal`; the paper's equation 4."""
        total = self.alpha + self.beta
        params = self.balance * (flops / FLOPS_PER_TOKEN) ** (self.beta / total)
        tokens = flops / FLOPS_PER_TOKEN / params
        return Allocation(params, tokens, self.loss(params, tokens))

    @property
    def balance(self) -> Any:
        """The paper's G: where N = G (C / 6)^a."""
        return (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))

    @property
    def exponent(self) -> Any:
        """The paper's a, with which the best size grows with compute; the best tokens grow with 1 - a."""
        return self.beta / (self.alpha + self.beta)

    @classmethod
    def log_loss(cls, logs: np.ndarray, runs: Runs) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """See `Law.log_loss`."""
        floor, a, b, log_alpha, log_beta = (logs[:, [index]] for index in range(5))
        by_params = -np.exp(log_alpha) * np.log(runs.params)
        by_tokens = -np.exp(log_beta) * np.log(runs.tokens)
        terms = np.exp(floor), np.exp(a + by_params), np.exp(b + by_tokens)
        total = terms[0] + terms[1] + terms[2]
        of_floor, of_params, of_tokens = (term / total for term in terms)
        return np.log(total), (of_floor, of_params, of_tokens, by_params * of_params, by_tokens * of_tokens)

    @classmethod
    def starts(cls, runs: Runs) -> np.ndarray:
        """Floors, exponents and shares of the rest; the scales are those that meet the mean loss at the mean run."""
        means = [np.exp(np.log(values).mean()) for values in (runs.params, runs.tokens, runs.loss)]
        grid = itertools.product((0.2, 0.5, 0.8), (0.1, 0.3, 0.6, 1.0), (0.1, 0.3, 0.6, 1.0), (0.1, 0.3, 0.5, 0.7, 0.9))
        share, alpha, beta, part = np.array([*grid]).T
        floor = share * runs.loss.min()
        rest = means[2] - floor
        return np.stack(
            [floor, part * rest * means[0] ** alpha, (1 - part) * rest * means[1] ** beta, alpha, beta], axis=-1
        )

    @classmethod
    def check(cls, runs: Runs, fixed: Mapping[str, float]) -> None:
        """See `Law.check`."""
        need_axes(cls, runs, 3)


def need_axes(law: type[Law], runs: Runs, count: int) -> None:
    """InputError unless sizes and tokens have so many values each, and vary apart from each other."""
    need_distinct(runs.params, "params", law.title, count)
    need_distinct(runs.tokens, "tokens", law.title, count)
    if abs(np.corrcoef(np.log(runs.params), np.log(runs.tokens))[0, 1]) > _COLLINEAR:
        raise InputError(
            f"{law.title} needs runs of the same size with different tokens; found tokens that are one power law of "
            "params in all runs, which leaves it undetermined which of the two lowers the loss."
        )

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The law of repeated data (Muennighoff et al. 2023, arXiv:2305.16264, section 3).

Chinchilla's law of effective sizes: with U unique tokens seen in D / U epochs, the D / U - 1 repetitions are worth less
and less, D' = U + U R_D (1 - exp(-(D / U - 1) / R_D)). Parameters beyond those that are best for U unique tokens lose
worth in the same way, with R_N, also in a single epoch.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from zoo.errors import InputError
from zoo.scaling.fit import Allocation, Law
from zoo.scaling.parametric import Chinchilla
from zoo.scaling.runs import FLOPS_PER_TOKEN, Runs

_GRID, _ZOOMS = 65, 12  # sizes that are compared at once; each zoom narrows their range 32 times
_RANGE = 1e4  # how far the best size with repeated data is searched on either side of Chinchilla's


class Epoch(NamedTuple):
    """What one more epoch is worth: by how much it lowers the loss, and how many fresh tokens would do the same, as a
    share of the data's."""

    gain: Any
    fresh: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repetition(Law):
    """Chinchilla's law of effective tokens and params: R_D and R_N are the repetitions in which these lose worth."""

    title: ClassVar[str] = "the law of repeated data"

    E: Any
    A: Any
    B: Any
    alpha: Any
    beta: Any
    R_D: Any
    R_N: Any

    @property
    def base(self) -> Chinchilla:
        """The law of data that is not repeated and of sizes that are not in excess."""
        return Chinchilla(E=self.E, A=self.A, B=self.B, alpha=self.alpha, beta=self.beta)

    def loss(self, params: Any, tokens: Any, unique_tokens: Any) -> Any:
        """The loss after `tokens`, of which `unique_tokens` differ, or all where that is more."""
        unique = np.minimum(unique_tokens, tokens)
        return self.base.loss(self.effective_params(params, unique), self.effective_tokens(tokens, unique))

    def effective_tokens(self, tokens: Any, unique_tokens: Any) -> Any:
        """D': how many fresh tokens would do the same."""
        return _saturate(tokens, np.minimum(unique_tokens, tokens), self.R_D)

    def effective_params(self, params: Any, unique_tokens: Any) -> Any:
        """N': how many parameters would do the same if there were data for them."""
        best = self.base.balance ** (1 + self.beta / self.alpha) * unique_tokens ** (self.beta / self.alpha)
        return _saturate(params, np.minimum(params, best), self.R_N)

    def one_more_epoch(self, params: Any, unique_tokens: Any, epochs: Any) -> Epoch:
        """What it is worth to train for one epoch more than `epochs`, of 1 or more, on the same data."""
        before, after = (unique_tokens * number for number in (epochs, epochs + 1))
        gain = self.loss(params, before, unique_tokens) - self.loss(params, after, unique_tokens)
        fresh = self.effective_tokens(after, unique_tokens) - self.effective_tokens(before, unique_tokens)
        return Epoch(gain, fresh / unique_tokens)

    def optimal(self, flops: Any, *, unique_tokens: Any) -> Allocation:
        """See `Law.optimal`; by search, around the best allocation of data without end.

        Args:
          unique_tokens: how many there are.
        """
        center = np.log(self.base.optimal(flops).params)[..., None]
        half, offsets = np.log(_RANGE), np.linspace(-1, 1, _GRID)
        budget, unique = np.asarray(flops)[..., None] / FLOPS_PER_TOKEN, np.asarray(unique_tokens)[..., None]
        lifted = type(self)(**{name: np.asarray(getattr(self, name))[..., None] for name in self.constants()})
        for _ in range(_ZOOMS):
            sizes = np.exp(center + half * offsets)
            best = np.argmin(lifted.loss(sizes, budget / sizes, unique), axis=-1)[..., None]
            center = np.log(np.take_along_axis(sizes, best, axis=-1))
            half /= _GRID // 2
        params = np.exp(center[..., 0])
        tokens = flops / FLOPS_PER_TOKEN / params
        return Allocation(params, tokens, self.loss(params, tokens, unique_tokens))

    @classmethod
    def log_loss(cls, logs: np.ndarray, runs: Runs) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """See `Law.log_loss`."""
        floor, a, b, log_alpha, log_beta, log_tokens_worth, log_params_worth = (logs[:, [index]] for index in range(7))
        alpha, beta = np.exp(log_alpha), np.exp(log_beta)
        total = alpha + beta
        params, unique = np.log(runs.params), np.log(runs.unique_tokens)

        # The best size for the unique tokens, and its derivatives.
        balance = (log_alpha + a - log_beta - b) / total
        reach = unique + balance
        size = beta / alpha * reach + balance
        in_excess = size < params
        by_balance, by_ratio = total / alpha, beta / alpha * reach
        size_slopes = (  # by a, b, log alpha, log beta
            by_balance / total,
            -by_balance / total,
            by_balance * (1 - balance * alpha) / total - by_ratio,
            by_balance * (-1 - balance * beta) / total + by_ratio,
        )

        size = np.minimum(size, params)
        params_gain, params_by_worth, left = _log_gain(np.expm1(params - size), np.exp(log_params_worth))
        tokens_gain, tokens_by_worth, _ = _log_gain(runs.tokens / runs.unique_tokens - 1, np.exp(log_tokens_worth))
        by_size = np.where(in_excess, 1 - np.exp(params - size - params_gain) * left, 0.0)

        by_params, by_tokens = -alpha * (size + params_gain), -beta * (unique + tokens_gain)
        terms = np.exp(floor), np.exp(a + by_params), np.exp(b + by_tokens)
        loss = terms[0] + terms[1] + terms[2]
        of_floor, of_params, of_tokens = (term / loss for term in terms)
        pull = -alpha * of_params * by_size
        return np.log(loss), (
            of_floor,
            of_params + pull * size_slopes[0],
            of_tokens + pull * size_slopes[1],
            by_params * of_params + pull * size_slopes[2],
            by_tokens * of_tokens + pull * size_slopes[3],
            -beta * of_tokens * tokens_by_worth,
            -alpha * of_params * params_by_worth,
        )

    @classmethod
    def starts(cls, runs: Runs) -> np.ndarray:
        """Chinchilla's starts, with a few values of R_D and R_N each."""
        base = Chinchilla.starts(runs)
        worth = np.array([(data, size) for data in (3.0, 30.0) for size in (3.0, 30.0)])
        return np.concatenate([np.repeat(base, len(worth), axis=0), np.tile(worth, (len(base), 1))], axis=1)

    @classmethod
    def advice(cls, constant: str) -> str:
        """See `Law.advice`; the paper's values on C4."""
        known = {"R_D": 15.39, "R_N": 5.31}
        return f" ({known[constant]} on C4 in arXiv:2305.16264)" if constant in known else ""

    @classmethod
    def check(cls, runs: Runs, fixed: Mapping[str, float]) -> None:
        """See `Law.check`; whether a size is in excess depends on the constants, and is seen after the fit."""
        if not set(Chinchilla.constants()) <= set(fixed):
            Chinchilla.check(runs, {})
        repeated = runs.tokens > runs.unique_tokens * (1 + 1e-6)
        if "R_D" not in fixed and not repeated.any():
            raise InputError(
                f"{cls.title} needs runs of more than one epoch; found {len(runs)} runs whose tokens are all unique, "
                f"which leave R_D undetermined. Give Runs.unique_tokens, add runs, or give R_D by `fixed`"
                f"{cls.advice('R_D')}."
            )


def _saturate(amount: Any, base: Any, worth: Any) -> Any:
    """`base`, and what is beyond it at a worth that decays."""
    return base - base * worth * np.expm1(-(amount / base - 1) / worth)


def _log_gain(repetitions: np.ndarray, worth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log of 1 + worth * (1 - left), its derivative by log worth, and left = exp(-repetitions / worth)."""
    rate = repetitions / worth
    left = np.exp(-rate)
    gain = 1 + worth * (1 - left)
    return np.log(gain), worth * (1 - left - rate * left) / gain, left

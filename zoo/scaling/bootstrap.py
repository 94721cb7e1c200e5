# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Intervals by the bootstrap: of constants, of predictions, and of whatever else is a function of a fitted law."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from zoo.errors import ConfigError

LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate, and the ends of its interval; numbers, or arrays of one shape."""

    value: Any
    low: Any
    high: Any


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Bootstrap:
    """A fitted law, and the laws of R resamples.

    Intervals are between percentiles. These are further out than the level's own, for what resamples of few points
    lack: they are those of the t distribution, times sqrt(n / (n - P)) (Hesterberg 2015, arXiv:1411.5279, the "expanded
    percentile interval", for P constants in place of one).

    Attributes:
      law: the estimate. laws: the same class, with constants [R, 1].
      points: n, how many were drawn. free: P, how many numbers were fitted to them.
      residuals: measured minus predicted log loss, [n], of a law that predicts the loss of a run; else None.
      converged: share of the resamples that gave a law.
    """

    law: Any
    laws: Any
    points: int
    free: int
    residuals: np.ndarray | None = None
    converged: float = 1.0

    def constants(self, level: float = LEVEL) -> dict[str, Interval]:
        """The interval of each constant."""
        samples = self.laws.values()
        return {name: self._between(value, samples[name], level) for name, value in self.law.values().items()}

    def of(self, question: Callable[[Any], Any], level: float = LEVEL) -> Interval:
        """The interval of anything that is calculated from a law, such as `lambda law: law.loss(1e9, 2e10)`.

        Args:
          question: of the law it gives numbers [n], and of the laws [R, n]; one number has [R, 1].
        """
        return self._between(question(self.law), np.asarray(question(self.laws)), level)

    def loss(self, *where: Any, level: float = LEVEL, of: Literal["law", "run"] = "law") -> Interval:
        """The predicted loss where `law.loss` is asked, such as at (params, tokens).

        Args:
          of: "law" is the interval of the curve, "run" that in which a new run falls, whose residual is one of those
            that were met.
        """
        value, losses = self.law.loss(*where), np.asarray(self.laws.loss(*where))
        if of == "run":
            if self.residuals is None:
                raise ConfigError('of="run" needs a law that was fitted to the losses of runs; use of="law".')
            losses = losses * np.exp(np.random.default_rng(0).choice(self.residuals, size=losses.shape))
        return self._between(value, losses, level)

    def optimal(self, flops: Any, level: float = LEVEL, **options: Any) -> Any:
        """The best allocation of training FLOPs, with an interval for each of its numbers."""
        best, others = self.law.optimal(flops, **options), self.laws.optimal(flops, **options)
        intervals = (self._between(one, np.asarray(many), level) for one, many in zip(best, others, strict=True))
        return type(best)(*intervals)

    def _between(self, value: Any, samples: np.ndarray, level: float) -> Interval:
        if not 0 < level < 1:
            raise ConfigError(f"level must be above 0 and below 1, such as {LEVEL}; found {level!r}.")
        freedom = max(self.points - self.free, 1)
        far = stats.norm.cdf(np.sqrt(self.points / freedom) * stats.t.ppf((1 + level) / 2, freedom))
        low, high = np.quantile(samples, (1 - far, far), axis=0)
        if np.ndim(value) == 0:
            return Interval(float(value), float(np.squeeze(low)), float(np.squeeze(high)))
        return Interval(np.asarray(value), low, high)


def resample(points: int, resamples: int, seed: int) -> np.ndarray:
    """How often each point is in each resample with replacement, float64 [R, n]."""
    if resamples < 2:
        raise ConfigError(f"resamples must be 2 or more, such as 1000; found {resamples}.")
    generator = np.random.default_rng(seed)
    return generator.multinomial(points, np.full(points, 1 / points), size=resamples).astype(np.float64)

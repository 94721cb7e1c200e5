# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Intervals by the bootstrap: of constants, of predictions, and of whatever else is a function of a fitted law."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from zoo.errors import ConfigError, InputError

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
    lack: they are those of the t distribution (Hesterberg 2015, arXiv:1411.5279, the "expanded percentile interval"),
    and the distance is stretched where the spread of the resamples is too small.

    Attributes:
      law: the estimate. laws: the same class, with constants [R, 1].
      freedom: points less fitted numbers.
      stretch: of the percentiles; sqrt(n / (n - P)) where P numbers are fitted again to n points that are drawn with
        replacement, and 1 where residuals are drawn that have been scaled so.
      residuals: measured minus predicted log loss, [n], of a law that predicts the loss of a run; else None.
      converged: share of the resamples that gave a law.
    """

    law: Any
    laws: Any
    freedom: int
    stretch: float = 1.0
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
        far = stats.norm.cdf(self.stretch * stats.t.ppf((1 + level) / 2, self.freedom))
        low, high = np.quantile(samples, (1 - far, far), axis=0)
        if np.ndim(value) == 0:
            return Interval(float(value), float(np.squeeze(low)), float(np.squeeze(high)))
        return Interval(np.asarray(value), low, high)


def stretch(points: int, fitted: int) -> float:
    """By how much residuals of as many points are too small after so many numbers were fitted."""
    return float(np.sqrt(points / (points - fitted)))


def draw_residuals(residuals: np.ndarray, fitted: int, resamples: int, seed: int) -> np.ndarray:
    """Residuals [R, n] drawn with replacement from those [n] of a fit of so many numbers, and scaled for these.

    Raises:
      ConfigError: fewer than two resamples. InputError: as many numbers as points, which leave no residuals.
    """
    _check(resamples)
    if len(residuals) <= fitted:
        raise InputError(
            f"An interval needs more points than the {fitted} numbers that are fitted; found {len(residuals)}. Add "
            "runs, such as a fourth size at a budget."
        )
    drawn = np.random.default_rng(seed).choice(residuals, size=(resamples, len(residuals)))
    return drawn * stretch(len(residuals), fitted)


def resample(points: int, resamples: int, seed: int) -> np.ndarray:
    """How often each point is in each resample with replacement, float64 [R, n]."""
    _check(resamples)
    generator = np.random.default_rng(seed)
    return generator.multinomial(points, np.full(points, 1 / points), size=resamples).astype(np.float64)


def _check(resamples: int) -> None:
    if resamples < 2:
        raise ConfigError(f"resamples must be 2 or more, such as 1000; found {resamples}.")

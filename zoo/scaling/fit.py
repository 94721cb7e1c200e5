# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fitting a law of the loss to runs: Huber's loss on log losses, from a grid of starts (arXiv:2203.15556, section 3.3).

All constants of a law are above 0 and are fitted as their logarithms. Starts and resamples are batches of BFGS
(`zoo.scaling.minimise`), where Hoffmann et al. run L-BFGS start by start: the optimum is the same.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from zoo.errors import ConfigError, InputError
from zoo.scaling.bootstrap import Bootstrap, resample, stretch
from zoo.scaling.minimise import Minima, minimise
from zoo.scaling.runs import Runs, need_points

HUBER_DELTA = 1e-3  # of log losses: Hoffmann et al., and Besiroglu et al.
_SCREENED, _FIRST_STEPS, _BEST = 64, 30, 8  # the best starts take so many steps, and the best of these go on
_FLAT = 1e-8  # the least second derivative, of the largest, where a constant changes nothing at a start
_ROUNDING = 1e-10  # errors of log losses that are as good as none
_CHUNK = 2**15  # resamples times points in one batch: arrays that stay in the cache


class Allocation(NamedTuple):
    """How FLOPs are best spent: params, tokens, and the loss; of the shape that the law's constants and FLOPs have."""

    params: Any
    tokens: Any
    loss: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Law(abc.ABC):
    """A law of the loss, whose fields are its constants: floats above 0, or float64 [R, 1] of R resamples.

    What its methods are given, of shape [n] or a number, they answer with [n], of resamples with [R, n].
    """

    title: ClassVar[str]

    @classmethod
    def constants(cls) -> tuple[str, ...]:
        """The names of the constants, in the order in which arrays hold them."""
        return tuple(field.name for field in dataclasses.fields(cls))

    @classmethod
    def of(cls, values: np.ndarray) -> Any:
        """The law with constants [P], or the laws with constants [R, P]."""
        if values.ndim == 1:
            return cls(**dict(zip(cls.constants(), map(float, values), strict=True)))
        return cls(**{name: values[:, [index]] for index, name in enumerate(cls.constants())})

    @classmethod
    def advice(cls, constant: str) -> str:
        """A value that `fixed` could give to a constant, for the end of an error's sentence."""
        return ""

    def values(self) -> dict[str, Any]:
        """The constants by name."""
        return {name: getattr(self, name) for name in self.constants()}

    @abc.abstractmethod
    def optimal(self, flops: Any, **options: Any) -> Allocation:
        """The size and tokens with the least loss for a number of training FLOPs, 6 * params * tokens."""

    @classmethod
    @abc.abstractmethod
    def log_loss(cls, logs: np.ndarray, runs: Runs) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Log losses [R, n] by the logarithms [R, P] of the constants, and the derivative by each of these, [R, n]."""

    @classmethod
    @abc.abstractmethod
    def starts(cls, runs: Runs) -> np.ndarray:
        """The grid of constants from which a fit starts, [S, P]."""

    @classmethod
    @abc.abstractmethod
    def check(cls, runs: Runs, fixed: Mapping[str, float]) -> None:
        """InputError for runs that leave a constant that is not fixed undetermined."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """A law fitted to runs.

    Attributes:
      law: with its constants. fixed: those of them that were given. delta: of Huber's loss.
      objective: the sum of Huber's losses of all runs.
    """

    law: Any
    runs: Runs
    fixed: Mapping[str, float]
    delta: float
    objective: float

    @property
    def residuals(self) -> np.ndarray:
        """Measured minus predicted log loss of each run, [n]."""
        return np.log(self.runs.loss) - type(self.law).log_loss(self._logs[None], self.runs)[0][0]

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """The law fitted again to resamples of the runs, drawn with replacement, from the constants found.

        Raises:
          ConfigError: fewer than two resamples.
        """
        weights = resample(len(self.runs), resamples, seed)
        problem = _Problem(type(self.law), self.runs, self.fixed, self.delta)
        start = self._logs[problem.free]
        size = max(1, _CHUNK // len(self.runs))
        parts = [
            problem.minimise(np.tile(start, (len(part), 1)), part)
            for part in np.split(weights, range(size, len(weights), size))
        ]
        logs = problem.complete(np.concatenate([part.point for part in parts]))
        return Bootstrap(
            law=self.law,
            laws=type(self.law).of(np.exp(logs)),
            freedom=len(self.runs) - len(problem.free),
            stretch=stretch(len(self.runs), len(problem.free)),
            residuals=self.residuals,
            converged=float(np.mean(np.concatenate([part.converged for part in parts]))),
        )

    @property
    def _logs(self) -> np.ndarray:
        return np.log([*self.law.values().values()])


def fit(law: type[Law], runs: Runs, *, fixed: Mapping[str, float] | None = None, delta: float = HUBER_DELTA) -> Fit:
    """Fits a law: the least sum of Huber's losses of log losses that the starts lead to.

    Args:
      fixed: constants that are known, by name.
      delta: residuals of log losses beyond it count linearly.

    Raises:
      ConfigError: a constant that the law lacks, or a value that is not above 0.
      InputError: too few runs, or runs that leave a constant undetermined, such as all of one size.
    """
    fixed = dict(fixed or {})
    for name, value in fixed.items():
        if name not in law.constants():
            raise ConfigError(f"{law.title} has the constants {', '.join(law.constants())}; found {name!r} in fixed.")
        if not 0 < value < np.inf:
            raise ConfigError(f"fixed[{name!r}] must be finite and above 0; found {value!r}.")
    if not 0 < delta < np.inf:
        raise ConfigError(f"delta must be finite and above 0, such as {HUBER_DELTA}; found {delta!r}.")
    if len(fixed) == len(law.constants()):
        raise ConfigError(f"fixed holds all constants of {law.title}; leave out those to fit.")
    need_points(runs, law.title, len(law.constants()) - len(fixed) + 1)
    law.check(runs, fixed)
    problem = _Problem(law, runs, fixed, delta)
    starts, weights = np.unique(np.log(law.starts(runs))[:, problem.free], axis=0), np.ones((1, len(runs)))
    screened = np.argsort(problem.value(starts, weights)[0])[:_SCREENED]
    first = problem.minimise(starts[screened], weights, steps=_FIRST_STEPS)
    best = np.argsort(first.value)[:_BEST]
    last = problem.minimise(first.point[best], weights)
    index = int(np.argmin(last.value))
    with np.errstate(over="ignore"):
        found = np.exp(problem.complete(last.point[[index]])[0])
    if not (np.isfinite(found).all() and last.converged[index]):
        listed = ", ".join(f"{name} {value:.3g}" for name, value in zip(law.constants(), found, strict=True))
        raise InputError(
            f"{law.title} must settle on the {len(runs)} runs; found constants that still move: {listed}. Add runs "
            "over a wider range of params and tokens, or give a constant by `fixed`."
        )
    for name in problem.undetermined(last.point[[index]]):
        raise InputError(
            f"{law.title} must have all its constants determined by the runs; found {name}, on which at the best fit "
            f"no loss of the {len(runs)} depends. Add runs over a wider range, or give its value by `fixed`"
            f"{law.advice(name)}."
        )
    return Fit(law=law.of(found), runs=runs, fixed=fixed, delta=delta, objective=float(last.value[index]))


class _Problem:
    """Huber's loss of weighted runs as a function of the logarithms of the constants that are free."""

    def __init__(self, law: type[Law], runs: Runs, fixed: Mapping[str, float], delta: float):
        self._law, self._runs, self._delta = law, runs, delta
        names = law.constants()
        self.free = np.array([index for index, name in enumerate(names) if name not in fixed])
        self._known = np.log([fixed.get(name, 1.0) for name in names])
        self._targets = np.log(runs.loss)

    def complete(self, points: np.ndarray) -> np.ndarray:
        """The logarithms of all constants [R, P], of those that are free."""
        logs = np.tile(self._known, (len(points), 1))
        logs[:, self.free] = points
        return logs

    def minimise(self, start: np.ndarray, weights: np.ndarray, steps: int = 300) -> Minima:
        """From starts [R, P] with weights of the runs [R, n], or [1, n] for all."""
        weights = np.broadcast_to(weights, (len(start), weights.shape[1]))
        inverse = self._inverse(start, weights)
        floor = len(self._runs) * _ROUNDING**2
        return minimise(
            lambda points, rows: self.value(points, weights[rows]), start, inverse, steps=steps, floor=floor
        )

    def value(self, points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Objectives [R] and gradients [R, P]."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a step that is too long
            predicted, slopes = self._law.log_loss(self.complete(points), self._runs)
            error = predicted - self._targets
            clipped = np.clip(error, -self._delta, self._delta)
            pull = weights * clipped
            gradient = [np.einsum("rn,rn->r", pull, slopes[index]) for index in self.free]
            return np.einsum("rn,rn->r", pull, error - clipped / 2), np.stack(gradient, axis=-1)

    def undetermined(self, points: np.ndarray) -> list[str]:
        """The free constants that change no run's loss, at constants [1, P]."""
        slopes = self._law.log_loss(self.complete(points), self._runs)[1]
        return [self._law.constants()[index] for index in self.free if np.abs(slopes[index]).max() < _ROUNDING]

    def _inverse(self, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Inverses of the Hessians that iteratively reweighted least squares has at the starts, [R, P, P]."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            predicted, slopes = self._law.log_loss(self.complete(points), self._runs)
            weights = weights * np.minimum(1, self._delta / np.abs(predicted - self._targets))
        slope = np.stack([np.broadcast_to(slopes[index], weights.shape) for index in self.free], axis=-1)
        hessian = np.einsum("rnp,rnq->rpq", weights[..., None] * slope, slope)
        diagonal = np.einsum("rpp->rp", hessian)  # a view
        diagonal[:] = np.maximum(diagonal, _FLAT * diagonal.max(axis=1, keepdims=True) + _FLAT**2)
        scale = np.sqrt(diagonal)
        outer = scale[:, :, None] * scale[:, None, :]
        ridge = 1e-9 * np.eye(len(self.free))  # terms of a sum are nearly proportional to each other at some starts
        return np.linalg.inv(hessian / outer + ridge) / outer

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Chinchilla's first approach (arXiv:2203.15556, section 3.1): the envelope of training curves.

At each of 1,500 budgets the run with the lowest loss gives the best size and tokens. Where that is the smallest or the
largest size that has a curve there, one beyond might be better, and the budget does not count (the paper does not say
what it does there).
Curves should be smooth, and of a learning rate that has decayed by the end, for which a point inside a run is too high.
"""

import dataclasses

import numpy as np

from zoo.errors import InputError
from zoo.scaling.bootstrap import Bootstrap, resample, stretch
from zoo.scaling.frontier import Frontier, first, fit_frontiers
from zoo.scaling.runs import Runs, need_distinct

_BUDGETS = 1500
_SIZES = 4  # the least, of which two are neither the smallest nor the largest
_CHUNK = 32  # resamples at once, of [runs, budgets] each


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Envelope:
    """The frontier below training curves.

    Attributes:
      law: the frontier. budgets: FLOPs, [m]. sizes: params of each run, [runs].
      curves, tokens: the loss and log tokens of each run at each budget, [runs, m]; losses are infinite where it has
        none.
    """

    law: Frontier
    runs: Runs
    budgets: np.ndarray
    curves: np.ndarray
    sizes: np.ndarray
    tokens: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """The run that is best at each budget, int [m], or -1 where the budget does not count."""
        winners, counts = _winners(self.curves, self.sizes, np.ones((1, len(self.sizes)), bool))
        return np.where(counts[0], winners[0], -1)

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """The frontier found again from runs drawn with replacement.

        Draws with fewer than two sizes between the smallest and the largest have no frontier, and are left out.
        """
        present = resample(len(self.sizes), resamples, seed) > 0
        parts = [
            _frontiers(self.budgets, self.curves, self.sizes, self.tokens, part)
            for part in np.split(present, range(_CHUNK, len(present), _CHUNK))
        ]
        joined = {name: np.concatenate([part.values()[name] for part in parts]) for name in self.law.values()}
        sound = np.isfinite(joined["params_exponent"][:, 0])
        laws = Frontier(**{name: values[sound] for name, values in joined.items()})
        runs, fitted = len(self.sizes), 2  # a line
        return Bootstrap(
            law=self.law,
            laws=laws,
            freedom=runs - fitted,
            stretch=stretch(runs, fitted),
            converged=float(sound.mean()),
        )


def fit_envelope(runs: Runs) -> Envelope:
    """Fits the envelope to the points of training curves, which `runs.run` tells apart.

    Raises:
      InputError: fewer than four sizes, a run of a single point or of two sizes, or fewer than two sizes that are
        somewhere the best between the smallest and the largest.
    """
    identities = np.unique(runs.run)
    sizes = np.array([runs.params[runs.run == each][0] for each in identities])
    need_distinct(sizes, "params", "The envelope", _SIZES)
    budgets = np.geomspace(runs.flops.min(), runs.flops.max(), _BUDGETS)
    curves, tokens = np.full((len(sizes), _BUDGETS), np.inf), np.zeros((len(sizes), _BUDGETS))
    for row, each in enumerate(identities):
        own = runs.take(runs.run == each)
        if len(own) < 2 or np.ptp(own.params) > 0:
            raise InputError(
                f"The envelope needs two or more points of each run, of one size; found {len(own)} of run {each}, of "
                f"{len(np.unique(own.params))} sizes. Give Runs.run, the same number for all points of a run."
            )
        own = own.take(np.argsort(own.flops))
        inside = (budgets >= own.flops[0]) & (budgets <= own.flops[-1])
        at, known = np.log(budgets[inside]), np.log(own.flops)
        curves[row, inside] = np.exp(np.interp(at, known, np.log(own.loss)))
        tokens[row, inside] = np.interp(at, known, np.log(own.tokens))
    frontiers = _frontiers(budgets, curves, sizes, tokens, np.ones((1, len(sizes)), bool))
    if not np.isfinite(frontiers.params_exponent).all():
        raise InputError(
            "The envelope needs two or more sizes that are the best at some budget, apart from the smallest and the "
            "largest; found fewer. Add sizes, or train them on more tokens."
        )
    return Envelope(law=first(frontiers), runs=runs, budgets=budgets, curves=curves, sizes=sizes, tokens=tokens)


def _winners(curves: np.ndarray, sizes: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best of the runs that are present, bool [R, runs], at each budget, int [R, m], and whether that counts."""
    order = np.argsort(curves, axis=0)  # [runs, m]; infinite ones last
    winners = np.take_along_axis(order[None], np.argmax(present[:, order], axis=1)[:, None], axis=1)[:, 0]
    reaches = present[:, :, None] & np.isfinite(curves)
    low = np.where(reaches, sizes[:, None], np.inf).min(1)
    high = np.where(reaches, sizes[:, None], 0.0).max(1)
    return winners, (sizes[winners] > low) & (sizes[winners] < high)


def _frontiers(
    budgets: np.ndarray, curves: np.ndarray, sizes: np.ndarray, tokens: np.ndarray, present: np.ndarray
) -> Frontier:
    """Frontiers of resamples; NaN where fewer than two sizes count."""
    winners, counts = _winners(curves, sizes, present)
    best = sizes[winners]
    spread = np.where(counts, best, 0.0).max(1) > np.where(counts, best, np.inf).min(1)
    counts[~spread] = True  # of which the result is not used
    loss = np.where(counts, np.take_along_axis(curves, winners, axis=0), 0.0)
    found = fit_frontiers(
        budgets,
        np.log(best),
        np.take_along_axis(tokens, winners, axis=0),
        np.where(np.isfinite(loss), loss, 1.0),
        counts.astype(np.float64),
    )
    return Frontier(**{name: np.where(spread[:, None], value, np.nan) for name, value in found.values().items()})

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Chinchilla's second approach (arXiv:2203.15556, section 3.2): at each budget a parabola of loss over log size.

Their minima are the frontier: power laws of compute.
"""

import dataclasses

import numpy as np

from zoo.errors import InputError
from zoo.scaling.bootstrap import Bootstrap, draw_residuals
from zoo.scaling.frontier import Frontier, first, fit_frontiers
from zoo.scaling.parabola import Parabolas, Vertices, fit_parabolas
from zoo.scaling.runs import Runs

_BUDGETS = 4  # the least: a loss with a floor has three constants
_SAME = 0.1  # runs whose FLOPs are within 10 % have one budget: a whole number of steps never meets it exactly


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class IsoFlop:
    """The frontier through the minima of parabolas.

    Attributes:
      law: the frontier. budgets: FLOPs, [G]. parabolas: of loss, one for each budget.
      lines: of each budget log tokens by log params, slope and constant, [G, 2].
    """

    law: Frontier
    runs: Runs
    budgets: np.ndarray
    parabolas: Parabolas
    lines: np.ndarray

    @property
    def residuals(self) -> np.ndarray:
        """Measured minus fitted losses, [n]."""
        return self.parabolas.residuals

    @property
    def minima(self) -> Vertices:
        """Log params and loss of the minimum at each budget, [G]."""
        place, loss = self.parabolas.vertices(self.runs.loss[None])
        return Vertices(place[0], loss[0])

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """The frontier found again with the residuals of all parabolas drawn with replacement."""
        residuals, fitted = self.residuals, self.parabolas.fitted
        losses = self.runs.loss - residuals + draw_residuals(residuals, fitted, resamples, seed)
        laws = _frontiers(self.budgets, self.parabolas, self.lines, losses)
        return Bootstrap(law=self.law, laws=laws, freedom=len(residuals) - fitted)


def fit_isoflop(runs: Runs) -> IsoFlop:
    """Fits parabolas and frontier; budgets are runs whose FLOPs are within 10 % of each other.

    Raises:
      InputError: fewer than four budgets, one of fewer than three sizes, or whose best size is not between the others.
    """
    order = np.argsort(runs.flops)
    gaps = np.diff(np.log(runs.flops[order])) > np.log1p(_SAME)
    groups = np.empty(len(runs), np.int64)
    groups[order] = np.concatenate([[0], np.cumsum(gaps)])
    count = int(groups.max()) + 1
    budgets = np.array([np.exp(np.log(runs.flops[groups == group]).mean()) for group in range(count)])
    if count < _BUDGETS:
        listed = ", ".join(f"{budget:.3g}" for budget in budgets)
        raise InputError(
            f"IsoFLOP curves need {_BUDGETS} or more budgets; found {count} ({listed} FLOPs). Train three or more "
            "sizes at each budget."
        )
    names = [f"{budget:.3g} FLOPs" for budget in budgets]
    parabolas = fit_parabolas(groups, runs.params, runs.loss, names, "params")
    lines = np.array(
        [
            np.polyfit(np.log(runs.params[own]), np.log(runs.tokens[own]), 1)
            for own in (groups == g for g in range(count))
        ]
    )
    law = first(_frontiers(budgets, parabolas, lines, runs.loss[None]))
    return IsoFlop(law=law, runs=runs, budgets=budgets, parabolas=parabolas, lines=lines)


def _frontiers(budgets: np.ndarray, parabolas: Parabolas, lines: np.ndarray, losses: np.ndarray) -> Frontier:
    place, loss = parabolas.vertices(losses)
    return fit_frontiers(budgets, place, lines[:, 0] * place + lines[:, 1], loss)

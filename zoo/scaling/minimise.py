# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""BFGS for many small problems at once: the resamples of a bootstrap, or the starts of one fit.

Each row is a problem of its own with its own inverse Hessian and step length, and leaves the batch when it has
converged. The line search brackets and bisects until the weak Wolfe conditions hold, which keeps BFGS sound on a
function that is nearly piecewise linear (Lewis and Overton 2013, "Nonsmooth optimization via quasi-Newton methods"),
as Huber's loss with a small delta is.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_DECREASE, _CURVATURE = 1e-4, 0.9  # of the weak Wolfe conditions
_TINY = 1e-200  # whose inverse still has squares
_TRIALS = 40  # of one line search; bisection has then reached the rounding of a step

Objective = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Minima(NamedTuple):
    """Of each row: where it ended, float64 [R, P], its value [R], and whether it converged, bool [R]."""

    point: np.ndarray
    value: np.ndarray
    converged: np.ndarray


def minimise(
    objective: Objective,
    start: np.ndarray,
    inverse: np.ndarray,
    *,
    steps: int = 300,
    tolerance: float = 1e-10,
    floor: float = 0.0,
) -> Minima:
    """Local minima of R functions of P numbers.

    Args:
      objective: (points [r, P], rows int [r]) -> the values [r] and gradients [r, P] of the functions of these rows;
        where a value is not finite, the step is too long.
      start: float64 [R, P]. inverse: a first guess of the inverse Hessians, [R, P, P], positive definite.
      steps: the most that a row takes.
      tolerance: a row has converged when a Newton step would lower it by less than this, relative to its value,
        or by less than `floor`.
    """
    point, inverse = start.copy(), inverse.copy()
    rows = np.arange(len(point))
    value, gradient = objective(point, rows)
    converged = np.zeros(len(point), bool)
    for _ in range(steps):
        direction = -np.einsum("rpq,rq->rp", inverse[rows], gradient[rows])
        slope = np.einsum("rp,rp->r", direction, gradient[rows])
        converged[rows] = -slope <= 2 * np.maximum(tolerance * np.abs(value[rows]), floor)
        keep = ~converged[rows]
        rows, direction, slope = rows[keep], direction[keep], slope[keep]
        if not len(rows):
            break
        step, new_value, new_gradient, found = _search(objective, point, rows, direction, slope, value[rows])
        rows, move = rows[found], (step[:, None] * direction)[found]
        change = new_gradient[found] - gradient[rows]
        point[rows] += move
        value[rows], gradient[rows] = new_value[found], new_gradient[found]
        inverse[rows] = _update(inverse[rows], move, change)
    return Minima(point, value, converged)


def _search(
    objective: Objective,
    point: np.ndarray,
    rows: np.ndarray,
    direction: np.ndarray,
    slope: np.ndarray,
    value: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Step lengths [r] with weak Wolfe's conditions, the values and gradients there, and whether there was one.

    Where the trials end with a lower value and a slope that is still steep, the lower value is taken.
    """
    count = len(rows)
    low, high, step = np.zeros(count), np.full(count, np.inf), np.ones(count)
    best, best_value, best_gradient = np.zeros(count), value.copy(), np.zeros_like(direction)
    todo = np.arange(count)
    for _ in range(_TRIALS):
        there = point[rows[todo]] + step[todo, None] * direction[todo]
        new_value, new_gradient = objective(there, rows[todo])
        with np.errstate(invalid="ignore"):
            lower = new_value <= value[todo] + _DECREASE * step[todo] * slope[todo]  # False for NaN
            flat = np.einsum("rp,rp->r", direction[todo], new_gradient) >= _CURVATURE * slope[todo]
        done = todo[lower]
        best[done], best_value[done], best_gradient[done] = step[done], new_value[lower], new_gradient[lower]
        low[todo[lower]] = step[todo[lower]]
        high[todo[~lower]] = step[todo[~lower]]
        todo = todo[~(lower & flat)]
        if not len(todo):
            break
        step[todo] = np.where(np.isinf(high[todo]), 2 * low[todo], (low[todo] + high[todo]) / 2)
    return best, best_value, best_gradient, best > 0


def _update(inverse: np.ndarray, move: np.ndarray, change: np.ndarray) -> np.ndarray:
    """BFGS's update of inverse Hessians [r, P, P]; rows without positive curvature keep theirs."""
    product = np.einsum("rp,rp->r", move, change)
    sound = product > np.maximum(1e-12 * np.linalg.norm(move, axis=1) * np.linalg.norm(change, axis=1), _TINY)
    rate = np.where(sound, 1 / np.where(sound, product, 1.0), 0.0)[:, None, None]
    across = np.einsum("rpq,rq->rp", inverse, change)
    outer = np.einsum("rp,rq->rpq", move, across)
    scale = 1 + rate * np.einsum("rp,rp->r", change, across)[:, None, None]
    return inverse + rate * (scale * np.einsum("rp,rq->rpq", move, move) - outer - outer.transpose(0, 2, 1))

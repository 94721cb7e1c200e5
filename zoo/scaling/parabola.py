# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Parabolas of loss against the logarithm of something that has a best value: size at a budget, a learning rate."""

import dataclasses
from typing import NamedTuple

import numpy as np

from zoo.errors import InputError

_POINTS = 3  # distinct values that a parabola needs


class Vertices(NamedTuple):
    """Of each group: the logarithm of the best value and the loss there, [G]; of resamples [R, G]."""

    place: np.ndarray
    loss: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Parabolas:
    """A parabola by least squares for each group of points.

    Attributes:
      groups: int [n], from 0. logs: of the values, [n]. loss: [n].
      solvers: of each group, [3, points]: coefficients of 1, x and x^2 from losses, where x is 0 at `centers` [G].
    """

    groups: np.ndarray
    logs: np.ndarray
    loss: np.ndarray
    centers: np.ndarray
    solvers: tuple[np.ndarray, ...]

    @property
    def fitted(self) -> int:
        """How many numbers that is."""
        return 3 * len(self.solvers)

    def coefficients(self, loss: np.ndarray) -> np.ndarray:
        """Coefficients [R, G, 3] for losses [R, n]."""
        parts = [loss[:, self.groups == group] @ solver.T for group, solver in enumerate(self.solvers)]
        return np.stack(parts, axis=1)

    def curve(self, group: int, logs: np.ndarray) -> np.ndarray:
        """The fitted losses of a group at logarithms [m]."""
        constant, linear, square = self.coefficients(self.loss[None])[0, group]
        offset = logs - self.centers[group]
        return constant + linear * offset + square * offset**2

    @property
    def residuals(self) -> np.ndarray:
        """Measured minus fitted losses, [n]."""
        constant, linear, square = np.moveaxis(self.coefficients(self.loss[None])[0][self.groups], -1, 0)
        offset = self.logs - self.centers[self.groups]
        return self.loss - (constant + linear * offset + square * offset**2)

    def vertices(self, loss: np.ndarray) -> Vertices:
        """The vertices [R, G] for losses [R, n]; beyond a group's values, or without a minimum, the better end."""
        constant, linear, square = np.moveaxis(self.coefficients(loss), -1, 0)
        low, high = _ends(self.groups, self.logs - self.centers[self.groups])
        with np.errstate(divide="ignore", invalid="ignore"):
            vertex = np.clip(-linear / (2 * square), low, high)
        end = np.where(linear * (high - low) + square * (high**2 - low**2) < 0, high, low)
        place = np.where(square > 0, vertex, end)
        return Vertices(place + self.centers, constant + linear * place + square * place**2)


def fit_parabolas(groups: np.ndarray, values: np.ndarray, loss: np.ndarray, names: list[str], what: str) -> Parabolas:
    """Fits one to each group.

    Args:
      groups: int [n], each below len(names). values: above 0, [n]. names: of the groups, and what: of the values, for
        messages.

    Raises:
      InputError: a group of fewer than three different values, or whose parabola has no minimum among them.
    """
    logs, solvers, centers = np.log(values), [], []
    for group, name in enumerate(names):
        own = logs[groups == group]
        if len(np.unique(own)) < _POINTS:
            raise InputError(
                f"A parabola needs {_POINTS} or more different {what}; found {len(np.unique(own))} at {name}. Add runs "
                "there, or leave it out."
            )
        centers.append(own.mean())
        solvers.append(np.linalg.pinv(np.vander(own - own.mean(), 3, increasing=True)))
    found = Parabolas(groups=groups, logs=logs, loss=loss, centers=np.array(centers), solvers=tuple(solvers))
    _check_minima(found, names, what)
    return found


def _check_minima(parabolas: Parabolas, names: list[str], what: str) -> None:
    _, linear, square = np.moveaxis(parabolas.coefficients(parabolas.loss[None])[0], -1, 0)
    low, high = _ends(parabolas.groups, parabolas.logs)
    for group, name in enumerate(names):
        place = parabolas.centers[group] - linear[group] / (2 * square[group]) if square[group] > 0 else np.inf
        if not low[group] < place < high[group]:
            end, value = ("largest", high[group]) if linear[group] < 0 else ("least", low[group])
            raise InputError(
                f"The loss must have its minimum between the least and the largest {what}; found {name}, where it is "
                f"lowest at the {end}, {np.exp(value):g}. Add runs beyond that, or leave it out."
            )


def _ends(groups: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    parts = [logs[groups == group] for group in range(groups.max() + 1)]
    return np.array([part.min() for part in parts]), np.array([part.max() for part in parts])

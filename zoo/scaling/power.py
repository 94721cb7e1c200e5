# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Power laws, y = scale * x^exponent * ..., by least squares of logarithms.

The best learning rate and batch size by size, tokens or compute (DeepSeek LLM, arXiv:2401.02954, section 3.1), the
critical batch size by loss (Kaplan, arXiv:2001.08361, section 5.1), and Kaplan's laws of one variable (equations 1.1 to
1.3).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.errors import ConfigError, InputError
from zoo.scaling.bootstrap import Bootstrap, draw_residuals
from zoo.scaling.parabola import Parabolas, fit_parabolas

_EXPONENTS = np.geomspace(0.005, 2.0, 240)  # that are tried for a law with a floor


@dataclasses.dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """y = scale * the product of each input^its exponent; numbers, or float64 [R, 1] of R resamples."""

    scale: Any
    exponents: Mapping[str, Any]

    def __call__(self, **inputs: Any) -> Any:
        """y at the named inputs, numbers or [n]; of resamples [R, n]."""
        if set(inputs) != set(self.exponents):
            raise ConfigError(f"This law is of {', '.join(self.exponents)}; found {', '.join(inputs) or 'nothing'}.")
        logs = sum(exponent * np.log(inputs[name]) for name, exponent in self.exponents.items())
        return self.scale * np.exp(logs)

    def values(self) -> dict[str, Any]:
        """`scale`, and each exponent by the name of its input."""
        return {"scale": self.scale, **self.exponents}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PowerFit:
    """A power law, fitted to values, or to the minima of parabolas.

    Attributes:
      design: float64 [m, 1 + inputs]: ones, and the logarithms of the inputs. logs: of the values, [m].
      parabolas: whose vertices the values are, or None.
    """

    law: PowerLaw
    design: np.ndarray
    logs: np.ndarray
    parabolas: Parabolas | None = None

    @property
    def residuals(self) -> np.ndarray:
        """Logarithms of measured by predicted values, [m]."""
        return self.logs - self.design @ _coefficients(self.design, self.logs[None])[0]

    def bootstrap(self, resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """The law fitted again with residuals drawn with replacement: of losses from their parabolas, or of values."""
        if self.parabolas is None:
            residuals, fitted = self.residuals, self.design.shape[1]
            logs = self.logs - residuals + draw_residuals(residuals, fitted, resamples, seed)
        else:
            residuals, fitted = self.parabolas.residuals, self.parabolas.fitted
            losses = self.parabolas.loss - residuals + draw_residuals(residuals, fitted, resamples, seed)
            logs = self.parabolas.vertices(losses).place
        found = _coefficients(self.design, logs)
        exponents = {name: found[:, [index]] for index, name in enumerate(self.law.exponents, 1)}
        laws = PowerLaw(scale=np.exp(found[:, [0]]), exponents=exponents)
        return Bootstrap(law=self.law, laws=laws, freedom=len(residuals) - fitted)


def fit_power(values: Any, **inputs: Any) -> PowerFit:
    """The power law of positive values [n] by one or more positive inputs [n] each, such as `params=`.

    Raises:
      InputError: a value that is not finite and above 0, too few of them, or inputs that do not vary apart.
    """
    columns = _positive({"values": values, **inputs})
    targets = np.log(columns.pop("values"))
    design = _design(columns)
    return _power_fit(design, targets, [*columns], None)


def fit_optima(values: Any, loss: Any, *, what: str = "values", **inputs: Any) -> PowerFit:
    """The power law of the best value by inputs, from a sweep: points [n] of a value, its loss, and the inputs.

    Points with the same inputs are a group, whose best value is the minimum of a parabola over log value. For the best
    learning rate: `fit_optima(rates, losses, what="learning rates", params=sizes)`.

    Raises:
      InputError: as `fit_power`, a group of fewer than three values, or whose best value is not between the others.
    """
    columns = _positive({"values": values, "loss": loss, **inputs})
    values, loss = columns.pop("values"), columns.pop("loss")
    unique, groups = np.unique(np.stack([*columns.values()], axis=-1), axis=0, return_inverse=True)
    names = [", ".join(f"{name} {x:g}" for name, x in zip(columns, row, strict=True)) for row in unique]
    design = _design(dict(zip(columns, unique.T, strict=True)))
    parabolas = fit_parabolas(groups.ravel(), values, loss, names, what)
    return _power_fit(design, parabolas.vertices(loss[None]).place[0], [*columns], parabolas)


def fit_floor(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Laws y = floor + scale * x^-exponent, [R, 3] of these, by least squares of y [R, n] at x [n].

    For each of a grid of exponents the two other constants have a closed form; floors are 0 or more.

    Args:
      weights: of the points, [R, n].
    """
    weights = np.ones_like(y) if weights is None else weights
    center = np.exp(np.log(x).mean())
    basis = (x / center)[None] ** -_EXPONENTS[:, None]
    total, by_basis, by_square = weights.sum(1)[:, None], weights @ basis.T, weights @ (basis**2).T
    level, product, square = (weights * y).sum(1)[:, None], (weights * y) @ basis.T, (weights * y**2).sum(1)[:, None]
    scale = (total * product - level * by_basis) / (total * by_square - by_basis**2)
    floor = (level - scale * by_basis) / total
    error = square - floor * level - scale * product
    error = np.where((floor >= 0) & (scale > 0), error, np.inf)
    best = np.argmin(error, axis=1)
    rows = np.arange(len(y))
    exponent = _EXPONENTS[best]
    return np.stack([floor[rows, best], scale[rows, best] * center**exponent, exponent], axis=-1)


def _power_fit(design: np.ndarray, logs: np.ndarray, names: list[str], parabolas: Parabolas | None) -> PowerFit:
    scale, *exponents = map(float, _coefficients(design, logs[None])[0])
    law = PowerLaw(scale=float(np.exp(scale)), exponents=dict(zip(names, exponents, strict=True)))
    return PowerFit(law=law, design=design, logs=logs, parabolas=parabolas)


def _coefficients(design: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Least squares of logs [R, m] by a design [m, P]: [R, P]."""
    return logs @ np.linalg.pinv(design).T


def _design(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    if not inputs:
        raise ConfigError("A power law needs an input, by name, such as params=sizes; found none.")
    design = np.stack([np.ones_like(next(iter(inputs.values()))), *map(np.log, inputs.values())], axis=-1)
    if len(design) <= design.shape[1]:
        raise InputError(
            f"A power law of {', '.join(inputs)} needs {design.shape[1] + 1} or more points; found {len(design)}."
        )
    centered = design[:, 1:] - design[:, 1:].mean(0)
    if np.linalg.matrix_rank(centered, tol=1e-6 * np.abs(centered).max(initial=1e-300)) < len(inputs):
        same = [name for name, column in zip(inputs, centered.T, strict=True) if np.ptp(column) < 1e-9]
        raise InputError(
            f"The exponents of a power law of {', '.join(inputs)} are undetermined; found "
            + (f"all points with the same {', '.join(same)}." if same else "inputs that are power laws of each other.")
            + " Add points, or leave an input out."
        )
    return design


def _positive(columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    arrays = {}
    for name, values in columns.items():
        arrays[name] = np.atleast_1d(np.asarray(values, np.float64))
        for index in np.flatnonzero(~(np.isfinite(arrays[name]) & (arrays[name] > 0)))[:1]:
            raise InputError(f"{name} must be finite and above 0; found {arrays[name].flat[index]:g} at index {index}.")
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise InputError(f"A power law needs as many values of each; found shapes {shapes}.")
    return arrays

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Plots of scaling fits. matplotlib is imported where they are drawn: it takes a while to import.

Not pyplot: no display, no global state; `figure.savefig(path)` writes one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ConfigError
from zoo.scaling.bootstrap import LEVEL, Bootstrap
from zoo.scaling.fit import Fit
from zoo.scaling.isoflop import IsoFlop
from zoo.scaling.runs import Runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 200  # of a drawn curve


def draw_isoflops(found: IsoFlop) -> "Figure":
    """Loss by size at each budget, the parabolas, and their minima."""
    figure, axes = _figure()
    minima = found.minima
    for group, (budget, color) in enumerate(zip(found.budgets, _colors(len(found.budgets)), strict=True)):
        own = found.parabolas.groups == group
        logs = found.parabolas.logs[own]
        curve = np.linspace(logs.min(), logs.max(), _POINTS)
        axes.plot(np.exp(logs), found.runs.loss[own], "o", color=color, markersize=4, label=f"{budget:.1e} FLOPs")
        axes.plot(np.exp(curve), found.parabolas.curve(group, curve), color=color, linewidth=1)
    axes.plot(np.exp(minima.place), minima.loss, "kx--", linewidth=1, label="minima")
    axes.set(xscale="log", xlabel="parameters", ylabel="loss (nats a token)")
    axes.legend(fontsize="small")
    return figure


def draw_frontier(
    bootstrap: Bootstrap, flops: np.ndarray, runs: Runs | None = None, *, level: float = LEVEL, **options: Any
) -> "Figure":
    """The best params, tokens and loss by FLOPs [n], with their intervals, over the runs.

    Args:
      options: of the law's `optimal`, such as `unique_tokens`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    best = bootstrap.optimal(flops, level=level, **options)
    for axes, name in zip(figure.subplots(1, 3), ("params", "tokens", "loss"), strict=True):
        value, low, high = getattr(best, name)
        axes.fill_between(flops, low, high, alpha=0.25, linewidth=0, label=f"{level:.0%} interval")
        axes.plot(flops, value, label="best")
        if runs is not None:
            axes.plot(runs.flops, getattr(runs, name), ".", color="gray", markersize=3, zorder=0, label="runs")
        axes.set(xscale="log", yscale="linear" if name == "loss" else "log", xlabel="training FLOPs", ylabel=name)
        axes.grid(alpha=0.3)
    figure.axes[0].legend()
    return figure


def draw_residuals(fit: Fit) -> "Figure":
    """Log loss, measured minus predicted, by params, tokens and FLOPs: a slope or a bend is what the law lacks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 3, sharey=True), ("params", "tokens", "flops"), strict=True):
        axes.axhline(0, color="gray", linewidth=1)
        axes.plot(getattr(fit.runs, name), fit.residuals, "o", markersize=4, alpha=0.6)
        axes.set(xscale="log", xlabel=name)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("log loss, measured minus predicted")
    return figure


def draw_loss_by_tokens(
    bootstrap: Bootstrap,
    runs: Runs,
    sizes: Sequence[float],
    *,
    unique_tokens: float | None = None,
    level: float = LEVEL,
) -> "Figure":
    """Loss by tokens at each of some sizes, with intervals, and the runs of these sizes.

    Args:
      unique_tokens: of a law of repeated data; runs with another number are left out.

    Raises:
      ConfigError: no sizes.
    """
    if not len(sizes):
        raise ConfigError("sizes must hold one size or more, such as those of the runs; found none.")
    figure, axes = _figure()
    tokens = np.geomspace(runs.tokens.min(), runs.tokens.max(), _POINTS)
    data = () if unique_tokens is None else (unique_tokens,)
    for size, color in zip(sizes, _colors(len(sizes)), strict=True):
        value, low, high = bootstrap.loss(size, tokens, *data, level=level)
        axes.fill_between(tokens, low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(tokens, value, color=color, label=f"{size:.3g} parameters")
        own = np.isclose(runs.params, size, rtol=1e-3)
        if unique_tokens is not None:
            own &= np.isclose(runs.unique_tokens, np.minimum(unique_tokens, runs.tokens), rtol=1e-3)
        axes.plot(runs.tokens[own], runs.loss[own], "o", color=color, markersize=4)
    axes.set(xscale="log", xlabel="tokens", ylabel="loss (nats a token)")
    axes.legend(fontsize="small")
    return figure


def _figure() -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _colors(count: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["viridis"](place) for place in np.linspace(0, 0.9, count)]

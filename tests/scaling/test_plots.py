# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Plots of fits: what they draw, and that they can be written."""

import numpy as np
import pytest

from tests.scaling.laws import C4, CHINCHILLA, sweep
from tests.scaling.test_frontier import isoflops
from zoo.errors import ConfigError
from zoo.scaling import plots
from zoo.scaling.fit import fit
from zoo.scaling.isoflop import fit_isoflop
from zoo.scaling.parametric import Chinchilla
from zoo.scaling.repetition import Repetition


@pytest.fixture(scope="module")
def chinchilla():
    return fit(Chinchilla, sweep(CHINCHILLA, 0.005))


def is_written(figure, path) -> bool:
    figure.savefig(path)
    return path.read_bytes().startswith(b"\x89PNG")


def test_isoflop_curves_have_points_parabolas_and_minima(tmp_path):
    found = fit_isoflop(isoflops())
    figure = plots.draw_isoflops(found)
    lines = figure.axes[0].get_lines()
    assert len(lines) == 2 * 9 + 1
    np.testing.assert_allclose(lines[-1].get_xdata(), np.exp(found.minima.place))
    points, curve = lines[0], lines[1]
    np.testing.assert_allclose(np.interp(points.get_xdata(), *curve.get_data()), points.get_ydata(), atol=0.005)
    assert is_written(figure, tmp_path / "a.png")


def test_the_frontier_is_drawn_with_its_interval(tmp_path, chinchilla):
    flops = np.geomspace(1e19, 1e24, 12)
    figure = plots.draw_frontier(chinchilla.bootstrap(50), flops, chinchilla.runs)
    assert [axes.get_ylabel() for axes in figure.axes] == ["params", "tokens", "loss"]
    np.testing.assert_allclose(figure.axes[0].get_lines()[0].get_ydata(), chinchilla.law.optimal(flops).params)
    assert all(axes.collections for axes in figure.axes)
    assert is_written(figure, tmp_path / "a.png")


def test_residuals_are_drawn_by_each_variable(tmp_path, chinchilla):
    figure = plots.draw_residuals(chinchilla)
    for axes, name in zip(figure.axes, ("params", "tokens", "flops"), strict=True):
        x, y = axes.get_lines()[1].get_data()
        np.testing.assert_array_equal(x, getattr(chinchilla.runs, name))
        np.testing.assert_array_equal(y, chinchilla.residuals)
    assert is_written(figure, tmp_path / "a.png")


def test_loss_by_tokens_has_the_runs_of_each_size(tmp_path):
    runs = sweep(C4, 0.002)
    found = fit(Repetition, runs)
    sizes = np.unique(runs.params)[[0, -1]]
    figure = plots.draw_loss_by_tokens(found.bootstrap(20), runs, [*sizes], unique_tokens=1e9)
    curve, points = figure.axes[0].get_lines()[:2]
    x, y = points.get_data()
    assert len(x) == 8  # seven numbers of epochs, and a run of 1e8 tokens, all of which are unique
    np.testing.assert_allclose(np.interp(np.log(x), np.log(curve.get_xdata()), curve.get_ydata()), y, rtol=0.01)
    assert is_written(figure, tmp_path / "a.png")
    with pytest.raises(ConfigError, match="sizes must hold one size or more"):
        plots.draw_loss_by_tokens(found.bootstrap(2), runs, [])

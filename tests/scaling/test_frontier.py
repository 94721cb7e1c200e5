# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Chinchilla's first two approaches: the frontier of a known law from training curves, and from IsoFLOP sweeps."""

import numpy as np
import pytest

from tests.scaling.laws import CHINCHILLA, grid
from zoo.errors import ConfigError, InputError
from zoo.scaling.envelope import fit_envelope
from zoo.scaling.isoflop import fit_isoflop
from zoo.scaling.power import fit_floor
from zoo.scaling.runs import Runs

ASKED = np.array([1e20, 1e21, 1e22])


def isoflops(noise: float = 0.0, seed: int = 0, *, budgets: int = 9, sizes=None, shift: float = 1.0) -> Runs:
    """Budgets whose sizes lie around the best one; budgets are met but for a few percent, as whole steps are."""
    generator = np.random.default_rng(seed)
    sizes = np.geomspace(0.5, 2, 8) if sizes is None else np.asarray(sizes)
    flops, factor = grid(np.geomspace(6e18, 3e21, budgets), shift * sizes)
    params = CHINCHILLA.optimal(flops).params * factor
    tokens = flops / 6 / params * generator.uniform(0.99, 1.01, len(flops))
    loss = CHINCHILLA.loss(params, tokens)
    return Runs(params=params, tokens=tokens, loss=loss * np.exp(noise * generator.normal(size=len(loss))))


def curves(sizes=None, tokens=(2e8, 2e12)) -> Runs:
    """Training curves that follow the law from the start to the end, in an order that is not theirs."""
    params, seen = grid(np.geomspace(3e7, 2e10, 24) if sizes is None else sizes, np.geomspace(*tokens, 200))
    run = np.unique(params, return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(params))
    return Runs(params=params, tokens=seen, loss=CHINCHILLA.loss(params, seen), run=run).take(order)


@pytest.mark.parametrize("found", [fit_isoflop(isoflops()), fit_envelope(curves())], ids=["isoflop", "envelope"])
def test_the_frontier_of_a_known_law(found):
    """By steps of a quarter between sizes the envelope is a staircase, and parabolas are not the law's own curves."""
    assert found.law.params_exponent == pytest.approx(CHINCHILLA.exponent, abs=0.01)
    assert found.law.params_exponent + found.law.tokens_exponent == pytest.approx(1, abs=0.005)
    best, truth = found.law.optimal(ASKED), CHINCHILLA.optimal(ASKED)
    np.testing.assert_allclose(best.params, truth.params, rtol=0.06)
    np.testing.assert_allclose(best.tokens, truth.tokens, rtol=0.06)
    np.testing.assert_allclose(best.loss, truth.loss, rtol=0.003)


def test_isoflop_intervals_hold_the_truth_and_the_estimate():
    """The exponent, in nearly all of 60 draws, also where there are few runs."""
    missed = 0
    for seed in range(60):
        bootstrap = fit_isoflop(isoflops(0.001, seed, sizes=np.geomspace(0.5, 2, 5))).bootstrap(300, seed)
        low, high = bootstrap.constants()["params_exponent"][1:]
        missed += not low <= CHINCHILLA.exponent <= high
        assert high - low < 0.2
    assert missed <= 5
    best, truth = bootstrap.optimal(1e22), CHINCHILLA.optimal(1e22)
    for interval, true in zip(best, truth, strict=True):
        assert interval.low < true < interval.high and interval.low < interval.value < interval.high


def test_envelope_intervals_hold_the_truth():
    bootstrap = fit_envelope(curves()).bootstrap(200)
    assert bootstrap.converged > 0.95
    low, high = bootstrap.constants()["params_exponent"][1:]
    assert low < CHINCHILLA.exponent < high < low + 0.2


def test_the_envelope_leaves_out_the_smallest_and_the_largest_size():
    """Where they are the best: with them the staircase would be too flat."""
    found = fit_envelope(curves())
    best = found.best
    assert {*found.sizes[best[best >= 0]]} <= {*np.sort(found.sizes)[1:-1]}
    assert (best[:10] == -1).all()
    count = np.flatnonzero(best >= 0)
    np.testing.assert_array_equal(found.curves[best[count], count], found.curves[:, count].min(0))


@pytest.mark.parametrize("shift", [1.0, 1.3])
def test_minima_are_those_of_the_curves(shift):
    """Also where they are not in the middle of the sizes."""
    found = fit_isoflop(isoflops(shift=shift))
    truth = CHINCHILLA.optimal(found.budgets)
    np.testing.assert_allclose(np.exp(found.minima.place), truth.params, rtol=0.05)
    np.testing.assert_allclose(found.minima.loss, truth.loss, rtol=0.001)
    assert np.abs(found.residuals).max() < 0.005


def test_a_law_with_a_floor_is_found_with_weights():
    x = np.geomspace(1e18, 1e22, 12)
    y = np.stack([1.7 + 1135 * x**-0.155, 2.0 + 50 * x**-0.1])
    weights = np.ones_like(y)
    y[:, 3], weights[:, 3] = 99, 0
    floor, scale, exponent = fit_floor(x, y, weights).T
    np.testing.assert_allclose(exponent, [0.155, 0.1], rtol=0.015)
    np.testing.assert_allclose(floor, [1.7, 2.0], rtol=0.01)
    np.testing.assert_allclose(
        floor + scale * 1e23**-exponent, [1.7 + 1135 * 1e23**-0.155, 2 + 50 * 1e23**-0.1], rtol=2e-3
    )


@pytest.mark.parametrize(
    "runs, words",
    [
        (isoflops(budgets=3), r"need 4 or more budgets; found 3 \(6e\+18, "),
        (isoflops(sizes=[0.7, 1.4]), r"3 or more different params; found 2 at 5.99e\+18 FLOPs"),
        (isoflops(shift=0.2), r"minimum between .* params; found 6e\+18 FLOPs, where it is lowest at the largest, "),
        (isoflops(shift=5.0), r"lowest at the least, "),
    ],
)
def test_isoflop_sweeps_without_minima_are_refused(runs, words):
    with pytest.raises(InputError, match=words):
        fit_isoflop(runs)


@pytest.mark.parametrize(
    "runs, words",
    [
        (curves(sizes=[1e8, 2e8, 4e8]), "The envelope needs 4 or more different values of params; found 3"),
        (curves(sizes=[1e8, 2e8, 4e8, 8e8], tokens=(1e8, 2e8)), "best at some budget, .* found fewer"),
        (isoflops(), "two or more points of each run, of one size; found 1 of run 0"),
    ],
)
def test_curves_without_an_envelope_are_refused(runs, words):
    with pytest.raises(InputError, match=words):
        fit_envelope(runs)


def test_a_frontier_has_no_interval_of_a_run():
    with pytest.raises(AttributeError, match="loss"):
        fit_isoflop(isoflops()).bootstrap(2).loss(1e9, 2e10)
    with pytest.raises(ConfigError, match="resamples must be 2 or more"):
        fit_isoflop(isoflops()).bootstrap(0)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Published estimates from published points (Besiroglu et al., arXiv:2404.10102), and Muennighoff et al.'s numbers."""

import itertools
import time

import numpy as np
import pytest
from scipy import optimize, special

from tests.scaling.laws import C4
from zoo.scaling.bootstrap import resample
from zoo.scaling.fit import HUBER_DELTA, fit
from zoo.scaling.parametric import Chinchilla
from zoo.scaling.runs import Runs

DROPPED = 5  # of the highest losses


@pytest.fixture(scope="module")
def points(assets) -> Runs:
    """The 245 points read off Chinchilla's figure 4."""
    path = assets / "data" / "chinchilla" / "svg_extracted_data.csv"
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    return Runs.read(path, columns={"params": "Model Size", "flops": "Training FLOP"})


@pytest.fixture(scope="module")
def found(points):
    return fit(Chinchilla, points.drop_highest(DROPPED))


def huber(logs: np.ndarray, runs: Runs, counts: np.ndarray) -> tuple[float, np.ndarray]:
    """The objective of a, b, e, alpha, beta as the paper writes it, and its gradient."""
    a, b, e, alpha, beta = logs
    x, y = np.log(runs.params), np.log(runs.tokens)
    terms = np.stack([a - alpha * x, b - beta * y, np.full(len(runs), e)])
    predicted = special.logsumexp(terms, axis=0)
    error = predicted - np.log(runs.loss)
    size = np.abs(error)
    losses = np.where(size <= HUBER_DELTA, error**2 / 2, HUBER_DELTA * (size - HUBER_DELTA / 2))
    shares = special.softmax(terms, axis=0) * counts * np.clip(error, -HUBER_DELTA, HUBER_DELTA)
    by_a, by_b, by_e = shares
    return float(np.sum(counts * losses)), np.array([by_a.sum(), by_b.sum(), by_e.sum(), -by_a @ x, -by_b @ y])


def scipy_best(runs: Runs, counts: np.ndarray, starts) -> optimize.OptimizeResult:
    """The lowest that SciPy's L-BFGS reaches from some starts, with tolerances that do not stop it early."""
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000, "maxfun": 50000, "maxcor": 30}
    found = (
        optimize.minimize(huber, start, args=(runs, counts), jac=True, method="L-BFGS-B", options=options)
        for start in starts
    )
    return min(found, key=lambda each: each.fun)


def logs_of(law: Chinchilla, row: int | None = None) -> np.ndarray:
    """a, b, e, alpha, beta of a law, or of one of many."""
    values = {name: value if row is None else value[row, 0] for name, value in law.values().items()}
    return np.array([*np.log([values["A"], values["B"], values["E"]]), values["alpha"], values["beta"]])


def test_besiroglu_estimates(points, found):
    assert len(points) == 245
    assert found.law.E == pytest.approx(1.817, abs=0.005)
    assert found.law.alpha == pytest.approx(0.347, abs=0.0005)
    assert found.law.beta == pytest.approx(0.367, abs=0.0005)
    assert found.law.A == pytest.approx(482.01, rel=0.02)
    assert found.law.B == pytest.approx(2085.43, rel=0.04)
    assert found.law.exponent == pytest.approx(0.5126, abs=0.002)


def test_keeping_the_five_highest_losses_is_seen(points):
    """The planted fault: another optimum, far away."""
    kept = fit(Chinchilla, points).law
    assert abs(kept.beta - 0.367) > 0.05
    assert kept.B > 10_000
    assert kept.exponent == pytest.approx(0.565, abs=0.002)


def test_four_thousand_resamples_take_less_than_a_minute(found):
    """Their spread is the published one, where that has digits to compare; 20 tokens a parameter are in their range."""
    begin = time.monotonic()
    bootstrap = found.bootstrap(4000)
    assert time.monotonic() - begin < 60
    assert bootstrap.converged > 0.999
    spread = {name: np.std(values) for name, values in bootstrap.laws.values().items()}
    assert spread["A"] == pytest.approx(124.58, rel=0.05)
    assert spread["B"] == pytest.approx(1293.23, rel=0.15)  # a long tail, and theirs are of a single start each
    assert spread["E"] == pytest.approx(0.03, abs=0.005)
    assert spread["alpha"] == pytest.approx(0.015, abs=0.001)  # published as .02
    assert spread["beta"] == pytest.approx(0.021, abs=0.002)
    best = bootstrap.optimal(5.76e23)  # Gopher's budget
    assert best.tokens.low / best.params.high < 20 < best.tokens.high / best.params.low


def test_hoffmann_constants_are_not_in_the_intervals(found):
    """What Besiroglu et al. report: the published constants do not fit the published points."""
    intervals = found.bootstrap(1000).constants()
    assert not intervals["E"].low < 1.6934 < intervals["E"].high
    assert not intervals["beta"].low < 0.2849 < intervals["beta"].high


def test_the_optimum_is_that_of_scipy_from_the_grid(points, found):
    """A part of the grid of the paper's appendix D.3: starts that are far from each other."""
    axes = (0.0, 10.0), (0.0, 10.0), (0.5,), (0.0, 0.5), (0.5,)
    runs, ones = points.drop_highest(DROPPED), np.ones(len(points) - DROPPED)
    best = scipy_best(runs, ones, map(np.array, itertools.product(*axes)))
    assert huber(logs_of(found.law), runs, ones)[0] == pytest.approx(found.objective, rel=1e-9)
    assert found.objective <= best.fun * (1 + 1e-8)
    np.testing.assert_allclose(logs_of(found.law), best.x, rtol=1e-3)


def test_resamples_reach_the_optimum_of_scipy(points, found):
    """Some of the 4,000, each from the full fit and from starts around it."""
    runs, generator = points.drop_highest(DROPPED), np.random.default_rng(5)
    laws, counts, full = found.bootstrap(4000).laws, resample(len(runs), 4000, 0), logs_of(found.law)
    for row in (0, 1234, 3999):
        starts = [full, *(full + generator.normal(size=(2, 5)) * [1, 1, 0.1, 0.05, 0.05])]
        best, ours = scipy_best(runs, counts[row], starts), logs_of(laws, row)
        assert huber(ours, runs, counts[row])[0] <= best.fun * (1 + 1e-8)
        np.testing.assert_allclose(ours, best.x, rtol=1e-3)


def test_muennighoff_numbers():
    """The two models of their figure 1, in the README of their code."""
    assert C4.loss(6.34e9, 242e9, 25e9) == pytest.approx(2.2256440889984477, rel=1e-12)
    assert C4.loss(8.67e9, 178e9, 25e9) == pytest.approx(2.2269634075087867, rel=1e-12)

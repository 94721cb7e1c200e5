# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fits of the three laws of the loss: slopes, recovery of known constants, intervals, and what is refused."""

import dataclasses

import numpy as np
import pytest

from tests.scaling.laws import C4, CHINCHILLA, KAPLAN, LAWS, grid, sweep
from zoo.errors import ConfigError, InputError
from zoo.scaling.fit import fit
from zoo.scaling.kaplan import Kaplan
from zoo.scaling.parametric import Chinchilla
from zoo.scaling.repetition import Repetition
from zoo.scaling.runs import Runs

by_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)


def ask(law, runs: Runs, predict=None) -> np.ndarray:
    """The law's losses of runs."""
    data = (runs.unique_tokens,) if isinstance(law, Repetition) else ()
    return (predict or law.loss)(runs.params, runs.tokens, *data)


@by_law
def test_log_losses_are_those_of_the_formula(law):
    runs = sweep(law)
    predicted = law.log_loss(np.log([[*law.values().values()]]), runs)[0]
    np.testing.assert_allclose(np.exp(predicted[0]), ask(law, runs), rtol=1e-12)


@by_law
def test_slopes_are_those_of_finite_differences(law):
    """At random runs, and with exponents that differ, whose slopes are not all the same."""
    generator = np.random.default_rng(3)
    unique = np.exp(generator.uniform(np.log(1e8), np.log(1e11), 60))
    epochs = np.where(generator.random(60) < 0.3, 1.0, np.exp(generator.uniform(0, 4, 60)))
    params = np.exp(generator.uniform(np.log(1e6), np.log(1e11), 60))
    runs = Runs(params=params, tokens=unique * epochs, unique_tokens=unique, loss=np.ones(60))
    logs = np.log([[*law.values().values()]]) + generator.uniform(-0.1, 0.1, (2, len(law.constants())))
    slopes = law.log_loss(logs, runs)[1]
    for index, slope in enumerate(slopes):
        step = 1e-6 * (np.arange(logs.shape[1]) == index)
        numeric = (law.log_loss(logs + step, runs)[0] - law.log_loss(logs - step, runs)[0]) / 2e-6
        np.testing.assert_allclose(np.broadcast_to(slope, numeric.shape), numeric, atol=2e-8)
        assert np.abs(numeric).max() > 1e-3


@by_law
def test_constants_are_found_exactly_without_noise(law):
    found = fit(type(law), sweep(law))
    np.testing.assert_allclose([*found.law.values().values()], [*law.values().values()], rtol=1e-6)
    assert np.abs(found.residuals).max() < 1e-8


def misses(law, draws: int) -> dict[float, list[int]]:
    """In how many draws each constant is not in its interval, by level.

    Noise is 1 %, and .2 % for the law with seven constants.
    """
    names, outside = law.constants(), {0.95: [], 0.99: []}
    for seed in range(draws):
        bootstrap = fit(type(law), sweep(law, 0.002 if law is C4 else 0.01, seed)).bootstrap(500, seed)
        for level, rows in outside.items():
            found = bootstrap.constants(level)
            rows.append([not found[name].low <= getattr(law, name) <= found[name].high for name in names])
    return {level: np.sum(rows, axis=0).tolist() for level, rows in outside.items()}


@pytest.mark.slow
@by_law
def test_constants_are_in_their_intervals_in_95_of_100_draws(law):
    """Those of 99 %. An interval of 95 % misses five times on average; more than 11 has a chance of 1 in 250."""
    found = misses(law, 100)
    assert max(found[0.99]) <= 5, found
    assert max(found[0.95]) <= 11, found
    assert sum(found[0.95]) > 0


@by_law
def test_constants_are_in_their_intervals_in_most_draws(law):
    assert max(misses(law, 6)[0.95]) <= 1


@by_law
def test_intervals_are_no_wider_than_they_must_be(law):
    """Among the intervals of many draws are some that miss, and their length is about four standard deviations."""
    draws = [fit(type(law), sweep(law, 0.002, seed)) for seed in range(20)]
    for name, interval in draws[0].bootstrap(500).constants().items():
        spread = np.std([np.log(getattr(each.law, name)) for each in draws])
        assert 2.5 < np.log(interval.high / interval.low) / spread < 8, name


@by_law
def test_the_interval_of_a_new_run_holds_new_runs(law):
    old, new = sweep(law, 0.01, seed=1), sweep(law, 0.01, seed=2)
    bootstrap = fit(type(law), old).bootstrap(400)
    run, curve = (ask(law, new, lambda *where, of=of: bootstrap.loss(*where, of=of)) for of in ("run", "law"))
    share = np.mean((run.low <= new.loss) & (new.loss <= run.high))
    assert 0.88 <= share < 1
    assert np.mean((curve.low <= new.loss) & (new.loss <= curve.high)) < 0.7
    np.testing.assert_array_equal(run.value, curve.value)


@by_law
def test_the_best_allocation_is_that_of_a_fine_grid(law):
    options = {"unique_tokens": 2e9} if law is C4 else {}
    for flops in (1e19, 3e21):
        best = law.optimal(flops, **options)
        sizes = best.params * np.geomspace(0.1, 10, 20001)
        losses = law.loss(sizes, flops / 6 / sizes, *options.values())
        np.testing.assert_allclose(best.params, sizes[np.argmin(losses)], rtol=5e-4)
        np.testing.assert_allclose(best.loss, losses.min(), rtol=1e-9)
        np.testing.assert_allclose(6 * best.params * best.tokens, flops, rtol=1e-9)


@by_law
def test_intervals_of_allocations_and_questions(law):
    options = {"unique_tokens": 2e9} if law is C4 else {}
    bootstrap = fit(type(law), sweep(law, 0.005)).bootstrap(200)
    flops = np.array([1e20, 1e21, 1e22])
    best, truth = bootstrap.optimal(flops, **options), law.optimal(flops, **options)
    for interval, true in zip(best, truth, strict=True):
        assert interval.value.shape == interval.low.shape == (3,)
        assert (interval.low < interval.value).all() and (interval.value < interval.high).all()
        assert ((interval.low < true) & (true < interval.high)).all()
    one = bootstrap.of(lambda each: each.optimal(1e21, **options).params)
    np.testing.assert_allclose(one, [getattr(best.params, end)[1] for end in ("value", "low", "high")])
    wide = bootstrap.of(lambda each: each.optimal(1e21, **options).params, level=0.99)
    assert wide.low < one.low < one.high < wide.high


@by_law
def test_a_bootstrap_is_that_of_its_seed(law):
    found = fit(type(law), sweep(law, 0.01))
    first, again, other = (found.bootstrap(50, seed).constants() for seed in (0, 0, 1))
    assert first == again != other


def test_fixed_constants_stay_and_the_rest_is_fitted():
    """As Muennighoff et al. fit theirs: Chinchilla's constants from runs without repetition, and then R_D and R_N."""
    fixed = {name: getattr(C4, name) for name in Chinchilla.constants()}
    found = fit(Repetition, sweep(C4, 0.002), fixed=fixed)
    assert {name: getattr(found.law, name) for name in fixed} == pytest.approx(fixed, rel=1e-12)
    intervals = found.bootstrap(200).constants()
    assert intervals["R_D"].low < C4.R_D < intervals["R_D"].high
    assert intervals["E"].low == pytest.approx(intervals["E"].high, rel=1e-12)


def lines(points: int, **change) -> Runs:
    """Runs that Chinchilla's law can be fitted to, but for a change."""
    params, tokens = grid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 1e11, 4))
    columns = {"params": params, "tokens": tokens} | change
    loss = CHINCHILLA.loss(columns["params"], columns["tokens"])
    return Runs(**columns, loss=loss).take(np.arange(points))


SIZES, TOKENS = np.geomspace(1e7, 1e9, 16), np.random.default_rng(0).permutation(np.geomspace(1e9, 1e11, 16))


@pytest.mark.parametrize(
    "law, runs, words",
    [
        (Chinchilla, lines(1), "Chinchilla's law needs 6 runs or more; found 1"),
        (Chinchilla, lines(5), "needs 6 runs or more; found 5"),
        (Chinchilla, lines(16, params=np.full(16, 1e8)), r"3 or more different values of params; found 1 \(1e\+08\)"),
        (
            Chinchilla,
            lines(16, params=np.repeat([1e8, 2e8], 8)),
            r"different values of params; found 2 \(1e\+08, 2e\+08\)",
        ),
        (Chinchilla, lines(16, tokens=np.full(16, 1e9)), "different values of tokens; found 1"),
        (Chinchilla, lines(16, params=SIZES, tokens=20 * SIZES), "found tokens that are one power law of params"),
        (Kaplan, lines(4), "Kaplan's law needs 5 runs or more; found 4"),
        (
            Kaplan,
            lines(16, params=np.full(16, 1e8)),
            "Kaplan's law needs 2 or more different values of params; found 1",
        ),
        (Repetition, lines(7), "repeated data needs 8 runs or more; found 7"),
        (Repetition, lines(16), "needs runs of more than one epoch; found 16 runs .* R_D .*15.39 on C4"),
        (
            Repetition,
            lines(16, params=SIZES / 1e5, tokens=TOKENS, unique_tokens=TOKENS / grid([1, 4], range(8))[0]),
            "found R_N, on which at the best fit no loss of the 16 depends. .*5.31 on C4",
        ),
    ],
)
def test_runs_that_leave_a_constant_undetermined_are_refused(law, runs, words):
    with pytest.raises(InputError, match=words):
        fit(law, runs)


def test_losses_that_no_law_fits_are_refused():
    """Losses that rise with size, whose best fit lacks the term of the params; and losses that are all the same."""
    runs = lines(16)
    rising = Runs(params=runs.params, tokens=runs.tokens, loss=2 + runs.params**0.05 + runs.tokens**-0.1)
    with pytest.raises(InputError, match="found A, on which at the best fit no loss of the 16 depends"):
        fit(Chinchilla, rising)
    with pytest.raises(InputError, match="must settle on the 16 runs; found constants that still move: N_c "):
        fit(Kaplan, Runs(params=runs.params, tokens=runs.tokens, loss=np.full(16, 3.0)))


def test_bad_arguments_are_refused():
    runs = sweep(CHINCHILLA)
    for arguments, words in (
        ({"fixed": {"gamma": 1.0}}, "has the constants E, A, B, alpha, beta; found 'gamma'"),
        ({"fixed": {"E": 0.0}}, "fixed.'E'. must be finite and above 0; found 0.0"),
        ({"fixed": dataclasses.asdict(CHINCHILLA)}, "holds all constants"),
        ({"delta": 0.0}, "delta must be finite and above 0, such as 0.001; found 0.0"),
    ):
        with pytest.raises(ConfigError, match=words):
            fit(Chinchilla, runs, **arguments)
    bootstrap = fit(Chinchilla, runs).bootstrap(2)
    with pytest.raises(ConfigError, match=r"level must be above 0 and below 1, such as 0.95; found 95.0"):
        bootstrap.constants(95.0)
    with pytest.raises(ConfigError, match="resamples must be 2 or more, such as 1000; found 1"):
        fit(Kaplan, sweep(KAPLAN)).bootstrap(1)

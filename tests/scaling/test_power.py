# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Power laws of several inputs, of values and of the minima of sweeps."""

import numpy as np
import pytest

from tests.scaling.laws import grid
from zoo.errors import ConfigError, InputError
from zoo.scaling.power import fit_optima, fit_power

SCALE, BY_PARAMS, BY_TOKENS = 3.24, -0.264, 0.316


def rates(noise: float = 0.0, seed: int = 0, factors=(0.25, 0.5, 1, 2, 4)):
    """A sweep of learning rates at each of some sizes and tokens, with a loss that is a parabola of their logarithm."""
    params, tokens, factor = grid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 1e11, 3), factors)
    best = SCALE * params**BY_PARAMS * tokens**BY_TOKENS / 1e3
    loss = 3 + 0.05 * np.log(factor) ** 2 + noise * np.random.default_rng(seed).normal(size=len(params))
    return best * factor, loss, params, tokens


def test_a_power_law_is_found_exactly_without_noise():
    _, _, params, tokens = rates()
    found = fit_power(SCALE * params**BY_PARAMS * tokens**BY_TOKENS, params=params, tokens=tokens)
    assert found.law.values() == pytest.approx({"scale": SCALE, "params": BY_PARAMS, "tokens": BY_TOKENS})
    assert found.law(params=3e8, tokens=1e10) == pytest.approx(SCALE * 3e8**BY_PARAMS * 1e10**BY_TOKENS)


def test_kaplan_law_of_one_variable():
    sizes = np.geomspace(1e5, 1e9, 7)
    found = fit_power((8.8e13 / sizes) ** 0.076, params=sizes)
    assert found.law.exponents["params"] == pytest.approx(-0.076)
    assert found.law.scale ** (1 / 0.076) == pytest.approx(8.8e13)


def test_the_best_rates_of_a_sweep():
    values, loss, params, tokens = rates()
    found = fit_optima(values, loss, params=params, tokens=tokens)
    assert found.law.values() == pytest.approx({"scale": SCALE / 1e3, "params": BY_PARAMS, "tokens": BY_TOKENS})


def test_constants_are_in_their_intervals():
    """In nearly all of 100 draws, for values and for sweeps."""
    truth = {"scale": SCALE / 1e3, "params": BY_PARAMS, "tokens": BY_TOKENS}
    missed = {(kind, name): 0 for kind in ("values", "sweep") for name in truth}
    for seed in range(100):
        values, loss, params, tokens = rates(0.005, seed)
        noisy = SCALE / 1e3 * params**BY_PARAMS * tokens**BY_TOKENS
        noisy *= np.exp(0.1 * np.random.default_rng(seed).normal(size=len(params)))
        for kind, found in (
            ("values", fit_power(noisy, params=params, tokens=tokens)),
            ("sweep", fit_optima(values, loss, params=params, tokens=tokens)),
        ):
            for name, interval in found.bootstrap(1000, seed).constants().items():
                missed[kind, name] += not interval.low <= truth[name] <= interval.high
    assert max(missed.values()) <= 10 and min(missed.values()) > 0, missed


def test_intervals_of_predictions():
    values, loss, params, tokens = rates(0.005)
    bootstrap = fit_optima(values, loss, params=params, tokens=tokens).bootstrap(300)
    found = bootstrap.of(lambda law: law(params=np.array([1e9, 1e10]), tokens=1e11))
    assert found.low.shape == (2,) and (found.low < found.value).all() and (found.value < found.high).all()


@pytest.mark.parametrize(
    "values, inputs, words",
    [
        ([1.0, 2.0], {"params": [1.0, 2.0]}, "power law of params needs 3 or more points; found 2"),
        ([1.0, 2.0, 3.0], {"params": [5.0, 5.0, 5.0]}, "undetermined; found all points with the same params"),
        ([1.0] * 4, {"params": [1.0, 2, 3, 4], "tokens": [1.0, 4, 9, 16]}, "inputs that are power laws of each other"),
        ([1.0, -2.0, 3.0], {"params": [1.0, 2.0, 3.0]}, "values must be finite and above 0; found -2 at index 1"),
        ([1.0, 2.0, 3.0], {"params": [1.0, np.nan, 3.0]}, "params must be finite and above 0; found nan at index 1"),
        ([1.0, 2.0, 3.0], {"params": [1.0, 2.0]}, "as many values of each; found shapes"),
    ],
)
def test_bad_points_are_refused(values, inputs, words):
    with pytest.raises(InputError, match=words):
        fit_power(values, **inputs)


def test_sweeps_without_residuals_have_no_interval():
    """Three values at each input: every parabola goes through its points."""
    values, loss, params, tokens = rates(0.005, factors=(0.5, 1, 2))
    found = fit_optima(values, loss, params=params, tokens=tokens)
    with pytest.raises(InputError, match="more points than the 36 numbers that are fitted; found 36"):
        found.bootstrap(100)


def test_bad_sweeps_and_questions_are_refused():
    values, loss, params, tokens = rates(factors=(1, 2, 4))
    with pytest.raises(InputError, match=r"least and the largest learning rates; found params 1e.07, .* at the least"):
        fit_optima(values, 30 + loss + np.log(values), what="learning rates", params=params, tokens=tokens)
    values, loss, params, tokens = rates(factors=(0.5, 2))
    with pytest.raises(InputError, match=r"3 or more different values; found 2 at params 1e\+07, tokens 1e\+09"):
        fit_optima(values, loss, params=params, tokens=tokens)
    with pytest.raises(ConfigError, match="needs an input, by name"):
        fit_power([1.0, 2.0, 3.0])
    with pytest.raises(ConfigError, match="This law is of params; found size"):
        fit_power([1.0, 2.0, 4.0], params=[1.0, 2.0, 3.0]).law(size=1.0)

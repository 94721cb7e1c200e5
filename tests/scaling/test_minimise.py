# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""BFGS of many problems at once, on functions whose minima are known."""

import numpy as np
import pytest

from zoo.scaling.minimise import minimise


def rosenbrock(points, rows):
    """A valley that bends, with its minimum at (r, r^2) for row r."""
    x, y = points.T
    value = (x - rows) ** 2 + 100 * (y - x**2) ** 2
    return value, np.stack([2 * (x - rows) - 400 * x * (y - x**2), 200 * (y - x**2)], axis=-1)


def identity(count, size):
    return np.tile(np.eye(size), (count, 1, 1))


def test_each_row_finds_its_own_minimum():
    rows = np.arange(4.0)
    found = minimise(rosenbrock, np.tile([-1.2, 1.0], (4, 1)), identity(4, 2), tolerance=0.0, floor=1e-20)
    assert found.converged.all()
    np.testing.assert_allclose(found.point, np.stack([rows, rows**2], axis=-1), atol=1e-6)


def test_rows_do_not_depend_on_each_other():
    start = np.array([[-1.2, 1.0], [3.0, -2.0], [0.5, 0.5]])
    together = minimise(rosenbrock, start, identity(3, 2), floor=1e-16)
    for row in range(3):
        alone = minimise(
            lambda points, rows, row=row: rosenbrock(points, rows + row), start[[row]], identity(1, 2), floor=1e-16
        )
        np.testing.assert_array_equal(alone.point[0], together.point[row])


def test_a_nearly_piecewise_linear_function():
    """Huber's loss of a line with outliers, whose curvature is next to nothing but near the answer."""
    x, delta = np.linspace(-1, 1, 41), 1e-3
    y = 2 * x + 1 + 0.01 * np.sin(40 * x)
    y[::5] += 5

    def objective(points, rows):
        error = points[:, [0]] + points[:, [1]] * x - y
        pull = np.clip(error, -delta, delta)
        return (pull * (error - pull / 2)).sum(1), np.stack([pull.sum(1), pull @ x], axis=-1)

    found = minimise(objective, np.array([[0.0, 0.0], [30.0, -30.0]]), 10 * identity(2, 2))
    assert found.converged.all()
    np.testing.assert_allclose(found.point, [[1, 2], [1, 2]], atol=0.02)
    np.testing.assert_allclose(found.value[0], found.value[1], rtol=1e-8)


def test_steps_beyond_the_domain_are_shortened():
    def objective(points, rows):
        with np.errstate(invalid="ignore", divide="ignore"):
            return points[:, 0] - np.log(points[:, 0]), 1 - 1 / points

    found = minimise(objective, np.array([[1e-3]]), identity(1, 1) * 10)
    np.testing.assert_allclose(found.point, [[1.0]], rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_steps_of_a_wrong_scale_are_mended(scale):
    """They are lengthened or shortened until the function falls, and until its slope does."""

    def bowl(points, rows):
        return (points**2).sum(1) + (points**4).sum(1), 2 * points + 4 * points**3

    start, values = np.array([[3.0, -2.0]]), []
    for steps in range(30):
        values.append(minimise(bowl, start, scale * identity(1, 2), steps=steps, floor=1e-12).value[0])
    assert np.all(np.diff(values) <= 0)
    assert values[-1] < 1e-6


def test_a_row_that_is_still_moving_has_not_converged():
    def objective(points, rows):
        return np.exp(-points[:, 0]), -np.exp(-points)

    found = minimise(objective, np.zeros((1, 1)), identity(1, 1), steps=5)
    assert not found.converged[0]
    assert found.point[0, 0] > 1


@pytest.mark.parametrize("count", [1, 7])
def test_the_start_is_left_as_it_was(count):
    start = np.tile([-1.2, 1.0], (count, 1))
    minimise(rosenbrock, start, identity(count, 2), floor=1e-16)
    np.testing.assert_array_equal(start, np.tile([-1.2, 1.0], (count, 1)))

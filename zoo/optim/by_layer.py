# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Updates that depend on a whole matrix: by layer where layers are stacked, whatever axes the matrix spans.

The same transformations of optax take an array for one parameter and its two largest axes for those of the matrix,
which a stack `[L, in, heads, head_width]` is not.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from zoo.optim.parameters import Axes, Parameter, Select, map_parameters


def scale_by_trust_ratio(axes: Axes, select: Select) -> optax.GradientTransformation:
    """LAMB's (arXiv:1904.00962, algorithm 2): updates of selected parameters get the norm of what they update.

    Where either norm is 0 the update stays as it is.
    """

    def scale(parameter: Parameter, update: Array, param: Array) -> Array:
        if not select(parameter):
            return update
        ours, theirs = (_root_mean_square(parameter, x) for x in (param, update))
        ratio = jnp.where((ours > 0) & (theirs > 0), ours / jnp.where(theirs > 0, theirs, 1.0), 1.0)
        return update * ratio.astype(update.dtype)

    return _stateless(axes, scale)


def scale_by_parameter(axes: Axes, smallest: float) -> optax.GradientTransformation:
    """Adafactor's relative step (arXiv:1804.04235, section 8): by the root mean square of the parameter, or more."""

    def scale(parameter: Parameter, update: Array, param: Array) -> Array:
        return update * jnp.maximum(_root_mean_square(parameter, param), smallest).astype(update.dtype)

    return _stateless(axes, scale)


def clip_by_root_mean_square(axes: Axes, largest: float) -> optax.GradientTransformation:
    """Adafactor's clipping of updates (arXiv:1804.04235, section 6), each parameter by itself."""

    def clip(parameter: Parameter, update: Array, param: Array) -> Array:
        del param
        return update / jnp.maximum(1.0, _root_mean_square(parameter, update) / largest).astype(update.dtype)

    return _stateless(axes, clip)


def scale_by_size(axes: Axes, root_mean_square: float) -> optax.GradientTransformation:
    """Orthogonal matrices to such a root mean square (arXiv:2502.16982, equation 4); 0 is by `sqrt(columns / rows)`."""

    def scale(parameter: Parameter, update: Array, param: Array) -> Array:
        del param
        rows, columns = parameter.matrix_shape
        if not root_mean_square:
            return update * math.sqrt(max(1.0, columns / rows))
        return update * (root_mean_square * math.sqrt(max(rows, columns)))

    return _stateless(axes, scale)


class Factors(NamedTuple):
    """Means of squared gradients over columns and over rows, with 1 in place of the axes that a mean is over."""

    rows: Float[Array, "..."]
    columns: Float[Array, "..."]


class FactoredState(NamedTuple):
    """Attributes: moments: of each parameter its squared gradients, or their `Factors`; all in float32."""

    count: Int[Array, ""]
    moments: Any


def scale_by_factored_rms(
    axes: Axes, factored: Select, *, decay_exponent: float, eps: float
) -> optax.GradientTransformation:
    """Adafactor's second moment (arXiv:1804.04235, algorithm 4): a row and a column for a selected matrix.

    At step t the moment forgets `1 - t ** -decay_exponent` of what it was; `eps` is added to squared gradients.
    """

    def init(params):
        def zeros(parameter: Parameter, param: Array) -> Any:
            moment = jnp.zeros(param.shape, jnp.float32)
            return _means(parameter, moment) if factored(parameter) else moment

        return FactoredState(jnp.int32(0), map_parameters(zeros, axes, params))

    def update(updates, state, params=None):
        del params
        count = state.count + 1
        new = count.astype(jnp.float32) ** -decay_exponent  # the weight of this step's gradient

        def moments(parameter: Parameter, grad: Array, before: Any) -> Any:
            squares = jnp.square(grad.astype(jnp.float32)) + eps
            now = _means(parameter, squares) if factored(parameter) else squares
            return jax.tree.map(lambda old, this: (1 - new) * old + new * this, before, now)

        def scale(parameter: Parameter, grad: Array, moment: Any) -> Array:
            if not factored(parameter):
                return grad * jax.lax.rsqrt(moment).astype(grad.dtype)
            mean = jnp.mean(moment.rows, axis=_matrix(parameter)[0], keepdims=True)
            return grad * (jax.lax.rsqrt(moment.rows / mean) * jax.lax.rsqrt(moment.columns)).astype(grad.dtype)

        after = map_parameters(moments, axes, updates, state.moments)
        return map_parameters(scale, axes, updates, after), FactoredState(count, after)

    return optax.GradientTransformation(init, update)


def _means(parameter: Parameter, squares: Array) -> Factors:
    rows, columns = _matrix(parameter)
    return Factors(jnp.mean(squares, axis=columns, keepdims=True), jnp.mean(squares, axis=rows, keepdims=True))


def _matrix(parameter: Parameter) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if parameter.matrix is None:
        raise ValueError(f"{parameter.name} is no matrix")
    return parameter.matrix


def _root_mean_square(parameter: Parameter, x: Array) -> Array:
    """Of each layer's, with 1 in place of its axes."""
    return jnp.sqrt(jnp.mean(jnp.square(x.astype(jnp.float32)), axis=parameter.own, keepdims=True))


def _stateless(axes: Axes, function: Any) -> optax.GradientTransformation:
    def update(updates, state, params=None):
        return map_parameters(function, axes, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)

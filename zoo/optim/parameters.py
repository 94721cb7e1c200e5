# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What an optimizer knows of a parameter: its name, and by its logical axes the matrix that each layer has.

Layers are stored stacked, and a matrix may span more than two axes: a kernel `[layers, embed, heads, kv]` holds one
matrix of `embed` rows and `heads x kv` columns for each layer. Rules by matrix or by layer go by these axes.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
from flax import nnx

from zoo.errors import ConfigError

# Logical axes by the names that lead to a parameter.
Axes = Mapping[tuple[Any, ...], tuple[str, ...]]

_LAYERS = "layers"
_SPLIT = ("heads", "kv")  # one axis of a matrix, stored as two

# By name and not by rank: stacked layers give a bias [L, N, H] three axes. One table serves every family, since weights
# are named for what they do; embeddings decay, as in the original BERT and GPT-2 optimizers.
_DECAYS = {"kernel": True, "embedding": True, "bias": False, "scale": False}
# XLNet's own: biases of queries, the embedding of "same segment or not", and that of a token to predict.
_DECAYS |= {"content_bias": False, "position_bias": False, "segment_bias": False, "segment": True, "unknown": True}
_OUTPUTS = {"vocab", "classes"}  # a kernel with such an axis is the last one, whose columns are answers


class Parameter(NamedTuple):
    """One parameter of a model. Attributes: path: the names that lead to it. axes: its logical axes."""

    path: tuple[Any, ...]
    axes: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """The names with dots between."""
        return ".".join(map(str, self.path))

    @property
    def own(self) -> tuple[int, ...]:
        """The axes of one layer's parameter: all but that of the layers."""
        return tuple(index for index, axis in enumerate(self.axes) if axis != _LAYERS)

    @property
    def matrix(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """The axes of the rows and of the columns; None if one layer's parameter is no matrix."""
        groups: list[tuple[int, ...]] = []
        for index in self.own:
            if groups and (self.axes[groups[-1][-1]], self.axes[index]) == _SPLIT:
                groups[-1] += (index,)
            else:
                groups.append((index,))
        return (groups[0], groups[1]) if len(groups) == 2 else None

    @property
    def matrix_shape(self) -> tuple[int, ...]:
        """Its number of rows and of columns; () if it is no matrix."""
        return tuple(math.prod(self.shape[axis] for axis in axes) for axes in self.matrix or ())

    @property
    def size(self) -> int:
        """Numbers in it, of all layers."""
        return math.prod(self.shape)

    @property
    def decays(self) -> bool:
        """Whether weight decay applies. A ConfigError if the table lacks the last of its names."""
        name = str(self.path[-1])
        if name not in _DECAYS:
            raise ConfigError(
                f"no weight-decay rule for the parameter {self.name}; add {name!r} to zoo/optim/parameters.py."
            )
        return _DECAYS[name]

    @property
    def is_hidden_matrix(self) -> bool:
        """Whether it is a matrix between hidden vectors: no embedding, and not the last one of a head."""
        return self.path[-1] == "kernel" and self.matrix is not None and not _OUTPUTS & set(self.axes)


Select = Callable[[Parameter], bool]


def logical_axes(params: nnx.State) -> dict[tuple[Any, ...], tuple[str, ...]]:
    """The axes that modules gave to their parameters."""
    found = jax.tree.leaves_with_path(params, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    return {_names(path): leaf.get_metadata()["axes"] for path, leaf in found}


def list_parameters(params: Any, axes: Axes) -> list[Parameter]:
    """The parameters of a nested dict, in its order."""
    return [_parameter(path, leaf, axes) for path, leaf in jax.tree.leaves_with_path(params)]


def map_parameters(function: Callable[..., Any], axes: Axes, tree: Any, *rest: Any) -> Any:
    """`jax.tree.map` over a nested dict of arrays, whose function gets the `Parameter` as its first argument."""

    def apply(path, leaf, *others):
        return function(_parameter(path, leaf, axes), leaf, *others)

    return jax.tree.map_with_path(apply, tree, *rest)


def map_state(function: Callable[[tuple[str, ...], Any], Any], opt_state: Any, params: Any, axes: Axes) -> Any:
    """Maps `function(axes, leaf)` over an optimizer's state: a moment has the axes of the parameter of its name.

    Args:
      params: as shapes. An axis of another size than theirs, over which a moment is a mean, is called `width`.
    """
    shapes = {each.path: each.shape for each in list_parameters(params, axes)}

    def apply(path, leaf):
        name = tuple(key.key for key in path if isinstance(key, jax.tree_util.DictKey))
        if len(shapes.get(name, ())) != len(leaf.shape):
            return function(("width",) * len(leaf.shape), leaf)
        sizes = zip(axes[name], shapes[name], leaf.shape, strict=True) if name in shapes else ()
        return function(tuple(axis if size == full else "width" for axis, full, size in sizes), leaf)

    return jax.tree.map_with_path(apply, opt_state)


def mask(select: Select, axes: Axes) -> Callable[[Any], Any]:
    """A function from parameters to a tree of the same structure: True where `select` is."""
    return lambda params: map_parameters(lambda parameter, _: select(parameter), axes, params)


def decay_mask(params: Any) -> Any:
    """True where weight decay applies. A parameter whose last name the table lacks is a ConfigError."""
    return jax.tree.map_with_path(lambda path, leaf: Parameter(_names(path), (), leaf.shape).decays, params)


def _parameter(path: Any, leaf: Any, axes: Axes) -> Parameter:
    names = _names(path)
    if names not in axes:
        raise ConfigError(f"the optimizer does not know the logical axes of {'.'.join(map(str, names))}; give `axes`.")
    return Parameter(names, axes[names], leaf.shape)


def _names(path: Any) -> tuple[Any, ...]:
    return tuple(key.key for key in path)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Layer-wise decay of the learning rate: lower for layers nearer to the input (ELECTRA, arXiv:2003.10555, appendix B).

The rate of a parameter at depth `d` is multiplied by `decay ** (L + 2 - d)`: embeddings are at depth 0, layer `i` at
`i + 1`, pooler and head at `L + 2` (`_get_layer_lrs` in model/optimization.py of github.com/google-research/electra).
All families follow this formula. What ELECTRA lacks: a norm after the last layer is at `L + 1`; a table of biases
that the layers share (T5) counts as an embedding; layers that share parameters (ALBERT) are one; the layers of a
decoder come after those of its encoder, whose final norm is at the depth of the decoder's first layer.

XLNet's own code differs: it multiplies gradients, not the rate, by `decay ** (L - 1 - i)`, and those of layers alone.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from zoo.errors import ConfigError

# The parts of a model by their attributes in `zoo.nn`; "unknown" is XLNet's embedding of a token to predict.
_EMBEDDINGS, _STACKS, _OUTPUT = ("embed", "unknown"), ("stack", "decoder"), ("pooler", "head")
_NORMS = {"final_norm": "stack", "decoder_norm": "decoder"}  # each after the last layer of a stack


def scale_by_layer(decay: float, frozen: Any = None) -> optax.GradientTransformation:
    """Multiplies updates by `layer_factors`; after AdamW, so that its weight decay follows the rate."""

    def init(params):
        layer_factors(params, decay, frozen)  # a parameter without a rule is refused before anything is computed
        return optax.EmptyState()

    def update(updates, state, params=None):
        del params
        factors = layer_factors(updates, decay, frozen)
        return jax.tree.map(lambda leaf, factor: leaf * jnp.asarray(factor, leaf.dtype), updates, factors), state

    return optax.GradientTransformation(init, update)


def layer_factors(params: Any, decay: float, frozen: Any = None) -> Any:
    """The factor on each parameter's learning rate: a float, or for stacked layers an array [L, 1, ...].

    Args:
      params: of one model, or of a module that holds several under names of their own, each with its own depth.
      frozen: those that do not train; their layers count as well.

    Raises:
      ConfigError: a parameter whose depth no rule gives.
    """
    layers = _count_layers(params, frozen)

    def factor(path, leaf) -> Any:
        distance = _distance(_locate(path), leaf, layers)
        if distance is None:
            where = ".".join(str(key.key) for key in path)
            raise ConfigError(
                f"optimizer.layer_decay is {decay}, and the parameter {where} has no depth: its name is not in "
                "zoo/optim/layer_decay.py, or no layers are beside it; add a rule there, or set layer_decay to 1."
            )
        if isinstance(distance, int):
            return decay**distance
        return np.array([decay**each for each in distance]).reshape(-1, *[1] * (leaf.ndim - 1))

    return jax.tree.map_with_path(factor, params)


class _Place(NamedTuple):
    """Where a parameter is: the names that lead to its model, the part of the model, and the names within that."""

    model: tuple[Any, ...]
    part: str
    rest: tuple[Any, ...]

    @property
    def in_layers(self) -> bool:
        return self.part in _STACKS and self.rest[0] == "blocks"

    @property
    def layer(self) -> int | None:
        """Its layer, where each has arrays of its own; None where they are stacked."""
        return self.rest[1] if isinstance(self.rest[1], int) else None


def _locate(path: Any) -> _Place | None:
    names = tuple(key.key for key in path)
    for index, name in enumerate(names):
        rest = names[index + 1 :]
        # A module that wraps models may call one of them "decoder".
        is_stack = name in _STACKS and (rest[:1] == ("blocks",) or rest == ("bias", "embedding"))
        if is_stack or name in _EMBEDDINGS or name in _NORMS or name in _OUTPUT:
            return _Place(names[:index], name, rest)
    return None


def _count_layers(*trees: Any) -> dict[tuple[Any, str], int]:
    """The number of layers by model and stack."""
    found: dict[tuple[Any, str], int] = {}
    for path, leaf in jax.tree.leaves_with_path(trees):
        place = _locate(path[1:])  # the first key is the tree's index
        if place is not None and place.in_layers:
            key, end = (place.model, place.part), leaf.shape[0] if place.layer is None else place.layer + 1
            found[key] = max(found.get(key, 0), end)
    return found


def _distance(place: _Place | None, leaf: Any, layers: dict[tuple[Any, str], int]) -> int | list[int] | None:
    """How far below the head, `L + 2 - depth`: of stacked layers one number each; None if that cannot be known."""
    if place is None:
        return None
    if place.part in _OUTPUT:
        return 0
    encoder, decoder = (layers.get((place.model, stack), 0) for stack in _STACKS)
    if place.part in _NORMS:
        return 1 if _NORMS[place.part] == "decoder" else 1 + decoder
    if not place.in_layers:
        return encoder + decoder + 2 if encoder else None
    top = decoder if place.part == "decoder" else encoder + decoder
    below = top + 1  # the distance of the stack's first layer
    if place.layer is not None:
        return below - place.layer
    return [below - index for index in range(leaf.shape[0])]

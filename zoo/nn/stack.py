# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The layers one after another: stored stacked `[L, ...]`, run by a scan or by a loop."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.kernels.attention import AttentionMask
from zoo.nn.block import Block
from zoo.nn.cache import Cache
from zoo.nn.config import TransformerConfig

_REMAT_POLICIES = {"full": None, "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable}


class StackOutput(NamedTuple):
    """The last layer's output, the cache with every layer's keys, and each layer's output if it was asked for."""

    hidden: Float[Array, "B T D"]
    cache: Cache | None
    hidden_states: tuple[Float[Array, "B T D"], ...]


class Stack(nnx.Module):
    """L layers from `config.layers_stored` sets of parameters; layer `i` uses set `i * stored // L`."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        keys = jax.random.split(rngs.params(), config.layers_stored)
        self.blocks = nnx.vmap(lambda key: Block(config, rngs=nnx.Rngs(key)))(keys)
        for param in jax.tree.leaves(nnx.state(self.blocks), is_leaf=lambda leaf: isinstance(leaf, nnx.Variable)):
            param.set_metadata(axes=("layers", *param.get_metadata()["axes"]))

    def unstack(self) -> None:
        """Splits the stored layers once, in place, so that a loop around the model need not slice them again."""
        graphdef, params = nnx.split(self.blocks)
        self.blocks = nnx.List([nnx.merge(graphdef, layer) for layer in split_layers(params)])

    def __call__(
        self,
        x: Float[Array, "B T D"],
        mask: AttentionMask,
        *,
        dropout_key: Array | None = None,
        cache: Cache | None = None,
        return_hidden_states: bool = False,
    ) -> StackOutput:
        def run_layer(block: Block, x, cache, index, window):
            key = None if dropout_key is None else jax.random.fold_in(dropout_key, index)
            layer_mask = dataclasses.replace(mask, window=window)
            return block(x, layer_mask, dropout_key=key, cache=cache, layer=index)

        unstacked = isinstance(self.blocks, nnx.List)
        run = self._loop if unstacked or self.config.stack == "loop" else self._scan
        return run(run_layer, x, cache, return_hidden_states)

    def _loop(self, run_layer: Callable, x, cache, return_hidden_states: bool) -> StackOutput:
        if isinstance(self.blocks, nnx.List):
            graphdef, layers = nnx.split(self.blocks[0])[0], [nnx.state(block) for block in self.blocks]
        else:
            graphdef, params = nnx.split(self.blocks)
            layers = split_layers(params)
        pattern, hidden_states = self.config.attention.pattern, []
        for index in range(self.config.num_layers):
            window = pattern[index % len(pattern)]

            def apply(params, x, cache, index=index, window=window):
                return run_layer(nnx.merge(graphdef, params), x, cache, index, window)

            x, cache = self._remat(apply)(layers[index * len(layers) // self.config.num_layers], x, cache)
            hidden_states.append(x)
        return StackOutput(x, cache, tuple(hidden_states) if return_hidden_states else ())

    def _scan(self, run_layer: Callable, x, cache, return_hidden_states: bool) -> StackOutput:
        """Scans over whole periods of the attention pattern, so that the windows stay static."""
        graphdef, params = nnx.split(self.blocks)
        num_layers, pattern = self.config.num_layers, self.config.attention.pattern
        repeats = num_layers // self.config.layers_stored

        def by_period(leaf):
            return leaf.reshape(num_layers // len(pattern), len(pattern), *leaf.shape[1:])

        def period(carry, inputs):
            x, cache = carry
            indices, period_params = inputs
            states = []
            for place, window in enumerate(pattern):
                pick = (
                    (lambda leaf, i=place: leaf[i])
                    if repeats == 1
                    else (
                        lambda leaf, i=place: jax.lax.dynamic_index_in_dim(leaf, indices[i] // repeats, keepdims=False)
                    )
                )
                layer_params = jax.tree.map(pick, period_params if repeats == 1 else params)

                def apply(params, x, cache, index, window=window):
                    return run_layer(nnx.merge(graphdef, params), x, cache, index, window)

                x, cache = self._remat(apply)(layer_params, x, cache, indices[place])
                states.append(x)
            return (x, cache), tuple(states) if return_hidden_states else None

        indices = by_period(jnp.arange(num_layers, dtype=jnp.int32))
        inputs = (indices, jax.tree.map(by_period, params) if repeats == 1 else None)
        (x, cache), states = jax.lax.scan(period, (x, cache), inputs)
        if not return_hidden_states:
            return StackOutput(x, cache, ())
        ordered = (state[step] for step in range(len(indices)) for state in states)
        return StackOutput(x, cache, tuple(ordered))

    def _remat(self, layer: Callable) -> Callable:
        if self.config.remat == "none":
            return layer
        # Inside a scan the loop itself keeps the compiler from merging the two computations.
        return jax.checkpoint(layer, policy=_REMAT_POLICIES[self.config.remat], prevent_cse=self.config.stack == "loop")


def split_layers(params: nnx.State) -> list[nnx.State]:
    """Stacked parameters `[L, ...]` as L trees; `lax.split` because its gradient is one concatenation."""
    leaves, treedef = jax.tree.flatten(params)
    pieces = [[piece.squeeze(0) for piece in jax.lax.split(leaf, [1] * leaf.shape[0])] for leaf in leaves]
    return [jax.tree.unflatten(treedef, layer) for layer in zip(*pieces, strict=True)]

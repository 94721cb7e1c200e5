# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The layers one after another: stored stacked `[L, ...]`, run by a scan or by a loop."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from zoo.nn.block import Attends, Block, Layer, Source
from zoo.nn.cache import Cache
from zoo.nn.config import TransformerConfig
from zoo.nn.positions import BucketBias

# Names given by `constrain` and the kernels. A norm after the sum reads the feed-forward network's output, "fed".
_ATTENTION = ("query", "key", "value", "attended", "normalizer")
_SAVED = {"cheap": (*_ATTENTION, "up", "gate", "fed"), "mlp": (*_ATTENTION, "fed"), "full": ()}


class StackOutput(NamedTuple):
    """The last layer's output, the cache with every layer's keys, and each layer's output if requested."""

    hidden: Any
    cache: Cache | None
    hidden_states: tuple[Any, ...]


class Stack(nnx.Module):
    """L layers from `config.layers_stored` sets of parameters; layer `i` uses set `i * stored // L`."""

    def __init__(
        self,
        config: TransformerConfig,
        *,
        attends: Attends = "itself",
        block_type: type[Layer] = Block,
        rngs: nnx.Rngs,
    ):
        self.config = config
        keys = jax.random.split(rngs.params(), config.layers_stored)
        self.blocks = nnx.vmap(lambda key: block_type(config, attends=attends, rngs=nnx.Rngs(key)))(keys)
        self.bias = BucketBias(config, rngs=rngs) if config.positions == "buckets" else None
        for param in _variables(self.blocks):
            param.set_metadata(axes=("layers", *param.get_metadata()["axes"]))

    @property
    def is_unstacked(self) -> bool:
        """Whether `unstack` was called."""
        return isinstance(self.blocks, nnx.List)

    def unstack(self) -> None:
        """Splits the stored layers once, in place, so that calls do not slice them again."""
        if self.is_unstacked:
            return
        graphdef, params = nnx.split(self.blocks)
        self.blocks = nnx.List([nnx.merge(graphdef, layer) for layer in split_layers(params)])
        for param in _variables(self.blocks):
            param.set_metadata(axes=param.get_metadata()["axes"][1:])

    def hold(self, source: Source) -> Source:
        """The source with the keys and values that every layer makes of it, for calls that read it again and again."""
        batch, length, _ = source.hidden.shape
        segments = jnp.ones((batch, length), jnp.int32) if source.segments is None else source.segments
        layout = "apart" if self.is_unstacked else "stacked"
        cache = Cache.empty(self.config, batch, length, layers=layout).admit(segments)
        for index, params in enumerate(self._by_layer()):
            block: Any = nnx.merge(self._graphdef, params)
            cache = cache.write(index, *block.cross.keys_and_values(source.hidden))
        return dataclasses.replace(source, cache=cache)

    def __call__(
        self,
        x: Any,
        mask: Any,
        *,
        source: Any = None,
        dropout_key: Array | None = None,
        cache: Cache | None = None,
        return_hidden_states: bool = False,
    ) -> StackOutput:
        """Runs the layers over `x` [B, T, D], or whatever else the blocks carry, with the mask and source they read."""
        bias = None if self.bias is None else self._biases(self.bias, x.shape[1], cache)
        graphdef = self._graphdef

        def layer(params, x, cache, index, window):
            block = nnx.merge(graphdef, params)
            key = None if dropout_key is None else jax.random.fold_in(dropout_key, index)
            return block(x, mask, window=window, source=source, bias=bias, dropout_key=key, cache=cache, layer=index)

        scans = self.config.execution.stack == "scan" and not self.is_unstacked
        run = self._scan if scans else self._loop
        if cache is None:  # what reads a cache generates, and has no backward pass to hold anything for
            layer = self._remat(layer)
        return run(layer, x, cache, keep=return_hidden_states)

    def _biases(self, bias: BucketBias, length: int, cache: Cache | None) -> Float[Array, "1 N T S"]:
        if cache is None:
            return bias(length, length)
        return bias(length, cache.capacity, cache.length - length)

    @property
    def _graphdef(self) -> nnx.GraphDef:
        return nnx.graphdef(self.blocks[0] if isinstance(self.blocks, nnx.List) else self.blocks)

    def _by_layer(self) -> list[nnx.State]:
        """The parameters of each layer; shared ones occur several times."""
        if isinstance(self.blocks, nnx.List):
            stored = [nnx.state(block) for block in self.blocks]
        else:
            stored = split_layers(nnx.state(self.blocks))
        return [stored[index * len(stored) // self.config.num_layers] for index in range(self.config.num_layers)]

    def _loop(self, layer: Callable, x, cache, *, keep: bool) -> StackOutput:
        windows, states = self.config.attention.window, []
        for index, params in enumerate(self._by_layer()):
            x, cache = layer(params, x, cache, index, windows[index % len(windows)])
            states.append(x)
        return StackOutput(x, cache, tuple(states) if keep else ())

    def _scan(self, layer: Callable, x, cache, *, keep: bool) -> StackOutput:
        """Scans over whole periods of `attention.window`, so that the windows stay static."""
        num_layers, windows = self.config.num_layers, self.config.attention.window
        stored = self.config.layers_stored
        params, starts = nnx.state(self.blocks), jnp.arange(0, num_layers, len(windows), dtype=jnp.int32)

        def by_period(leaf):
            return leaf.reshape(len(starts), len(windows), *leaf.shape[1:])

        def period(carry, inputs):
            (x, cache), (start, scanned), states = carry, inputs, []
            for index, window in enumerate(windows):
                if stored == num_layers:
                    layer_params = jax.tree.map(lambda leaf, index=index: leaf[index], scanned)
                else:
                    layer_params = _pick(params, (start + index) * stored // num_layers)
                x, cache = layer(layer_params, x, cache, start + index, window)
                states.append(x)
            return (x, cache), states if keep else []

        # Layers of their own are scanned over: their gradients are then written once, not added up at every step.
        scanned = jax.tree.map(by_period, params) if stored == num_layers else None
        (x, cache), states = jax.lax.scan(period, (x, cache), (starts, scanned))
        kept = [_at(state, step) for step in range(len(starts)) for state in states]
        return StackOutput(x, cache, tuple(kept))

    def _remat(self, layer: Callable) -> Callable:
        if self.config.execution.remat == "none":
            return layer
        policy = jax.checkpoint_policies.save_only_these_names(*_SAVED[self.config.execution.remat])
        # Inside a scan the loop itself keeps the compiler from merging the two computations.
        return jax.checkpoint(layer, policy=policy, prevent_cse=self.config.execution.stack == "loop", static_argnums=4)


def _variables(module: nnx.Module) -> list[nnx.Variable]:
    return jax.tree.leaves(nnx.state(module), is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))


def _at(states: Any, step: int) -> Any:
    """One step of what a scan has stacked."""
    return jax.tree.map(lambda leaf: leaf[step], states)


def _pick(params: nnx.State, index: Int[Array, ""]) -> nnx.State:
    """One layer's parameters of the stacked ones."""
    return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, index, keepdims=False), params)


def split_layers(params: nnx.State) -> list[nnx.State]:
    """Stacked parameters `[L, ...]` as L trees; `lax.split` because its gradient is one concatenation."""
    leaves, treedef = jax.tree.flatten(params)
    pieces = [[piece.squeeze(0) for piece in jax.lax.split(leaf, [1] * leaf.shape[0])] for leaf in leaves]
    return [jax.tree.unflatten(treedef, layer) for layer in zip(*pieces, strict=True)]

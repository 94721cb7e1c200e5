# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every optimizer trains layers that are scanned, looped, or arrays of their own alike."""

import dataclasses
import functools

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from tests.optim.test_layer_decay import by_name, small
from tests.optim.test_optimizers import CONFIGS
from zoo.objectives import CausalLM
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import OPTIMIZERS
from zoo.optim.parameters import logical_axes


@functools.cache
def gradient(stack):
    """The gradient of the mean loss of a batch by the small model's parameters, compiled once for all optimizers."""
    graphdef, _ = nnx.split(small(stack))
    places = np.broadcast_to(np.arange(8, dtype=np.int32), (4, 8))
    tokens = np.random.default_rng(0).integers(0, 31, (4, 8)).astype(np.int32)
    batch = {"tokens": tokens, "segments": np.ones_like(places), "positions": places}

    def loss(params):
        sums = CausalLM().loss(nnx.merge(graphdef, params), batch)
        return sums["loss"] / sums["weight"]

    return jax.jit(jax.grad(loss))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_scanned_and_looped_layers_are_trained_alike(name):
    config, after = CONFIGS[name], {}
    if hasattr(config, "b2") and name != "lion":
        config = dataclasses.replace(config, eps=0.1)  # so that nothing depends on the sign of a rounding error
    for stack in ("scan", "loop"):
        state = nnx.state(small(stack))
        params, optimizer = nnx.to_pure_dict(state), make_optimizer(config, 10, axes=logical_axes(state))
        opt_state = optimizer.init(params)
        for _ in range(2):
            updates, opt_state = jax.jit(optimizer.update)(gradient(stack)(params), opt_state, params)
            params = optax.apply_updates(params, updates)
        after[stack] = by_name(params)
    for parameter, scanned in after["scan"].items():
        # A bias of keys has no gradient but for rounding: a softmax does not see what all scores have in common.
        if not parameter.endswith("key.bias"):
            np.testing.assert_allclose(scanned, after["loop"][parameter], rtol=1e-4, atol=2e-5, err_msg=parameter)


def stacked_name(name):
    """The name of a layer's parameter where layers are stacked, and the layer's index there."""
    before, blocks, after = name.partition(".blocks.")
    layer, _, rest = after.partition(".")
    return (f"{before}{blocks}{rest}", int(layer)) if blocks else (name, slice(None))


def updates_of(name, model, gradient):
    state = nnx.state(model)
    params = nnx.to_pure_dict(state)
    optimizer = make_optimizer(CONFIGS[name], 10, axes=logical_axes(state))
    named = jax.tree.map_with_path(
        lambda path, leaf: gradient(jax.tree_util.keystr(path, simple=True, separator="."), leaf), params
    )
    return by_name(jax.jit(optimizer.update)(named, optimizer.init(params), params)[0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_layers_with_arrays_of_their_own_are_updated_as_stacked_ones(name):
    rng, gradients = np.random.default_rng(1), {}

    def draw_gradient(parameter, leaf):
        gradients[parameter] = rng.normal(size=leaf.shape).astype(np.float32)
        return gradients[parameter]

    def same_gradient(parameter, _):
        stacked, layer = stacked_name(parameter)
        return gradients[stacked][layer]

    stacked = updates_of(name, small("scan"), draw_gradient)
    model = nnx.clone(small("scan"))
    model.stack.unstack()
    alone = updates_of(name, model, same_gradient)
    assert len(alone) > len(stacked)
    for parameter, update in alone.items():
        where, layer = stacked_name(parameter)
        np.testing.assert_allclose(update, stacked[where][layer], rtol=2e-4, atol=1e-6, err_msg=parameter)

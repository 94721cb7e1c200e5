# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The factor on the learning rate of every parameter of every family, and the updates that follow."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.objectives.fakes import info
from tests.train import test_pair_objective
from zoo.errors import ConfigError
from zoo.models import registry
from zoo.objectives import OBJECTIVES, CausalLM
from zoo.optim.chain import make_optimizer
from zoo.optim.layer_decay import layer_factors, scale_by_layer
from zoo.optim.optimizers import AdamW
from zoo.train.config import RunConfig
from zoo.train.learner import Learner
from zoo.train.run_spec import RunSpec
from zoo.train.state import TrainState
from zoo.train.step import make_train_step

DECAY = 0.8
STACKS = ("scan", "loop")
OPTIMIZER = AdamW(learning_rate=0.5, warmup_steps=0, schedule="constant", weight_decay=0.1)


def config_of(family, **changes):
    """A size of the family with other depths."""
    config = next(iter(registry.FAMILIES[family].sizes.values()))
    decoder = {} if config.decoder_layers is None else {"decoder_layers": 3}
    return config.replace(num_layers=4, **decoder, **changes)


def params_of(model):
    return nnx.to_pure_dict(nnx.state(model))


def by_name(tree):
    found = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in found}


def depths(name, encoder, decoder):
    """The depth of a parameter, one number for each layer that it holds."""
    if name.startswith("stack.blocks."):
        return [1 + layer for layer in range(encoder)]
    if name.startswith("decoder.blocks."):
        return [encoder + 1 + layer for layer in range(decoder)]
    part = name.partition(".")[0]
    above = {"final_norm": encoder + 1, "decoder_norm": encoder + decoder + 1}
    above |= dict.fromkeys(("head", "pooler"), encoder + decoder + 2)
    return above.get(part, 0)  # embeddings, and what the layers share


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", registry.FAMILIES)
def test_the_factors_of_every_family(name, stack):
    family, config = registry.FAMILIES[name], config_of(name, stack=stack)
    for head in (None, *family.heads):
        params = params_of(family.abstract(family.suit(config, head), head=head))
        encoder, decoder = config.layers_stored, 3 if "decoder" in params else 0
        top, shapes = encoder + decoder + 2, by_name(params)
        found = by_name(layer_factors(params, DECAY))
        assert found.keys() == shapes.keys()
        for parameter, factor in found.items():
            depth = depths(parameter, encoder, decoder)
            if isinstance(depth, int):
                assert factor == DECAY ** (top - depth), parameter
            else:
                assert factor.shape == (len(depth), *[1] * (len(shapes[parameter].shape) - 1)), parameter
                assert factor.flatten().tolist() == [DECAY ** (top - each) for each in depth], parameter


@pytest.mark.parametrize(
    ("family", "head", "expected"),
    [
        ("electra", "sequence_classification", {
            "embed.token.embedding": 2**-6, "embed.norm.scale": 2**-6, "embed.projection.kernel": 2**-6,
            "stack.blocks.mlp.up.bias": [2**-5, 2**-4, 2**-3, 2**-2], "head.dense.kernel": 1.0,
        }),
        ("bert", "sequence_classification", {"embed.position.embedding": 2**-6, "pooler.kernel": 1.0}),
        ("gpt2", "causal_lm", {"embed.token.embedding": 2**-6, "final_norm.scale": 2**-1}),
        ("albert", "masked_lm", {"embed.token.embedding": 2**-3, "stack.blocks.mlp.up.bias": [2**-2]}),
        ("xlnet", "permutation_lm", {
            "unknown": 2**-6, "stack.blocks.attention.content_bias": [2**-5, 2**-4, 2**-3, 2**-2], "head.bias": 1.0,
        }),
        ("t5", "sequence_classification", {
            "embed.token.embedding": 2**-9, "stack.bias.embedding": 2**-9, "decoder.bias.embedding": 2**-9,
            "stack.blocks.mlp_norm.scale": [2**-8, 2**-7, 2**-6, 2**-5], "final_norm.scale": 2**-4,
            "decoder.blocks.mlp_norm.scale": [2**-4, 2**-3, 2**-2], "decoder_norm.scale": 2**-1, "head.dense.bias": 1.0,
        }),
        ("t5", "encoder", {"embed.token.embedding": 2**-6, "final_norm.scale": 2**-1}),
    ],
)  # fmt: skip
def test_a_half_from_layer_to_layer(family, head, expected):
    found = by_name(layer_factors(params_of(registry.FAMILIES[family].abstract(config_of(family), head=head)), 0.5))
    assert {name: np.ravel(found[name]).tolist() for name in expected} == {
        name: np.ravel(value).tolist() for name, value in expected.items()
    }


SMALL = dict(num_layers=3, width=8, num_heads=2, mlp_width=16, vocab_size=31, max_length=8, init_std=0.5)


@functools.cache
def small(stack):
    """A GPT-2 of a few hundred numbers."""
    family = registry.FAMILIES["gpt2"]
    config = family.sizes["gpt2"].replace(**SMALL, stack=stack)
    return family.build(family.suit(config, "causal_lm"), head="causal_lm", rngs=nnx.Rngs(0))


def test_layers_with_arrays_of_their_own_have_the_factors_of_stacked_ones():
    stacked = by_name(layer_factors(params_of(small("scan")), DECAY))
    alone = by_name(layer_factors(params_of(small("scan").for_inference()), DECAY))
    assert len(alone) > len(stacked)
    for name, factor in alone.items():
        before, blocks, after = name.partition(".blocks.")
        layer, _, rest = after.partition(".")
        expected = stacked[f"{before}{blocks}{rest}"].ravel()[int(layer)] if blocks else stacked[name]
        assert factor == expected, name


def test_each_model_of_a_pair_has_its_own_depth():
    config = config_of("gpt2").replace(**SMALL)
    pair = nnx.eval_shape(lambda: test_pair_objective.Pair(config, rngs=nnx.Rngs(0)))
    found = by_name(layer_factors(params_of(pair), 0.5))
    assert found["large.embed.token.embedding"] == 2**-5 and "small.embed.token.embedding" not in found
    assert found["large.embed.position.embedding"] == 2**-5 and found["small.embed.position.embedding"] == 2**-3
    assert found["large.stack.blocks.mlp.up.bias"].ravel().tolist() == [2**-4, 2**-3, 2**-2]
    assert found["small.stack.blocks.mlp.up.bias"].ravel().tolist() == [2**-2]
    assert found["large.final_norm.bias"] == found["small.final_norm.bias"] == 2**-1
    params = params_of(small("scan"))
    named = layer_factors({"decoder": params}, 0.5)["decoder"]  # a module may give a model the name of a part
    jax.tree.map(np.testing.assert_array_equal, named, layer_factors(params, 0.5))


def test_frozen_layers_count():
    params = params_of(registry.FAMILIES["t5"].abstract(config_of("t5"), head=None))
    whole = by_name(layer_factors(params, 0.5))
    for kept in (("embed",), ("stack", "final_norm"), ("decoder",)):
        rest = {name: value for name, value in params.items() if name not in kept}
        found = by_name(layer_factors({name: params[name] for name in kept}, 0.5, rest))
        assert found and all(np.array_equal(factor, whole[name]) for name, factor in found.items())


def test_a_parameter_without_a_depth_is_refused():
    params = params_of(small("scan"))
    with pytest.raises(ConfigError, match=r"adapter\.kernel has no depth"):
        scale_by_layer(DECAY).init(params | {"adapter": {"kernel": jnp.ones(3)}})
    with pytest.raises(ConfigError, match=r"embed\.position\.embedding has no depth"):
        scale_by_layer(DECAY).init({"embed": params["embed"]})


def updates_of(params, grads, **changes):
    optimizer = make_optimizer(dataclasses.replace(OPTIMIZER, **changes), 10)
    return jax.jit(lambda: optimizer.update(grads, optimizer.init(params), params)[0])()


def test_updates_are_those_of_adamw_times_the_factor():
    params = params_of(small("scan"))
    rng = np.random.default_rng(0)
    for draw in (rng.normal, lambda size: np.zeros(size)):  # without a gradient only weight decay is left
        grads = jax.tree.map(lambda leaf, draw=draw: jnp.asarray(draw(size=leaf.shape), jnp.float32), params)
        plain, scaled = by_name(updates_of(params, grads)), by_name(updates_of(params, grads, layer_decay=DECAY))
        factors = by_name(layer_factors(params, DECAY))
        assert any(np.abs(update).max() > 1e-3 for update in plain.values())
        for name, update in scaled.items():
            np.testing.assert_array_equal(update, plain[name] * np.asarray(factors[name], np.float32), err_msg=name)


def test_no_decay_is_the_optimizer_without_it():
    params = params_of(small("scan"))
    state, without, with_it = (
        make_optimizer(dataclasses.replace(OPTIMIZER, layer_decay=decay), 10).init(params) for decay in (1.0, 1.0, 0.5)
    )
    assert jax.tree.structure(state) == jax.tree.structure(without)
    assert len(with_it) == len(state) + 1
    assert [leaf.shape for leaf in jax.tree.leaves(with_it)] == [leaf.shape for leaf in jax.tree.leaves(state)]


def after_a_step(stack):
    """Parameters of the small model after a step that is nearly one of gradient descent, at a rate of 1."""
    config = dataclasses.replace(OPTIMIZER, eps=1e3, learning_rate=1e3, weight_decay=0.0, clip_norm=0.0)
    optimizer = make_optimizer(dataclasses.replace(config, layer_decay=0.5), 10)
    graphdef, params = nnx.split(small(stack))
    # The step donates its state, and `small` keeps the parameters.
    state = TrainState.create(jax.tree.map(jnp.copy, nnx.to_pure_dict(params)), {}, optimizer, 0)
    places = np.broadcast_to(np.arange(8, dtype=np.int32), (4, 8))
    tokens = np.random.default_rng(0).integers(0, 31, (4, 8)).astype(np.int32)
    batch = {"tokens": tokens, "segments": np.ones_like(places), "positions": places}
    return jax.device_get(make_train_step(graphdef, CausalLM(), optimizer)(state, batch)[0].params)


def test_a_step_moves_scanned_and_looped_layers_alike():
    before, scan, loop = (by_name(each) for each in (params_of(small("scan")), *map(after_a_step, STACKS)))
    for name, start in before.items():
        np.testing.assert_allclose(scan[name], loop[name], rtol=0, atol=1e-6, err_msg=name)
        # A bias of keys moves nothing: a softmax does not see what all scores have in common.
        assert name.endswith("key.bias") or np.abs(scan[name] - start).max() > 1e-4, name


class FrozenLayers(test_pair_objective.PairLM):
    """All but the layers train."""

    @property
    def trainable(self):
        return lambda path, _: "stack" not in path


def learner(decay):
    optimizer = {"learning_rate": 1e-2, "warmup_steps": 0, "layer_decay": decay}
    config = RunConfig.from_dict({**test_pair_objective.CONFIG, "optimizer": optimizer})
    return Learner.create(RunSpec.create(config, info(vocab_size=320)))


def test_on_a_mesh_the_moments_stay_where_they_were(monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "pair_lm", test_pair_objective.PairLM)
    plain, scaled = learner(1.0), learner(0.5)
    found, expected = (
        [(leaf.shape, leaf.sharding) for leaf in jax.tree.leaves(each.abstract.opt_state)] for each in (scaled, plain)
    )
    assert found == expected and any(not sharding.is_fully_replicated for _, sharding in found)
    state = scaled.initial_state()
    state, _ = scaled.train_step()(state, scaled.put(scaled.spec.objective.data.placeholder(16)))
    assert int(state.step) == 1 and int(state.skipped) == 0


def test_a_run_counts_its_frozen_layers(monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "pair_lm", FrozenLayers)
    found = learner(0.5)
    assert not [name for name in by_name(found.abstract.params) if "blocks" in name]
    ones = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), found.abstract.params)
    plain, scaled = (
        by_name(each.optimizer.update(ones, each.optimizer.init(ones), ones)[0]) for each in (learner(1.0), found)
    )
    assert all(np.all(update != 0) for update in plain.values())
    for name, power in {"large.embed.position.embedding": -4, "small.embed.position.embedding": -3}.items():
        np.testing.assert_array_equal(scaled[name], plain[name] * 2.0**power, err_msg=name)

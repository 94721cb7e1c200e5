# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Optimizers in a run: on a mesh, and in its config."""

import functools

import jax
import numpy as np
import pytest

from tests.objectives.fakes import info
from zoo.errors import ConfigError
from zoo.optim.optimizers import OPTIMIZERS, AdamW
from zoo.train.config import RunConfig
from zoo.train.learner import Learner
from zoo.train.run_spec import RunSpec


def learner(**changes):
    values = {
        "objective": {"type": "clm"},
        "data": {"type": "text", "seq_len": 16, "tokenizer": {"kind": "byte_bpe", "vocab_size": 320}},
        "model": {
            "name": "gpt2", "width": 16, "num_layers": 2, "stack": "loop", "num_heads": 2, "mlp_width": 32,
            "max_length": 16,
        },
        "optimizer": {"learning_rate": 1e-2, "min_size_to_factor": 8, "type": "adafactor"},
        "batch_size": 16, "num_steps": 6, "mesh": "data:2,fsdp:2,tensor:2", "rules": "fsdp_tp",
    }  # fmt: skip
    return Learner.create(RunSpec.create(RunConfig.from_dict(values | changes), info(vocab_size=320)))


def test_rows_and_columns_are_sharded_as_the_axes_that_they_keep():
    found = {
        jax.tree_util.keystr(path, simple=True, separator="."): (leaf.shape, tuple(leaf.sharding.spec))
        for path, leaf in jax.tree.leaves_with_path(learner().abstract.opt_state)
    }
    kernel = "0.0.moments.stack.blocks.attention.query.kernel"
    assert found[f"{kernel}.rows"] == ((2, 16, 1, 1), (None, "fsdp", None, None))
    assert found[f"{kernel}.columns"] == ((2, 1, 2, 8), (None, None, "tensor", None))
    assert found["0.0.moments.embed.token.embedding.rows"] == ((320, 1), ("tensor", None))
    assert found["0.0.moments.stack.blocks.mlp.up.bias"] == ((2, 32), (None, "tensor"))
    assert found["0.0.count"] == ((), ())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_update_on_a_mesh_is_that_of_one_device(name):
    optimizer = {"learning_rate": 1e-2, "type": name, "ema_decay": 0.9}
    optimizer |= {"min_size_to_factor": 8} if name == "adafactor" else {}
    found = learner(optimizer=optimizer)
    rng = np.random.default_rng(0)
    params, grads = (
        jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), found.abstract.params)
        for _ in range(2)
    )

    def update(params, grads):
        return found.optimizer.update(grads, found.optimizer.init(params), params)

    places = found.shardings.params, found.shardings.opt_state
    sharded = jax.jit(update, in_shardings=(places[0], places[0]), out_shardings=places)(params, grads)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), sharded, jax.jit(update)(params, grads)
    )


def test_a_config_without_a_type_is_adamw_and_the_same_experiment():
    values = learner().spec.config.to_dict() | {"optimizer": {"learning_rate": 1e-2, "b2": 0.98}}
    plain = RunConfig.from_dict(values)
    assert plain.optimizer == AdamW(learning_rate=1e-2, b2=0.98)
    named = RunConfig.from_dict(values | {"optimizer": {"type": "adamw", "learning_rate": 1e-2, "b2": 0.98}})
    assert plain.identity() == named.identity() and RunConfig.from_dict(plain.to_dict()) == plain


def test_a_type_has_its_own_fields():
    values = learner().spec.config.to_dict()
    with pytest.raises(ConfigError, match=r"config\.optimizer has no field 'eps'"):
        RunConfig.from_dict(values | {"optimizer": {"type": "lion", "learning_rate": 1e-2, "eps": 1e-6}})
    with pytest.raises(ConfigError, match=r"config\.optimizer\.type is 'adam'.* did you mean"):
        RunConfig.from_dict(values | {"optimizer": {"type": "adam", "learning_rate": 1e-2}})

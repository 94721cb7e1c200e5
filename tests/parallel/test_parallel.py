# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The mesh line, the table of rules, and that a sharded model computes what a whole one does."""

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import PartitionSpec

import zoo
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.parallel import mesh as meshes
from zoo.parallel import rules

CONFIG = TransformerConfig(
    family="bert", vocab_size=12, width=8, num_layers=2, num_heads=2, mlp_width=16, max_length=7, num_segments=2
)


def test_mesh_line():
    assert meshes.parse_mesh("data:-1, tensor:2") == {"data": -1, "fsdp": 1, "tensor": 2, "context": 1}
    assert dict(meshes.make_mesh("data:-1,fsdp:2,tensor:2").shape) == {"data": 2, "fsdp": 2, "tensor": 2, "context": 1}


@pytest.mark.parametrize("spec", ["model:2", "data:x", "data:0", "data:-1,fsdp:-1", "data:3", "tensor:3,data:-1"])
def test_mesh_line_errors(spec):
    with pytest.raises(ConfigError, match="mesh"):
        meshes.make_mesh(spec)


def test_rules_refuse_what_they_cannot_place():
    mesh = meshes.make_mesh("data:-1,tensor:4")
    with pytest.raises(ConfigError, match="No rule for the logical axis 'experts'"):
        rules.param_sharding(("experts",), (4,), mesh, "tp")
    with pytest.raises(ConfigError, match="'heads' = 6 does not divide"):
        rules.param_sharding(("heads",), (6,), mesh, "tp")
    with pytest.raises(ConfigError, match="No sharding preset"):
        rules.preset("ddp")


@pytest.mark.parametrize("preset", rules.PRESETS)
def test_sharded_equals_whole(preset):
    mesh = meshes.make_mesh("data:-1,fsdp:2,tensor:2")
    model = zoo.create(CONFIG, head="masked_lm")
    graphdef, params = nnx.split(model)
    placed = jax.device_put(params, rules.shardings(params, mesh, preset))
    tokens = np.random.default_rng(0).integers(0, 12, (4, 7)).astype(np.int32)
    run = jax.jit(lambda params, tokens: nnx.merge(graphdef, params)(tokens).logits)
    out = run(placed, jax.device_put(tokens, rules.batch_sharding(mesh)))
    np.testing.assert_allclose(out, run(params, tokens), atol=1e-5)
    if preset == "fsdp_tp":
        kernel = placed["stack"]["blocks"]["mlp"]["up"]["kernel"][...]
        assert kernel.sharding.spec == PartitionSpec(None, "fsdp", "tensor")

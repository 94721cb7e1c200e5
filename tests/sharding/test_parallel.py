# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The mesh line, and the table of rules: what is sharded how, and what is refused."""

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import PartitionSpec

import zoo
from zoo.aot import topology
from zoo.errors import ConfigError, InputError
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.sharding import mesh as meshes
from zoo.sharding import rules

CONFIG = TransformerConfig(
    family="bert", vocab_size=12, width=8, num_layers=2, num_heads=2, mlp_width=16, max_length=7, num_token_types=2
)


def test_mesh_line():
    assert meshes.parse_mesh("data:-1, tensor:2") == {"data": -1, "fsdp": 1, "tensor": 2, "context": 1}
    assert dict(meshes.make_mesh("data:-1,fsdp:2,tensor:2").shape) == {"data": 2, "fsdp": 2, "tensor": 2, "context": 1}


@pytest.mark.parametrize("spec", ["model:2", "data:x", "data:0", "data:-1,fsdp:-1", "data:3", "tensor:3,data:-1"])
def test_mesh_line_errors(spec):
    with pytest.raises(ConfigError, match="mesh"):
        meshes.make_mesh(spec)


@pytest.mark.parametrize(
    ("spec", "instead"),
    [
        ("data:3", "data:8"),
        ("fsdp:16", "fsdp:8"),
        ("data:-1,fsdp:3,tensor:2", "data:4,tensor:2"),
        ("fsdp:-1,tensor:6", "fsdp:4,tensor:2"),
        ("data:4,tensor:4", "data:2,tensor:4"),
        ("data:3,tensor:3", "data:8"),
    ],
)
def test_a_mesh_that_fills_the_devices_is_named(spec, instead):
    with pytest.raises(ConfigError, match=f"there are 8. This fills them: {instead}."):
        meshes.make_mesh(spec)
    meshes.make_mesh(instead)


def test_slices_share_the_data_axis():
    """Only the data axis crosses the network between slices."""
    try:
        devices = topology.devices("v6e:2x2*2")
    except ConfigError as error:
        pytest.skip(str(error))
    mesh = meshes.make_mesh("data:-1,fsdp:2", devices)
    assert dict(mesh.shape) == {"data": 4, "fsdp": 2, "tensor": 1, "context": 1}
    assert [[device.slice_index for device in row.ravel()] for row in mesh.devices] == [[0, 0], [0, 0], [1, 1], [1, 1]]
    with pytest.raises(ConfigError, match="make data a multiple of 2"):
        meshes.make_mesh("fsdp:8", devices)
    assert len(topology.devices("v6e:1x1")) == 1
    line = "data:4,fsdp:16"  # splits both axes of the chips' network
    assert dict(meshes.make_mesh(line, topology.devices("v6e:8x8")).shape)["fsdp"] == 16


def test_rules_refuse_what_they_cannot_shard():
    mesh = meshes.make_mesh("data:-1,tensor:4")
    with pytest.raises(ConfigError, match="No rule for the logical axis 'experts'"):
        rules.param_sharding(("experts",), (4,), mesh, "tp")
    with pytest.raises(ConfigError, match="'heads' = 6 is not divisible"):
        rules.param_sharding(("heads",), (6,), mesh, "tp")
    with pytest.raises(ConfigError, match="No sharding preset"):
        rules.preset("ddp")


def test_params_are_sharded_by_the_table():
    mesh = meshes.make_mesh("data:-1,fsdp:2,tensor:2")
    params = nnx.state(registry.family_of(CONFIG).abstract(CONFIG, head="masked_lm"))
    found = nnx.to_pure_dict(rules.shardings(params, mesh, "fsdp_tp"))
    block = found["stack"]["blocks"]
    assert block["mlp"]["up"]["kernel"].spec == PartitionSpec(None, ("fsdp",), ("tensor",))
    assert block["attention"]["out"]["kernel"].spec == PartitionSpec(None, ("tensor",), None, ("fsdp",))
    assert found["embed"]["token"]["embedding"].spec == PartitionSpec(("tensor",), ("fsdp",))
    assert block["mlp_norm"]["scale"].spec == PartitionSpec(None, None)


def test_idle_devices_are_an_error():
    params = nnx.state(registry.family_of(CONFIG).abstract(CONFIG, head="masked_lm"))
    for line, preset, others in [("data:4,tensor:2", "fsdp", "tp or fsdp_tp"), ("data:4,context:2", "tp", "fsdp_cp")]:
        with pytest.raises(ConfigError, match=f"2 devices would do the same work. Set rules to {others}"):
            rules.shardings(params, meshes.make_mesh(line), preset)


def test_every_rule_is_used():
    """By an axis that some module names, or, for activations, that `partitioned` sets."""
    named = {"batch", "length"}
    for family in registry.FAMILIES.values():
        config = next(iter(family.sizes.values()))
        for head in (None, *family.heads):
            params = nnx.state(family.abstract(config, head=head))
            for leaf in jax.tree.leaves(params, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable)):
                named |= set(leaf.get_metadata()["axes"])
    assert named == set(rules.PRESETS["dp"])
    assert all(table.keys() == named for table in rules.PRESETS.values())
    assert len({table["batch"] for table in rules.PRESETS.values()}) == 1  # as `batch_sharding` has it


def test_sizes_that_are_not_divisible_by_the_devices_are_an_error():
    graphdef, params = nnx.split(zoo.create(CONFIG, head="masked_lm"))
    mesh = meshes.make_mesh("fsdp:4,context:2")

    @jax.jit
    def run(params, tokens):
        with rules.partitioned(mesh, "fsdp_cp"):
            return nnx.merge(graphdef, params)(tokens).logits

    with pytest.raises(InputError, match=r"batch 6 is not divisible by the 4 devices .* \(fsdp\)"):
        run(params, np.ones((6, 4), np.int32))
    with pytest.raises(InputError, match=r"length 7 is not divisible by the 2 devices .* \(context\)"):
        run(params, np.ones((4, 7), np.int32))

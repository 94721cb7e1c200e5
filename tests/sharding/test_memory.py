# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The memory of a training state per device."""

import jax
import optax
import pytest
from flax import nnx

import zoo
from zoo.models import registry
from zoo.sharding import memory, mesh, rules


@pytest.mark.parametrize(
    ("preset", "line", "ways"),
    [("dp", "data:8", 1), ("fsdp", "data:2,fsdp:4", 4), ("fsdp_tp", "data:2,fsdp:2,tensor:2", 4)],
)
def test_a_device_holds_its_shard(preset, line, ways):
    config = zoo.config("gpt2", vocab_size=50304)
    params = nnx.state(registry.family_of(config).abstract(config, head="causal_lm"))
    shardings = nnx.to_pure_dict(rules.shardings(params, mesh.make_mesh(line), preset))
    shapes = jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        nnx.to_pure_dict(params),
        shardings,
    )
    moments = jax.eval_shape(optax.adam(0.1).init, shapes)
    moments = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), moments)
    found = memory.memory_per_device(shapes, moments)
    assert set(found) == {
        "embed.token", "embed.position", "stack.attention", "stack.attention_norm", "stack.mlp", "stack.mlp_norm",
        "final_norm", "counters and keys",
    }  # fmt: skip
    mlp = 12 * 2 * 768 * 3072
    biases = 12 * (768 + 3072 // (2 if preset == "fsdp_tp" else 1))
    assert found["stack.mlp"].param_bytes == 4 * (mlp // ways + biases)
    assert found["stack.mlp"].optimizer_bytes == 2 * 4 * found["stack.mlp"].parameters  # which have no sharding
    assert sum(held.parameters for held in found.values()) == sum(x.size for x in jax.tree.leaves(shapes))
    text = memory.describe(found, mesh.make_mesh(line), preset)
    assert f"on 8 cpu devices ({line}), rules {preset}" in text and "total" in text

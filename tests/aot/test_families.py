# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every family trains and evaluates on every TPU, on one host and on a slice, as far as its compiler can tell.

Two layers of each family's first published size; the heads are the language model's and a classifier's. Prefill and
decode of those that generate are compiled by `launch.compile`'s own tests.
"""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from zoo import registry
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.parallel import mesh as meshes
from zoo.parallel import rules, topology

LANGUAGE = ("masked_lm", "permutation_lm", "causal_lm", "seq2seq_lm")
FAMILIES = [name for name in registry.FAMILIES if name not in ("xlm-roberta", "camembert")]
SLICES = ["v5e:2x2", "v5e:4x4", "v5p:2x2x1", "v5p:2x2x4", "v6e:2x2", "v6e:4x4", "tpu7x:2x2x1", "tpu7x:2x2x4"]
LENGTH, ROWS = 256, 4  # rows of a group of devices


def small(family: registry.Family, head: str) -> TransformerConfig:
    config = next(iter(family.sizes.values()))
    layers = {"num_layers": 2} | ({} if config.decoder_layers is None else {"decoder_layers": 2})
    vocab = -(-config.vocab_size // 256) * 256
    return family.suit(config.replace(**layers, vocab_size=vocab, stack="scan", dtype="bfloat16", remat="cheap"), head)


def compiled(name: str, head: str, place: str, *, gradients: bool) -> jax.stages.Compiled:
    """A forward pass, or the gradients of a loss, by `fsdp_tp` where heads can be halved, else by `fsdp`."""
    family = registry.FAMILIES[name]
    config = small(family, head)
    devices = topology.devices(place)
    preset, line = ("fsdp_tp", "data:-1,fsdp:2,tensor:2") if config.num_heads % 2 == 0 else ("fsdp", "data:-1,fsdp:2")
    mesh = meshes.make_mesh(line, devices)
    graphdef, params = nnx.split(family.abstract(config, head=head))
    placed = jax.tree.map(
        lambda x, at: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=at), params, rules.shardings(params, mesh, preset)
    )
    rows = ROWS * mesh.shape["data"] * mesh.shape["fsdp"]
    tokens = jax.ShapeDtypeStruct((rows, LENGTH), jnp.int32, sharding=rules.batch_sharding(mesh))

    def total(params, tokens):
        targets = {"targets": tokens} if head in LANGUAGE else {}
        out = nnx.merge(graphdef, params)(tokens, segments=jnp.ones_like(tokens), **targets)
        return jnp.mean(out.losses) if head in LANGUAGE else jnp.mean(jax.nn.logsumexp(out.logits, axis=-1))

    def run(params, tokens):
        with rules.partitioned(mesh, preset):
            return jax.value_and_grad(total)(params, tokens) if gradients else total(params, tokens)

    return jax.jit(run).lower(placed, tokens).compile()


def check(name: str, place: str) -> None:
    try:
        topology.library()
    except ConfigError as error:
        pytest.skip(str(error))
    heads = registry.FAMILIES[name].heads
    language = next(head for head in LANGUAGE if head in heads)
    for head in (language, "sequence_classification"):
        if head in heads:
            assert compiled(name, head, place, gradients=True).memory_analysis().peak_memory_in_bytes > 0
    assert "while" in (compiled(name, language, place, gradients=False).as_text() or "")


def test_one_family_on_one_host():
    check("albert", "v5e:2x2")


@pytest.mark.slow
@pytest.mark.parametrize("place", SLICES)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_on_every_slice(name, place):
    check(name, place)

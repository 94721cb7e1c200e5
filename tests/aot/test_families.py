# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every family trains, evaluates and generates on every TPU, on one host and on a slice, as its compiler can tell.

Two layers of each family's first published size; trained are the language model and a classifier.
"""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jax.sharding import Mesh

from zoo.aot import topology
from zoo.aot.inference import Inference
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.sharding import mesh as meshes
from zoo.sharding import rules
from zoo.train.compiler import compiler_options

LANGUAGE = ("masked_lm", "permutation_lm", "causal_lm", "seq2seq_lm")
FAMILIES = [name for name in registry.FAMILIES if name not in ("xlm-roberta", "camembert")]
SLICES = ["v5e:2x2", "v5e:4x4", "v5p:2x2x1", "v5p:2x2x4", "v6e:2x2", "v6e:4x4", "tpu7x:2x2x1", "tpu7x:2x2x4"]
LENGTH, ROWS = 256, 4  # rows of each place along `data` and `fsdp`


def small(family: registry.Family, head: str) -> TransformerConfig:
    config = next(iter(family.sizes.values()))
    layers = {"num_layers": 2} | ({} if config.decoder_layers is None else {"decoder_layers": 2})
    vocab = -(-config.vocab_size // 256) * 256
    return family.suit(config.replace(**layers, vocab_size=vocab, stack="scan", dtype="bfloat16", remat="cheap"), head)


def layout(config: TransformerConfig, place: str) -> tuple[Mesh, str]:
    """By `fsdp_tp` where heads can be halved, else by `fsdp`."""
    halved = config.num_heads % 2 == 0
    line, preset = ("data:-1,fsdp:2,tensor:2", "fsdp_tp") if halved else ("data:-1,fsdp:2", "fsdp")
    return meshes.make_mesh(line, topology.devices(place)), preset


def compiled(name: str, head: str, place: str, *, gradients: bool) -> jax.stages.Compiled:
    """A forward pass, or the gradients of a loss, with the options of a training step."""
    family = registry.FAMILIES[name]
    config = small(family, head)
    mesh, preset = layout(config, place)
    graphdef, params = nnx.split(family.abstract(config, head=head))
    placed = jax.tree.map(
        lambda x, at: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=at), params, rules.shardings(params, mesh, preset)
    )
    tokens = jax.ShapeDtypeStruct((rows(mesh), LENGTH), jnp.int32, sharding=rules.batch_sharding(mesh))

    def total(params, tokens):
        targets = {"targets": tokens} if head in LANGUAGE else {}
        out = nnx.merge(graphdef, params)(tokens, segments=jnp.ones_like(tokens), **targets)
        return jnp.mean(out.losses) if head in LANGUAGE else jnp.mean(jax.nn.logsumexp(out.logits, axis=-1))

    def run(params, tokens):
        with rules.partitioned(mesh, preset):
            return jax.value_and_grad(total)(params, tokens) if gradients else total(params, tokens)

    return jax.jit(run, compiler_options=compiler_options(mesh)).lower(placed, tokens).compile()


def generating(name: str, head: str, place: str) -> tuple[jax.stages.Compiled, jax.stages.Compiled]:
    """Prefill and decode."""
    config = small(registry.FAMILIES[name], head)
    mesh, preset = layout(config, place)
    model = Inference.sharded(config, head, rows(mesh), LENGTH, mesh, preset)
    prefill, decode = jax.jit(model.prefill), jax.jit(model.decode, donate_argnums=2)
    return prefill.lower(*model.prefill_arguments).compile(), decode.lower(*model.decode_arguments).compile()


def rows(mesh: Mesh) -> int:
    return ROWS * mesh.shape["data"] * mesh.shape["fsdp"]


def peak(program: jax.stages.Compiled) -> int:
    found: Any = program.memory_analysis()
    return found.peak_memory_in_bytes


def check(name: str, place: str) -> None:
    heads = registry.FAMILIES[name].heads
    language = next(head for head in LANGUAGE if head in heads)
    for head in (language, "sequence_classification"):
        if head in heads:
            assert peak(compiled(name, head, place, gradients=True)) > 0
    assert "while" in (compiled(name, language, place, gradients=False).as_text() or "")
    if language in ("causal_lm", "seq2seq_lm"):
        assert all(peak(program) > 0 for program in generating(name, language, place))


@pytest.mark.usefixtures("tpu_compiler")
def test_one_family_on_one_host():
    assert peak(compiled("albert", "masked_lm", "v5e:2x2", gradients=True)) > 0


@pytest.mark.slow
@pytest.mark.usefixtures("tpu_compiler")
@pytest.mark.parametrize("place", SLICES)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_on_every_slice(name, place):
    check(name, place)

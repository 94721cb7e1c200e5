# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""On whatever mesh and by whatever preset, every model with every head has the losses and gradients of one device."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo.models import registry
from zoo.sharding import mesh as meshes
from zoo.sharding import rules

MESHES = {
    "dp": "data:8",
    "fsdp": "data:2,fsdp:4",
    "tp": "data:2,tensor:4",
    "fsdp_tp": "data:2,fsdp:2,tensor:2",
    "fsdp_cp": "data:2,fsdp:2,context:2",
}
SIZES = dict(vocab_size=40, width=16, num_heads=4, mlp_width=24, num_layers=2, max_length=13, pad_id=0)
B, T = 8, 6
FAST_COMPILE = {"xla_backend_optimization_level": 0}
FAMILIES = {name: family for name, family in registry.FAMILIES.items() if name not in ("xlm-roberta", "camembert")}
LANGUAGE = ("masked_lm", "permutation_lm", "causal_lm", "seq2seq_lm")
CASES = [(name, head) for name, family in FAMILIES.items() for head in (None, *family.heads)]
CORE = [
    (name, head)
    for name, family in FAMILIES.items()
    for head in [next(head for head in LANGUAGE if head in family.heads)]
]

EACH_ATTENTION = ("bert", "xlnet", "t5", "gpt3")  # of an encoder, of two streams, across, and causal in a window


def small(family: registry.Family, head: str | None):
    """Dropout is on, so that its bits are seen to be the same; the layers are scanned."""
    config = next(iter(family.sizes.values()))
    attention = dataclasses.replace(config.attention, window=tuple(w and 3 for w in config.attention.window))
    changes = {} if config.decoder_layers is None else dict(decoder_layers=2, decoder_start_id=0)
    changes |= {"kv_width": None} if config.kv_width else {}
    changes |= {"embed_width": 8} if config.embed_width else {}
    rates = dict(embed_dropout=0.1, hidden_dropout=0.1, attention_dropout=0.2)
    return family.suit(config.replace(**(SIZES | rates | changes), attention=attention, stack="scan"), head)


def given(config, head: str | None) -> dict[str, np.ndarray]:
    """A batch with padding and packed documents, for a model with this head."""
    rng = np.random.default_rng(0)
    shape = (B, 2, T) if head == "multiple_choice" else (B, T)
    documents = np.ones(shape, np.int32)
    documents[0, ..., 4:], documents[1, ..., 5:] = 2, 0
    batch = {"tokens": rng.integers(4, 40, shape).astype(np.int32), "segments": documents}
    if config.decoder_layers is not None and head not in registry.family_of(config).encoder_heads:
        batch["decoder_tokens"] = rng.integers(4, 40, shape).astype(np.int32)
    if head in ("masked_lm", "pretraining"):  # a number of positions that no mesh divides
        batch["logits_at"] = rng.integers(0, T, (B, 3)).astype(np.int32)
    if head == "permutation_lm":
        batch["target_mapping"] = np.eye(T, dtype=np.float32)[rng.integers(0, T, (B, 3))]
        batch["permutation_mask"] = np.tile(np.triu(np.ones((T, T), np.float32)), (B, 1, 1))
    if head in (*LANGUAGE, "pretraining"):
        batch["targets"] = rng.integers(4, 40, (B, 3) if "logits_at" in batch or head == "permutation_lm" else (B, T))
    return batch


@functools.cache
def whole(name: str, head: str | None):
    """The graph, parameters, batch, and what one device makes of them."""
    config = small(FAMILIES[name], head)
    graphdef, shapes = nnx.split(FAMILIES[name].abstract(config, head=head))
    rng = np.random.default_rng(7)
    params = jax.tree.map(lambda leaf: (0.3 * rng.standard_normal(leaf.shape)).astype(leaf.dtype), shapes)
    batch = given(config, head)
    return graphdef, params, batch, run(graphdef, params, batch)


def run(graphdef, params, batch, mesh=None, preset="dp"):
    """A number that hangs on all that the model gives, the size of what was summed up in it, and its gradients."""

    def total(params, batch):
        out = nnx.merge(graphdef, params)(**batch, dropout_key=jax.random.key(3))
        fields = [getattr(out, name) for name in ("losses", "logits", "pair_logits", "lm_logits", "hidden", "pooled")]
        waves = [x * jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape) for x in fields if x is not None]
        return sum(jnp.sum(wave) for wave in waves) / B, sum(jnp.sum(jnp.abs(wave)) for wave in waves) / B

    def traced(params, batch):
        if mesh is None:
            return jax.value_and_grad(total, has_aux=True)(params, batch)
        with rules.partitioned(mesh, preset):
            return jax.value_and_grad(total, has_aux=True)(params, batch)

    return jax.jit(traced, compiler_options=FAST_COMPILE)(params, batch)


def check(name: str, head: str | None, preset: str) -> None:
    graphdef, params, batch, ((loss, size), grads) = whole(name, head)
    mesh = meshes.make_mesh(MESHES[preset])
    placed = jax.device_put(params, rules.shardings(params, mesh, preset))
    (found_loss, _), found = run(graphdef, placed, jax.device_put(batch, rules.batch_sharding(mesh)), mesh, preset)
    np.testing.assert_allclose(found_loss, loss, rtol=0, atol=1e-6 * size)
    largest = max(float(np.abs(grad).max()) for grad in jax.tree.leaves(grads))
    for (path, want), got in zip(jax.tree.leaves_with_path(grads), jax.tree.leaves(found), strict=True):
        scale = max(float(np.abs(want).max()), 1e-2 * largest)  # a key's bias has no gradient but rounding
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-5 * scale, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize(("name", "head"), CORE)
def test_language_models(name, head):
    check(name, head, "fsdp_tp")


@pytest.mark.parametrize(("name", "head"), [case for case in CORE if case[0] in EACH_ATTENTION])
def test_language_models_by_context(name, head):
    check(name, head, "fsdp_cp")


@pytest.mark.slow
@pytest.mark.parametrize("preset", MESHES)
@pytest.mark.parametrize(("name", "head"), CASES)
def test_every_head(name, head, preset):
    check(name, head, preset)


def test_forward_mode_works_without_a_mesh():
    graphdef, params, batch, _ = whole("gpt2", "causal_lm")
    out, tangent = jax.jvp(lambda params: nnx.merge(graphdef, params)(**batch).hidden, (params,), (params,))
    assert out.shape == tangent.shape

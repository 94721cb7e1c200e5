# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Losses of a model that is given targets, against those of its own logits: every head with a vocabulary."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from zoo.errors import InputError
from zoo.kernels import platform
from zoo.models import registry
from zoo.models.family import Family
from zoo.nn.heads import VocabularyHead
from zoo.nn.inputs import LossOptions
from zoo.sharding.mesh import make_mesh
from zoo.sharding.rules import shardings

SIZES = dict(vocab_size=40, width=24, num_layers=1, num_heads=4, mlp_width=16, max_length=13, stack="loop", pad_id=0)
DECODER = dict(decoder_layers=1, kv_width=5, decoder_start_id=0, position_buckets=8, position_span=9)
FAST_COMPILE = {"xla_backend_optimization_level": 0}
B, T, M, V = 2, 7, 3, SIZES["vocab_size"]

# Each family with each kind of head; siblings are another family under a name of their own.
CASES = {
    (name, kind): (name, head)
    for name, family in registry.FAMILIES.items()
    for head, kind in reversed(family.heads.items())
    if issubclass(kind, VocabularyHead) and name not in ("xlm-roberta", "camembert")
}
PLACES = jnp.array([[0, 6, 3], [5, 5, 1]], jnp.int32)

every_case = pytest.mark.parametrize("family, head", CASES.values())
every_device = pytest.mark.parametrize("device", ["cpu", "tpu"])  # plain, and blocked


def config(family: Family, head: str | None, **changes):
    published = next(iter(family.sizes.values()))
    pattern = tuple(window and 3 for window in published.attention.window)
    stack = {} if len(pattern) == 1 else {"num_layers": len(pattern)}
    decoder = {} if published.decoder_layers is None else DECODER
    attention = dataclasses.replace(published.attention, window=pattern)
    return family.suit(published.replace(**(SIZES | {"attention": attention} | decoder | stack | changes)), head)


@functools.cache
def built(name: str, head: str | None, **changes) -> tuple[nnx.GraphDef, nnx.State]:
    """A graph, and random values everywhere, so that each parameter matters."""
    family, rng = registry.FAMILIES[name], np.random.default_rng(7)
    graphdef, shapes = nnx.split(family.abstract(config(family, head, **changes), head=head))
    return graphdef, jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), leaf.dtype), shapes)


def ids(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(2, V, shape).astype(np.int32)


def run(graphdef, params, tied: bool, decoder: bool, **inputs):
    """The model on some tokens; the tests of untied models ask for some positions alone."""
    inputs |= {} if tied else {"logits_at": PLACES}
    inputs |= {"decoder_tokens": ids(B, T)} if decoder else {}
    return nnx.merge(graphdef, params)(ids(B, T), **inputs)


def wanted(tied: bool) -> tuple[np.ndarray, jax.Array]:
    """Targets, and which of them count: two do not, and are no ids."""
    targets, weights = ids(B, T if tied else M), np.ones((B, T if tied else M), np.float32)
    weights[0, 1] = weights[1, 2] = 0.0
    targets[0, 1], targets[1, 2] = -100, V
    return targets, jnp.asarray(weights)


@functools.cache
def expected(family: str, head: str, tied: bool):
    """Loss, losses, predicted ids and gradients, computed from logits in plain words."""
    graphdef, params = built(family, head, tie_embeddings=tied)
    targets, weights = wanted(tied)

    def loss(params):
        logits = run(graphdef, params, tied, has_decoder(family)).logits
        losses = jax.nn.logsumexp(logits, axis=-1) - (logits * jax.nn.one_hot(targets, V)).sum(-1)
        return jnp.sum(losses * weights), (losses, jnp.argmax(logits, axis=-1))

    return jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=FAST_COMPILE)(params)


def has_decoder(family: str) -> bool:
    return next(iter(registry.FAMILIES[family].sizes.values())).decoder_layers is not None


def close(found, expected, atol=2e-5) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-5, atol=atol)


@every_case
@pytest.mark.parametrize(("tied", "device"), [(True, "cpu"), (False, "tpu")])
def test_losses_and_all_gradients_are_those_of_the_logits(family, head, tied, device, monkeypatch):
    """The tests further down have the other pairs of table and device."""
    (loss, (losses, likeliest)), gradients = expected(family, head, tied)
    monkeypatch.setattr(platform, "platform", lambda: device)
    graphdef, params = built(family, head, tie_embeddings=tied)
    targets, weights = wanted(tied)

    def total(params, targets):
        out = run(graphdef, params, tied, has_decoder(family), targets=targets)
        assert out.logits is None
        return jnp.sum(jnp.where(weights > 0, out.losses, 0.0)), out

    step = jax.jit(jax.value_and_grad(total, has_aux=True), compiler_options=FAST_COMPILE)
    (ours, out), found = step(params, targets)
    assert out.losses.dtype == jnp.float32 and out.predicted.dtype == jnp.int32
    close(ours, loss)
    close(out.losses, np.where(weights > 0, losses, np.nan))
    np.testing.assert_array_equal(out.predicted, likeliest)
    assert sum(np.any(leaf) for leaf in jax.tree.leaves(jax.device_get(gradients))) > 10
    jax.tree.map(close, found, gradients)


@every_device
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("family", "head"), [("gpt2", "causal_lm"), ("bert", "masked_lm"), ("t5", "seq2seq_lm")])
def test_models_for_inference_have_the_same_losses(family, head, tied, device, monkeypatch):
    _, (losses, likeliest) = expected(family, head, tied)[0]
    monkeypatch.setattr(platform, "platform", lambda: device)
    targets, weights = wanted(tied)
    model = nnx.merge(*built(family, head, tie_embeddings=tied)).for_inference()
    assert model.head.vocabulary is None or model.head.vocabulary.order == "outputs_first"
    out = jax.jit(lambda targets: run(*nnx.split(model), tied, has_decoder(family), targets=targets))(targets)
    close(out.losses, np.where(weights > 0, losses, np.nan))
    np.testing.assert_array_equal(out.predicted, likeliest)


@every_device
@pytest.mark.parametrize(("family", "head"), [("gpt2", "causal_lm"), ("bert", "pretraining"), ("t5", "seq2seq_lm")])
def test_loss_options_change_the_losses_alone(family, head, device, monkeypatch):
    """Whether given by name or in a batch."""
    _, (nll, likeliest) = expected(family, head, True)[0]
    graphdef, params = built(family, head, tie_embeddings=True)
    logits = run(graphdef, params, True, has_decoder(family)).logits
    monkeypatch.setattr(platform, "platform", lambda: device)
    targets, weights = wanted(True)
    asked = dict(targets=targets, loss_options=LossOptions(label_smoothing=0.2, z_loss=0.01))
    out = jax.jit(lambda asked: run(graphdef, params, True, has_decoder(family), **asked))(asked)
    normalizer = jax.nn.logsumexp(logits, axis=-1)
    losses = 0.8 * nll + 0.2 * (normalizer - jnp.mean(logits, axis=-1)) + 0.01 * normalizer**2
    close(out.losses, np.where(weights > 0, losses, np.nan))
    close(out.nll, np.where(weights > 0, nll, np.nan))
    np.testing.assert_array_equal(out.predicted, likeliest)
    inputs = dict(tokens=ids(B, T), **(dict(decoder_tokens=ids(B, T)) if has_decoder(family) else {}))
    batched = jax.jit(lambda batch: nnx.merge(graphdef, params)(batch))(inputs | asked)
    close(batched.losses, out.losses)


@every_device
def test_permuted_predictions_have_losses(device, monkeypatch):
    """XLNet's outputs stand where its mapping says, and so do the targets."""
    monkeypatch.setattr(platform, "platform", lambda: device)
    model, targets = nnx.merge(*built("xlnet", "permutation_lm")), ids(B, M)
    mapping = jax.nn.one_hot(PLACES, T)
    logits = model(ids(B, T), target_mapping=mapping).logits
    out = model(ids(B, T), target_mapping=mapping, targets=targets)
    close(out.losses, jax.nn.logsumexp(logits, axis=-1) - (logits * jax.nn.one_hot(targets, V)).sum(-1))


@every_device
def test_bfloat16_models_have_float32_losses(device, monkeypatch):
    monkeypatch.setattr(platform, "platform", lambda: device)
    targets = ids(B, T)
    (half, params), (whole, _) = (built("gpt2", "causal_lm", dtype=dtype) for dtype in ("bfloat16", "float32"))
    exact = nnx.merge(whole, params)(ids(B, T), targets=targets).losses
    logits = nnx.merge(half, params)(ids(B, T)).logits
    found = nnx.merge(half, params)(ids(B, T), targets=targets).losses
    assert logits.dtype == jnp.bfloat16 and found.dtype == jnp.float32
    assert 0 < float(jnp.abs(found - exact).max()) < 0.05 * float(exact.max())


@every_device
@pytest.mark.parametrize("tied", [True, False])
def test_a_vocabulary_split_over_devices_gives_the_same(tied, device, monkeypatch):
    """Rows over two devices, the vocabulary and all else that `tp` splits over four."""
    (_, (losses, likeliest)), gradients = expected("gpt2", "causal_lm", tied)
    monkeypatch.setattr(platform, "platform", lambda: device)
    mesh = make_mesh("data:2,tensor:4")
    graphdef, params = built("gpt2", "causal_lm", tie_embeddings=tied)
    places = shardings(params, mesh, "tp")
    assert "tensor" in str(places["embed"]["token"]["embedding"])
    rows = NamedSharding(mesh, PartitionSpec("data"))
    targets, weights = wanted(tied)

    def total(params, targets):
        out = run(graphdef, params, tied, False, targets=targets)
        return jnp.sum(jnp.where(weights > 0, out.losses, 0.0)), out

    step = jax.jit(jax.grad(total, has_aux=True), in_shardings=(places, rows), out_shardings=(places, None))
    found, out = step(params, targets)
    close(out.losses, np.where(weights > 0, losses, np.nan))
    np.testing.assert_array_equal(out.predicted, likeliest)
    jax.tree.map(close, found, gradients)


@pytest.mark.parametrize(
    ("family", "head", "inputs", "message"),
    [
        ("gpt2", "causal_lm", dict(targets=ids(B, T - 1)), r"targets must be an array \[2, 7\], .* found \(2, 6\)"),
        ("gpt2", "causal_lm", dict(targets=ids(B * T)), r"found \(14,\)"),
        ("gpt2", "causal_lm", dict(targets=[[1] * T] * B), "found list"),
        ("gpt2", "causal_lm", dict(targets=ids(B, T), logits_at=PLACES), r"must be an array \[2, 3\]"),
        ("gpt2", "causal_lm", dict(targets=ids(B, T).astype(np.float32)), "targets must be integers; found float32"),
        ("gpt2", "causal_lm", dict(targets=ids(B, T) + V), r"targets\[0, 0\] is \d+; expected 0 to 39"),
        ("t5", "seq2seq_lm", dict(targets=ids(B, T), decoder_tokens=ids(B, 5)), r"must be an array \[2, 5\]"),
        ("t5", "seq2seq_lm", dict(targets=ids(B, T) + V), "expected 0 to 39"),
        ("xlnet", "permutation_lm", dict(targets=ids(B, T), target_mapping=np.ones((B, M, T))), r"array \[2, 3\]"),
        ("bert", "token_classification", dict(targets=ids(B, T)), "a head with a vocabulary.*'token_classification'"),
        ("bert", None, dict(targets=ids(B, T)), "this model's is None"),
        ("gpt2", "multiple_choice", dict(targets=ids(B, T)), "this model's is 'multiple_choice'"),
        ("t5", "question_answering", dict(targets=ids(B, T)), "this model's is 'question_answering'"),
        ("xlnet", "sequence_classification", dict(targets=ids(B, T)), "this model's is 'sequence_classification'"),
        ("gpt2", "causal_lm", dict(loss_options=LossOptions(z_loss=1e-4)), "give targets too, or leave them out"),
        ("t5", "seq2seq_lm", dict(loss_options=LossOptions()), "give targets too"),
        ("gpt2", "causal_lm", dict(targets=ids(B, T), loss_options=LossOptions(z_loss=-1.0)), "z_loss at least 0"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_refuses(family, head, inputs, message):
    with pytest.raises(InputError, match=message):
        nnx.merge(*built(family, head))(ids(B, T), **inputs)


def test_ids_below_zero_are_left_out():
    """And an id beyond the vocabulary, which is refused above, is NaN where it cannot be seen."""
    model = nnx.merge(*built("gpt2", "causal_lm"))
    targets = ids(B, T)
    targets[1, 3] = -100
    assert np.argwhere(np.isnan(model(ids(B, T), targets=targets).losses)).tolist() == [[1, 3]]
    losses = jax.jit(lambda targets: model(ids(B, T), targets=targets).losses)(np.where(targets < 0, V, targets))
    assert np.argwhere(np.isnan(losses)).tolist() == [[1, 3]]

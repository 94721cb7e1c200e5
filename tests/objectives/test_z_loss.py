# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The z-loss of every objective that predicts tokens, against losses and gradients of the model's own logits."""

import dataclasses
import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.objectives.fakes import PACKED, info
from zoo.data.random import Key
from zoo.data.schema import Feature
from zoo.errors import ConfigError
from zoo.objectives import CausalLM, MaskedLM, PermutationLM, PrefixLM, SentenceOrder, Seq2Seq, SpanCorruption

VOCAB, T, Z, SMOOTHING = 40, 16, 0.05, 0.2
SIZES = dict(vocab_size=VOCAB, width=12, num_layers=1, num_heads=2, mlp_width=10, max_length=32, stack="loop", pad_id=0)
DECODER = dict(decoder_layers=1, kv_width=6, decoder_start_id=0)
IDS = dict(vocab_size=VOCAB, special_ids=frozenset(range(5)), pad_id=0, eos_id=1, mask_id=2, cls_id=3, sep_id=4)
PAIRS = PACKED | {
    "token_types": Feature(kind="tokens"),
    "label": Feature(kind="class", classes=("in_order", "swapped")),
}
SIDES = {name: Feature(kind="tokens") for name in ("tokens", "segments", "targets", "target_segments")}

# An objective without its z-loss, a model, and the schema of what it reads.
CASES = {
    "clm": (CausalLM(), "gpt2", PACKED),
    "prefix_lm": (PrefixLM(), "gpt2", PACKED),
    "mlm": (MaskedLM(), "bert-tiny", PACKED),
    "mlm_sop": (SentenceOrder(), "albert-base-v2", PAIRS),
    "plm": (PermutationLM(k=3.0), "xlnet-base-cased", PACKED | {"word_starts": Feature(kind="tokens")}),
    "span_corruption": (SpanCorruption(), "t5-small", PACKED),
    "seq2seq": (Seq2Seq(label_smoothing=SMOOTHING), "transformer-base", SIDES),
}


def drawn(schema) -> dict[str, np.ndarray]:
    """Random tokens in rows of which some have two segments, and some end early."""
    rng = np.random.default_rng(0)
    segments = np.repeat([[1] * T, [1] * 9 + [2] * 7, [1] * 11 + [0] * 5], [1, 2, 1], axis=0).astype(np.int32)
    batch = info(seq_len=T, schema=schema, **IDS).placeholder(4)
    if "targets" in batch or "label" in batch:
        segments = (segments > 0).astype(np.int32)
    values = {name: rng.integers(5, VOCAB - 5, (4, T)).astype(np.int32) for name in ("tokens", "targets")}
    values |= dict.fromkeys(("segments", "target_segments"), segments)
    return batch | {name: each for name, each in values.items() if name in batch}


def from_logits(model, *, z_loss: float, smoothing: float):
    """The model, whose losses are written out from its logits; what the objective asks for has no effect."""

    def call(tokens, *, targets, loss_options, **inputs):
        del loss_options
        out = model(tokens, **inputs)
        logits = out.logits.astype(jnp.float32)
        normalizer = jnp.log(jnp.sum(jnp.exp(logits), axis=-1))
        likely = jnp.sum(logits * jax.nn.one_hot(targets, VOCAB), axis=-1)
        wanted = (1 - smoothing) * likely + smoothing * jnp.mean(logits, axis=-1)
        return SimpleNamespace(
            losses=normalizer - wanted + z_loss * normalizer**2,
            nll=normalizer - likely,
            predicted=jnp.argmax(logits, axis=-1),
            pair_logits=out.pair_logits,
        )

    call.config = model.config
    return call


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients_are_those_of_the_logits(name):
    objective, family, schema = CASES[name]
    objective = dataclasses.replace(objective, z_loss=Z).bind(info(seq_len=T, schema=schema, sentinels=5, **IDS))
    decoder = DECODER if name in ("span_corruption", "seq2seq") else {}
    config = objective.configure(zoo.config(family, **SIZES, **decoder))
    graphdef, params = nnx.split(objective.build(config, rngs=nnx.Rngs(0)))
    rng = np.random.default_rng(1)  # a normalizer that is not the log of the vocabulary
    params = jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), leaf.dtype), params)
    batch = objective.arrange(drawn(schema), Key(0, 0, 0, np.arange(4)))
    batch = {key: jnp.asarray(each) for key, each in batch.items()}
    reference = functools.partial(from_logits, z_loss=Z, smoothing=SMOOTHING if name == "seq2seq" else 0.0)

    def loss(params, form):
        sums = objective.loss(form(nnx.merge(graphdef, params)), batch)
        return sums["loss"], sums

    def both(params):
        return [jax.grad(loss, has_aux=True)(params, form) for form in (lambda model: model, reference)]

    (ours, sums), (theirs, wanted) = jax.jit(both, compiler_options={"xla_backend_optimization_level": 0})(params)
    assert {*sums} == {*objective.sums} and float(sums["weight"]) > 3
    for each in objective.sums:
        np.testing.assert_allclose(sums[each], wanted[each], rtol=2e-5, err_msg=each)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(theirs))
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6 * largest)
    assert float(sums["loss"] - sums["nll"]) > 0.3 * float(sums["weight"])  # so that the factor shows
    metrics = objective.metrics(sums)
    assert metrics["perplexity"] == pytest.approx(np.exp(float(sums["nll"] / sums["weight"])), rel=1e-6)


@pytest.mark.parametrize("z_loss", [-1e-4, float("nan"), float("inf")])
@pytest.mark.parametrize("name", CASES)
def test_a_factor_out_of_range_is_refused(name, z_loss):
    with pytest.raises(ConfigError, match=r"objective\.z_loss must be 0 \(none\) or more, such as 1e-4; found"):
        type(CASES[name][0])(z_loss=z_loss)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Span corruption as an objective: the lengths that follow from the data, its loss, and what it refuses."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from flax import nnx

import zoo
from tests.objectives.fakes import PACKED, info
from tests.objectives.test_spans import plain_helper
from zoo import checks
from zoo.data.random import Key
from zoo.errors import ConfigError
from zoo.objectives import OBJECTIVES, SpanCorruption
from zoo.objectives.spans import Spans, Suffix

VOCAB = 300
IDS = dict(vocab_size=VOCAB, special_ids=frozenset({0, 1}), pad_id=0, eos_id=1, sentinels=100)


def data(seq_len=64, segments="sequence", **vocabulary):
    return dataclasses.replace(info(seq_len=seq_len, **(IDS | vocabulary)), segments=segments)


def batch(rows=4, length=64, padding=0):
    tokens = np.random.default_rng(0).integers(3, VOCAB - 100, (rows, length)).astype(np.int32)
    segments = np.broadcast_to(np.arange(length) < length - padding, (rows, length)).astype(np.int32)
    return {"tokens": tokens * segments, "segments": segments, "positions": np.zeros_like(tokens)}


def key(rows=4, step=0):
    return Key(0, 0, step, np.arange(rows))


@pytest.mark.parametrize("inputs_length", [32, 100, 128, 512, 1024])
def test_the_text_of_an_encoder(inputs_length):
    length, inputs, targets = plain_helper(inputs_length, 0.15, 3.0)
    objective = SpanCorruption(inputs_length=inputs_length)
    assert objective.raw_length(inputs_length) == length and inputs == inputs_length
    bound = objective.bind(data(length))
    assert bound.sequence_lengths == {"objective.inputs_length": inputs, "objective.targets_length": targets}
    assert bound.predictions == targets
    out = bound.arrange(bound.data.placeholder(2), key(2))
    assert {name: values.shape[1] for name, values in out.items()} == {
        **dict.fromkeys(("tokens", "segments"), inputs),
        **dict.fromkeys(("targets", "target_weights"), targets),
    }
    assert (out["segments"] == 1).all() and (out["target_weights"] == 1).all()  # no padding at all


def test_a_decoder_may_be_padded():
    bound = SpanCorruption(targets_length=32).bind(data())
    out = bound.arrange(batch(), key())
    plain = SpanCorruption().bind(data()).arrange(batch(), key())
    width = plain["targets"].shape[1]
    np.testing.assert_array_equal(out["targets"][:, :width], plain["targets"])
    assert out["targets"].shape[1] == 32 and not out["target_weights"][:, width:].any()


def test_a_mixture_has_the_length_of_the_longest():
    mixture = {"r": Spans(), "x": Spans(rate=0.5, mode="[X]"), "s": Suffix(mode="[S]")}
    bound = SpanCorruption(denoisers=mixture).bind(data(others={"[X]": 5, "[S]": 6}))
    assert [*bound.sequence_lengths.values()] == [65, 1 + 32 + 11]  # the suffix's text and mode; noise, spans and end
    out = bound.arrange(batch(200), key(200))
    first = out["tokens"][:, 0].tolist()
    assert {5, 6} <= {*first} and 20 < first.count(5) < 120
    assert out["tokens"].shape[1] == 65 and out["segments"].sum(1).max() <= 65


def test_the_config_group_of_a_mixture():
    group = {"type": "span_corruption", "denoisers": {"r": {"type": "spans"}, "s": {"type": "suffix", "rate": 0.5}}}
    found = checks.choose(OBJECTIVES, group, "objective")
    assert found == SpanCorruption(denoisers={"r": Spans(), "s": Suffix(rate=0.5)})
    assert checks.choose(OBJECTIVES, checks.plain(found, OBJECTIVES), "objective") == found
    assert checks.field_type(SpanCorruption, group, ["denoisers", "r", "mean_span"], "config.objective") is float


@functools.cache
def losses_and_logits(name):
    """A function of an arranged batch, and a dropout key or None: the sums, and the model's logits for the targets."""
    sizes = dict(width=12, num_layers=1, decoder_layers=1, num_heads=3, kv_width=5, mlp_width=23, vocab_size=VOCAB)
    model = zoo.create(SpanCorruption().configure(zoo.config(name, **sizes)), head="seq2seq_lm", seed=1)
    graphdef, params = nnx.split(model)

    def both(params, batch, dropout_key):
        model, targets = nnx.merge(graphdef, params), batch["targets"]
        read = jnp.concatenate([jnp.zeros_like(targets[:, :1]), targets[:, :-1]], axis=1)  # after the start token, 0
        logits = model(batch["tokens"], segments=batch["segments"], decoder_tokens=read).logits
        return SpanCorruption().loss(model, batch, dropout_key=dropout_key), logits

    jitted = jax.jit(both, compiler_options={"xla_backend_optimization_level": 0})
    return lambda batch, dropout_key=None: jax.device_get(jitted(params, batch, dropout_key))


@pytest.mark.parametrize("name", ["t5-small", "t5-v1_1-small"])
@pytest.mark.parametrize("padding", [0, 30])
def test_the_loss_is_the_cross_entropy_of_the_models_logits(name, padding):
    bound = SpanCorruption().bind(data())
    arranged = bound.arrange(batch(padding=padding), key())
    sums, logits = losses_and_logits(name)(arranged)
    targets, weights = arranged["targets"], arranged["target_weights"]
    losses = scipy.special.logsumexp(logits, axis=-1) - np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    assert float(sums["weight"]) == weights.sum() > 4
    np.testing.assert_allclose(float(sums["loss"]), (losses * weights).sum(), rtol=1e-5)
    assert float(sums["correct"]) == ((logits.argmax(-1) == targets) * weights).sum()
    metrics = bound.metrics(sums)
    assert metrics["perplexity"] == pytest.approx(np.exp(metrics["loss"])) and {*metrics} == {*bound.metric_names}


def test_padding_of_text_changes_no_loss():
    """A row of 34 tokens has the loss that it has where the data end with it."""
    short = {name: values[:, :34] for name, values in batch(padding=30).items()}
    padded, alone = (
        SpanCorruption().bind(data(length)).arrange(rows, key())
        for length, rows in ((64, batch(padding=30)), (34, short))
    )
    assert padded["tokens"].shape[1] > alone["tokens"].shape[1]
    one, other = (losses_and_logits("t5-small")(each)[0] for each in (padded, alone))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5)


def test_dropout_only_with_a_key():
    loss, arranged = losses_and_logits("t5-small"), SpanCorruption().bind(data()).arrange(batch(), key())
    plain, dropped = (loss(arranged, each)[0]["loss"] for each in (None, jax.random.key(0)))
    assert plain != dropped and loss(arranged, jax.random.key(0))[0]["loss"] == dropped


MIXED = {"r": Spans(), "s": Suffix()}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *((dict(noise_rate=rate), "objective.noise_rate must be above 0 and below 1") for rate in (0.0, 1.0, -0.1)),
        (dict(mean_span=0.5), "objective.mean_span must be 1 token or more, such as 3.0; found 0.5"),
        (dict(denoisers=MIXED, noise_rate=0.3), "noise_rate 0.3 and mean_span 3.0 have no effect"),
        (dict(denoisers={"x": Spans(rate=1.0)}), "objective.denoisers.x.rate must be above 0 and below 1"),
        (dict(denoisers={"x": Spans(mean_span=0.9)}), "objective.denoisers.x.mean_span must be 1"),
        (dict(denoisers={"x": Spans(weight=0.0)}), "objective.denoisers.x.weight must be above 0"),
        (dict(denoisers={"s": Suffix(rate=0.6)}), "objective.denoisers.s.rate is the mean .* at most 0.5; found 0.6"),
        (dict(inputs_length=-1), "objective.inputs_length must be 0"),
    ],
)
def test_fields_that_cannot_be(fields, message):
    with pytest.raises(ConfigError, match=message):
        SpanCorruption(**fields)


@pytest.mark.parametrize(
    ("fields", "given", "message"),
    [
        (dict(inputs_length=512), dict(seq_len=512), "take 462 in the encoder.* is 512; set data.seq_len to 568, or"),
        (dict(inputs_length=128), dict(seq_len=142), "take 129 .* set data.seq_len to 141, or .*inputs_length to 129"),
        (dict(inputs_length=2), {}, "is 2, which no text takes; set objective.inputs_length to 58, or to 0"),
        (dict(targets_length=10), {}, "is 10, and texts of 64 tokens .* take 14; set it to 14 or more, or to 0"),
        ({}, dict(eos_id=None), r"end token, which the tokenizer lacks; use T5's \(data.tokenizer.path=t5-small\)"),
        ({}, dict(sentinels=0), r"needs? the sentinels <extra_id_0> to <extra_id_2>, and .* has 0 of them; use T5's"),
        (
            dict(noise_rate=0.5),
            dict(sentinels=5),
            "up to 11 spans, .* <extra_id_10>, .* has 5 of them; set data.seq_len",
        ),
        (dict(denoisers={"s": Suffix(mode="[S]")}), {}, r"has no token '\[S\]'"),
        (dict(noise_rate=0.8, mean_span=1.0), {}, "51 of 64 tokens .* 51 spans, .* 13 others cannot part; set it to 4"),
        ({}, dict(segments="documents"), "reads across documents as T5 does; set data.segments='sequence'"),
        ({}, dict(schema={"tokens": PACKED["tokens"]}), "SpanCorruption reads 'segments'"),
    ],
)
def test_data_that_do_not_suit(fields, given, message):
    with pytest.raises(ConfigError, match=message):
        SpanCorruption(**fields).bind(data(**given))


def test_the_length_that_an_error_names_works():
    with pytest.raises(ConfigError) as error:
        SpanCorruption(noise_rate=0.5).bind(data(sentinels=5))
    seq_len = int(str(error.value).split("data.seq_len to ")[1].split(",")[0])
    SpanCorruption(noise_rate=0.5).bind(data(seq_len, sentinels=5))
    with pytest.raises(ConfigError):
        SpanCorruption(noise_rate=0.5).bind(data(seq_len + 1, sentinels=5))
    SpanCorruption(noise_rate=0.8, mean_span=4.0).bind(data())


@pytest.mark.parametrize("name", ["gpt2", "bert-base-uncased"])
def test_families_without_a_decoder_are_refused(name):
    with pytest.raises(ConfigError, match="SpanCorruption needs a seq2seq_lm head, which"):
        SpanCorruption().bind(data()).configure(zoo.config(name))

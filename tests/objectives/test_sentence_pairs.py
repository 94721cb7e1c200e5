# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked tokens with the label of a pair: the loss and gradients are Transformers', packed or not."""

import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

import zoo
from tests.objectives.fakes import info
from zoo.data.packed import Frame
from zoo.data.packing import WEIGHTS
from zoo.data.pairs import PairedText
from zoo.data.random import Key
from zoo.data.schema import Feature
from zoo.data.sentence_pairs import CLASSES
from zoo.errors import ConfigError
from zoo.models import albert, bert
from zoo.objectives import NextSentence, SentenceOrder

GOLDEN = Path(__file__).parents[1] / "golden" / "pairs.npz"
OBJECTIVES = {"bert": NextSentence, "albert": SentenceOrder}
SIZES = dict(vocab_size=61, num_heads=2, mlp_width=24, max_length=64)
NO_DROPOUT = dict(hidden_dropout=0.0, attention_dropout=0.0, embed_dropout=0.0, classifier_dropout=0.0)
CONFIGS = {
    "bert": bert.config(2, 16, **SIZES, **NO_DROPOUT),
    "albert": albert.config(2, 16, **SIZES, embed_width=8, **NO_DROPOUT),
}


def pairs_info(kind="next", seq_len=32, **fields):
    schema = {name: Feature(kind="tokens") for name in ("tokens", "segments", "positions", "token_types")}
    schema["label"] = Feature(kind="class", classes=CLASSES[kind])
    return info(seq_len, schema=schema, vocab_size=61, special_ids=frozenset(range(5)), mask_id=4, **fields)


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDEN))


def batch_of(golden):
    batch = {name.removeprefix("batch/"): value for name, value in golden.items() if name.startswith("batch/")}
    batch["positions"] = np.broadcast_to(np.arange(14), batch["tokens"].shape)
    return {
        name: jnp.asarray(value, jnp.float32 if value.dtype == np.float32 else jnp.int32)
        for name, value in batch.items()
    }


def mean_loss(objective, graphdef, batch):
    def loss(params):
        sums = objective.loss(nnx.merge(graphdef, params), batch)
        return sums["loss"] / sums["weight"], sums

    return loss


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_loss_and_gradients_are_those_of_transformers(golden, kind, tmp_path):
    prefix = f"before/{kind}/"
    (tmp_path / "config.json").write_text(str(golden[f"config/{kind}"]))
    tensors = {name.removeprefix(prefix): value for name, value in golden.items() if name.startswith(prefix)}
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, tmp_path / "model.safetensors")
    model, objective, batch = zoo.load(tmp_path), OBJECTIVES[kind](), batch_of(golden)
    assert model.head_name == objective.head == "pretraining"
    graphdef, params = nnx.split(model)
    with jax.default_matmul_precision("highest"):
        gradients, sums = jax.grad(mean_loss(objective, graphdef, batch), has_aux=True)(params)
    found = objective.metrics(sums)
    assert found["loss"] == pytest.approx(float(golden[f"loss/{kind}"]), rel=1e-5)
    assert float(sums["loss"] / sums["weight"]) == pytest.approx(found["loss"], rel=1e-6)
    zoo.save(nnx.merge(graphdef, gradients), tmp_path / "gradient")
    saved, prefix = load_file(tmp_path / "gradient" / "model.safetensors"), f"gradient/{kind}/"
    expected = {name.removeprefix(prefix): value for name, value in golden.items() if name.startswith(prefix)}
    assert expected
    for name, value in expected.items():
        largest = max(np.abs(value).max(), 1e-3)
        np.testing.assert_allclose(saved[name], value, atol=1e-4 * largest, rtol=0, err_msg=name)


def some_pairs(rows=8, seq_len=32):
    """Pairs of different lengths; the last row is one that fills up a batch."""
    rng = np.random.default_rng(0)
    lengths = np.array([32, 9, 18, 5, 13, 12, 7, 0][:rows])[:, None]
    column = np.arange(seq_len)
    there = (column < lengths).astype(np.int32)
    return {
        "tokens": rng.integers(5, 61, (rows, seq_len)).astype(np.int32) * there,
        "segments": there,
        "positions": (column * there).astype(np.int32),
        "token_types": (column > lengths // 2).astype(np.int32) * there,
        "label": np.array([1, 0, 1, 1, 0, 0, 1, 0], np.int32)[:rows] * there[:, 0],
    }


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_micro_batches_change_nothing(kind):
    """Rows with different numbers of hidden tokens, one of them without a pair: each mean is over the whole batch."""
    objective = OBJECTIVES[kind]().bind(pairs_info("next" if kind == "bert" else "order"))
    module = objective.build(objective.configure(CONFIGS[kind]), rngs=nnx.Rngs(0))
    batch = objective.arrange(some_pairs(), Key(0, 0, 0, np.arange(8)))
    batch = {name: jnp.asarray(value) for name, value in batch.items()}
    scales, one = objective.scales(batch), objective.loss(module, real(batch, slice(0, 7)))
    parts = [
        objective.loss(module, real(batch, rows), scales=scales) for rows in (slice(0, 2), slice(2, 6), slice(6, 7))
    ]
    added = {name: sum(part[name] for part in parts) for name in objective.sums}
    assert objective.metrics(added) == pytest.approx(objective.metrics(one), rel=1e-5)
    assert float(added["loss"]) == pytest.approx(float(one["loss"]), rel=1e-5)
    found = objective.metrics(one)
    assert float(one["loss"] / one["weight"]) == pytest.approx(found["mlm_loss"] + found["pair_loss"], rel=1e-6)


def real(batch, rows):
    """Some rows, without the one that only fills up a batch, which is refused where nothing is traced."""
    return {name: value[rows] for name, value in batch.items()}


def test_metrics_by_hand():
    sums = dict(loss=0.0, weight=4.0, correct=3.0, nll=6.0, mlm_loss=8.0)
    sums |= dict(pair_loss=3.0, pair_weight=2.0, pair_correct=1.0)
    found = NextSentence().metrics(sums)
    assert found == dict(
        loss=3.5, mlm_loss=2.0, accuracy=0.75, perplexity=pytest.approx(np.exp(1.5)), pair_loss=1.5, pair_accuracy=0.5
    )
    assert NextSentence().metrics(dict.fromkeys(sums, 0.0))["pair_accuracy"] == 0.0  # of a batch of nothing


def packed(batch):
    """The same pairs and hidden tokens in two rows of four, with segments and positions of their own."""
    lengths = batch["segments"].sum(axis=1)
    rows, width = np.arange(8) // 4, 64
    offset = np.concatenate([np.cumsum(part) - part for part in lengths.reshape(2, 4)])
    found = {name: np.zeros((2, width), np.int32) for name in ("tokens", "segments", "positions", "token_types")}
    for number, length in enumerate(lengths):
        place = slice(offset[number], offset[number] + length)
        for name in ("tokens", "positions", "token_types"):
            found[name][rows[number], place] = batch[name][number, :length]
        found["segments"][rows[number], place] = 1 + number % 4
    hidden = {name: batch[name].reshape(2, -1) for name in ("mask_targets", "mask_weights")}
    shifted = (batch["mask_positions"] + offset[:, None]) * (batch["mask_weights"] > 0)
    weights = (lengths > 0).astype(np.float32)
    return {
        **found,
        **hidden,
        "mask_positions": shifted.reshape(2, -1).astype(np.int32),
        "label": batch["label"].reshape(2, 4),
        WEIGHTS: weights.reshape(2, 4),
    }


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_packed_pairs_have_the_same_loss_and_gradients(kind):
    objective = OBJECTIVES[kind]().bind(pairs_info("next" if kind == "bert" else "order"))
    graphdef, params = nnx.split(objective.build(objective.configure(CONFIGS[kind]), rngs=nnx.Rngs(0)))
    alone = objective.arrange(some_pairs(), Key(0, 0, 0, np.arange(8)))
    results = []
    for batch in (real(alone, slice(0, 7)), packed(alone)):
        batch = {name: jnp.asarray(value) for name, value in batch.items()}
        with jax.default_matmul_precision("highest"):
            loss = mean_loss(objective, graphdef, batch)
            results.append(jax.jit(jax.grad(loss, has_aux=True))(params))
    (one, sums), (other, packed_sums) = results
    assert objective.metrics(sums) == pytest.approx(objective.metrics(packed_sums), rel=1e-5)
    assert float(sums["pair_weight"]) == 7
    for value, again in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(value, again, atol=1e-5)


def learnable(kind):
    """Documents whose sentences count up, or that are of one of two kinds of words."""
    rng = np.random.default_rng(0)
    if kind == "order":
        tokens = np.repeat(10 + 6 * np.arange(8) + rng.integers(0, 6, (400, 8)), 3, axis=1)
    else:
        tokens = 10 + 25 * (np.arange(400)[:, None] % 2) + rng.integers(0, 25, (400, 24))
    stream = types.SimpleNamespace(
        tokens=tokens.reshape(-1).astype(np.int32),
        ends=np.arange(24, 24 * 401, 24),
        bounds=np.arange(0, 24 * 400 + 1, 3),
        word_bits=np.zeros(24 * 50, np.uint8),
        check_unchanged=lambda: None,
    )
    rules = dict(kind=kind, short_fraction=0.1, one_sentence="skipped", vocab_size=61)
    return PairedText(stream, 32, Frame((1,), (2,)), **rules)


@pytest.mark.parametrize(
    ("kind", "least"),
    [("order", 0.95), ("next", 0.66)],  # half of the random texts are of the same words, so that 3 in 4 can be told
)
def test_the_label_is_learned_from_pairs_that_were_never_seen(kind, least):
    objective = (SentenceOrder() if kind == "order" else NextSentence()).bind(pairs_info(kind))
    examples, optimizer = learnable(kind), optax.adam(3e-3)
    config = CONFIGS["bert"].replace(width=32, stack="loop")
    graphdef, params = nnx.split(objective.build(objective.configure(config), rngs=nnx.Rngs(0)))

    @jax.jit
    @jax.numpy_dtype_promotion("standard")  # Optax's
    def step(params, state, batch):
        gradients, sums = jax.grad(mean_loss(objective, graphdef, batch), has_aux=True)(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, sums

    state, found = optimizer.init(params), []
    for number in range(300):  # each of another pass
        drawn = np.random.default_rng(number).choice(len(examples), 32, replace=False)
        batch = examples.read(examples.of_passes(drawn, np.full(32, number), 0))
        batch = objective.arrange(batch, Key(0, 0, number, np.arange(32)))
        params, state, sums = step(params, state, {name: jnp.asarray(value) for name, value in batch.items()})
        found.append(objective.metrics(sums)["pair_accuracy"])
    assert np.mean(found[-50:]) > least


def test_token_types_reach_the_model():
    objective = NextSentence().bind(pairs_info())
    module = objective.build(objective.configure(CONFIGS["bert"]), rngs=nnx.Rngs(0))
    batch = {name: jnp.asarray(v) for name, v in objective.arrange(some_pairs(), Key(0, 0, 0, np.arange(8))).items()}
    batch = real(batch, slice(0, 7))
    loss = objective.loss(module, batch)["loss"]
    assert loss != objective.loss(module, {**batch, "token_types": jnp.zeros_like(batch["token_types"])})["loss"]


@pytest.mark.parametrize(
    ("objective", "schema", "message"),
    [
        (NextSentence(), info().schema, r"no label \(their fields are tokens, .*set data\.type='sentence_pairs' with"),
        (SentenceOrder(), pairs_info("next").schema, r"label next or random; .*data\.pairs='order'"),
        (NextSentence(), pairs_info("order").schema, r"label in_order or swapped; .*data\.pairs='next'"),
        (
            NextSentence(),
            {"tokens": Feature(kind="tokens"), "label": Feature(kind="class", classes=CLASSES["next"])},
            "single texts; .*data.sentences",
        ),
    ],
)
def test_other_data_are_refused(objective, schema, message):
    with pytest.raises(ConfigError, match=message):
        objective.bind(info(schema=schema, mask_id=4))


def test_families_and_tokenizers_that_lack_what_it_needs():
    with pytest.raises(ConfigError, match="mask token"):
        NextSentence().bind(info(schema=pairs_info().schema))
    with pytest.raises(ConfigError, match=r"data\.word_starts=True, on data of type 'text' or 'sentence_pairs'"):
        NextSentence(unit="ngram").bind(pairs_info())
    with pytest.raises(ConfigError, match="needs a pretraining head, which roberta lacks"):
        NextSentence().bind(pairs_info()).configure(zoo.config("roberta-base"))

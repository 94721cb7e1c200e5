# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Permutation language modelling as an objective: what it arranges, its loss against Transformers, what it refuses."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

import zoo
from tests.objectives.fakes import PACKED, info
from zoo.data.random import Key
from zoo.data.schema import Feature
from zoo.errors import ConfigError
from zoo.objectives import CausalLM, MaskedLM, PermutationLM, PrefixLM

GOLDEN = Path(__file__).parents[1] / "golden" / "plm.npz"
QUICK = {"xla_backend_optimization_level": 0}  # to compile
WORDS = PACKED | {"word_starts": Feature(kind="tokens")}
VOCAB, UNK, CLS, SEP, PAD, EOD = 41, 0, 3, 4, 5, 7
IDS = dict(vocab_size=VOCAB, special_ids=frozenset(range(9)), pad_id=PAD, cls_id=CLS, sep_id=SEP, others={"<eod>": EOD})


def data(seq_len=32, schema=WORDS, **vocabulary):
    return info(seq_len=seq_len, schema=schema, **(IDS | vocabulary))


def batch(rows=6, length=32, padding=0, seed=0):
    draw = np.random.default_rng(seed)
    tokens = draw.integers(9, VOCAB, (rows, length)).astype(np.int32)
    end = length - padding
    tokens[:, end - 2 : end], tokens[:, end:] = (SEP, CLS), PAD
    there = np.broadcast_to(np.arange(length) < end, (rows, length))
    return {
        "tokens": tokens,
        "segments": ((1 + (np.arange(length) >= 20)) * there).astype(np.int32),
        "positions": np.zeros((rows, length), np.int32),
        "word_starts": ((draw.random((rows, length)) < 0.7) & there).astype(np.int32),
    }


def key(rows=6, step=0):
    return Key(0, 0, step, np.arange(rows))


@pytest.mark.parametrize("padding", [0, 14])
def test_what_a_batch_becomes(padding):
    bound = PermutationLM(k=3.0).bind(data())
    given = batch(padding=padding)
    out = bound.arrange(given, key())
    assert bound.predictions == 10 and bound.parts == (16, 16) and bound.block == 16
    np.testing.assert_array_equal(out["tokens"], given["tokens"])
    weights, positions = out["target_weights"], out["target_positions"]
    assert (weights.sum(1) == (5 if padding else 10)).all()  # of the second part only special tokens are left
    assert (positions[weights == 0] == 32).all() and ((np.diff(positions) > 0) | (weights[:, 1:] == 0)).all()
    rows, columns = np.nonzero(weights)
    targets = given["tokens"][rows, positions[rows, columns]]
    np.testing.assert_array_equal(out["targets"][rows, columns], targets)
    assert (targets >= 9).all() and (positions[rows, columns] < 16).sum() == 5 * 6  # half of them in the first part
    types = out["token_types"]
    assert (types[:, : 20 if not padding else 17] == types[:, :1]).all() and (types[given["tokens"] == CLS] == -1).all()
    assert padding or (types[:, 20:31] == types[:, :1] + 1).all()
    assert {name: value.dtype for name, value in out.items()} == {
        **dict.fromkeys(("tokens", "token_types", "order", "target_positions", "targets"), np.dtype(np.int32)),
        "target_weights": np.dtype(np.float32),
    }


def test_the_end_of_a_document_is_predicted_and_other_special_tokens_are_not():
    given, seen = batch(40), set()
    given["tokens"][:, 3:13:2], given["tokens"][:, 4:14:2] = EOD, UNK
    for step in range(5):
        out = PermutationLM(num_predict=20).bind(data()).arrange(given, key(40, step))
        seen |= {*out["targets"][out["target_weights"] > 0].tolist()}
    assert EOD in seen and not seen & {UNK, CLS, SEP, PAD}


def test_parts_of_different_lengths():
    bound = PermutationLM(reuse_len=24, perm_size=8, num_predict=8).bind(data())
    positions = bound.arrange(batch(), key())["target_positions"]
    assert ((positions < 24).sum(1) == 6).all()


def by_parts(values):
    """Rows of two parts of 16 tokens, each part in reverse."""
    return np.concatenate([values[:, 15::-1], values[:, :15:-1]], axis=1)


@pytest.mark.parametrize("unit", ["token", "word"])
def test_backward_rows_have_the_spans_of_their_text(unit):
    bound, given = PermutationLM(k=3.0, unit=unit).bind(data()), batch()
    backward = np.array([0, 1] * 3, np.float32)
    turned = {name: np.where(backward[:, None] > 0, by_parts(values), values) for name, values in given.items()}
    found = []
    for rows in (given, turned | {"backward": backward}):
        out = bound.arrange(rows, key())
        predicted = np.zeros((6, 33), bool)
        np.put_along_axis(predicted, out["target_positions"], True, axis=1)
        found.append(predicted[:, :32])
        np.testing.assert_array_equal(out["targets"], np.take_along_axis(rows["tokens"], out["target_positions"], 1))
        assert set(out) == {"tokens", "token_types", "order", "target_positions", "targets", "target_weights"}
    np.testing.assert_array_equal(found[1], np.where(backward[:, None] > 0, by_parts(found[0]), found[0]))
    assert (found[1] != found[0]).any()


def test_pairs_of_segments_begin_with_the_first_part():
    pair = dataclasses.replace(data(), segments="pair", stride=12)
    message = "begin with 12 tokens of text .*set data.stride to 16, or objective.reuse_len to 12"
    with pytest.raises(ConfigError, match=message):
        PermutationLM().bind(pair)
    assert PermutationLM().bind(dataclasses.replace(pair, stride=16)).parts == (16, 16)
    assert PermutationLM(reuse_len=12, perm_size=4).bind(pair).parts == (12, 20)
    with pytest.raises(ConfigError, match="num_predict is 30, and a row has 29 tokens"):
        PermutationLM(reuse_len=12, perm_size=4, num_predict=30).bind(pair)


@pytest.mark.parametrize("objective", [CausalLM(), PrefixLM(), MaskedLM()])
def test_other_objectives_read_text_as_it_was_written(objective):
    for given in (data(schema=WORDS | {"backward": Feature(kind="float")}, mask_id=6), data(mask_id=6)):
        rearranged = given if "backward" in given.schema else dataclasses.replace(given, segments="pair")
        with pytest.raises(ConfigError, match=r"in the order in which it was written; set data.segments to 'doc"):
            objective.bind(rearranged)
        assert PermutationLM().bind(dataclasses.replace(rearranged, stride=16))


def test_the_same_again_and_for_any_part_of_the_rows():
    bound = PermutationLM().bind(data())
    whole, again = bound.arrange(batch(), key()), bound.arrange(batch(), key())
    other = bound.arrange(batch(), key(step=1))
    some = {name: value[2:5] for name, value in batch().items()}
    part = bound.arrange(some, Key(0, 0, 0, np.arange(2, 5)))
    for name in whole:
        np.testing.assert_array_equal(whole[name], again[name])
        np.testing.assert_array_equal(whole[name][2:5], part[name])
    assert (other["order"] != whole["order"]).any() and (other["targets"] != whole["targets"]).any()


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDEN))


@pytest.fixture(scope="module")
def model(golden, tmp_path_factory):
    folder = tmp_path_factory.mktemp("xlnet")
    (folder / "config.json").write_text(str(golden["config"]))
    tensors = {name.removeprefix("before/"): x for name, x in golden.items() if name.startswith("before/")}
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "model.safetensors")
    return zoo.load(folder)


def of(golden, prefix):
    return {name.removeprefix(prefix): jnp.asarray(x) for name, x in golden.items() if name.startswith(prefix)}


def test_loss_and_gradients_are_those_of_transformers(golden, model, tmp_path):
    graphdef, params = nnx.split(model)
    given = of(golden, "batch/")
    del given["memory"]

    def loss(params):
        sums = PermutationLM().loss(nnx.merge(graphdef, params), given)
        return sums["loss"] / sums["weight"], sums

    gradients, sums = jax.jit(jax.grad(loss, has_aux=True), compiler_options=QUICK)(params)
    assert float(sums["weight"]) == 8
    assert float(sums["loss"] / sums["weight"]) == pytest.approx(float(golden["plain/loss"]), rel=1e-5)
    check_gradients(nnx.merge(graphdef, gradients), of(golden, "plain/gradient/"), tmp_path)


def test_with_memory_they_are_too(golden, model, tmp_path):
    """Loss, gradients, and the memory for the next batch; without what came before, too, and of one row alone."""
    objective = PermutationLM(mem_len=6).bind(stream())
    graphdef, params = nnx.split(model)
    given = of(golden, "batch/")
    carry = {"memory": given.pop("memory")}

    def loss(params, carry, follows):
        rows = {**given, "continues": follows}
        sums, carry = objective.loss_and_carry(nnx.merge(graphdef, params), rows, carry)
        return sums["loss"] / sums["weight"], (sums, carry)

    run = jax.jit(jax.grad(loss, has_aux=True), compiler_options=QUICK)
    gradients, (sums, after) = run(params, carry, jnp.ones(2))
    assert float(sums["loss"] / sums["weight"]) == pytest.approx(float(golden["memory/loss"]), rel=1e-5)
    check_gradients(nnx.merge(graphdef, gradients), of(golden, "memory/gradient/"), tmp_path)
    np.testing.assert_allclose(after["memory"], golden["memory/memory"], atol=1e-5)
    assert after["memory"].shape == objective.carry(model.config, 2)["memory"].shape
    _, (empty, _) = run(params, jax.tree.map(jnp.zeros_like, carry), jnp.ones(2))
    _, (fresh, _) = run(params, jax.tree.map(lambda x: x.at[0].set(jnp.nan), carry), jnp.array([0.0, 0.0]))
    assert fresh["loss"] == empty["loss"] != sums["loss"]
    rows = {**given, "continues": jnp.zeros(2)}
    assert float(objective.loss(model, rows)["loss"]) == pytest.approx(float(empty["loss"]), rel=1e-5)


def stream(seq_len=16, stride=8, **fields):
    schema = WORDS | {"continues": Feature(kind="float")}
    return dataclasses.replace(data(seq_len, schema=schema), stride=stride, **fields)


def test_a_memory_needs_a_stream():
    for given, message in (
        (data(16), "set data.order='stream' and data.stride=8, or mem_len=0"),
        (stream(stride=0), "set data.stride to 8 .it is 0"),
        (stream(stride=4), "set data.stride to 8 .it is 4"),
    ):
        with pytest.raises(ConfigError, match=message):
            PermutationLM(mem_len=6).bind(given)
    with pytest.raises(ConfigError, match=r"model.memory_length is 5, .* set model.memory_length=0"):
        PermutationLM(mem_len=6).bind(stream()).configure(zoo.config("xlnet-base-cased", memory_length=5))
    out = PermutationLM(mem_len=6).bind(stream()).arrange(batch(length=16) | {"continues": np.ones(6)}, key())
    assert out["continues"].shape == (6,)


def check_gradients(gradient, expected, folder):
    zoo.save(gradient, folder / "gradient")
    saved = load_file(folder / "gradient" / "model.safetensors")
    for name, want in expected.items():
        atol = 1e-4 * max(float(np.abs(want).max()), 1e-3)
        np.testing.assert_allclose(saved[name], want, atol=atol, err_msg=name)


def test_dropout_only_with_a_key_and_no_loss_where_nothing_is_predicted(golden, model):
    given, objective = of(golden, "batch/"), PermutationLM().bind(data(16))
    del given["memory"]
    dropping = zoo.create(model.config.replace(hidden_dropout=0.5), head="permutation_lm", seed=0)

    def loss(batch, key):
        return objective.loss(dropping, batch, dropout_key=key)["loss"]

    loss = jax.jit(loss, compiler_options=QUICK)
    plain = loss(given, None)
    assert plain == loss({**given, "targets": jnp.where(given["target_weights"] > 0, given["targets"], 9)}, None)
    assert plain != loss(given, jax.random.key(0))
    metrics = objective.metrics({"loss": 3.0, "nll": 2.0, "weight": 1.0, "correct": 1.0})
    assert metrics == {"loss": 3.0, "accuracy": 1.0, "perplexity": pytest.approx(np.exp(2))}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(k=0.0), "objective.k is K, .* must be 1 or more, such as 6.0; found 0.0"),
        (dict(k=float("nan")), "found nan"),
        (dict(num_predict=-1), "objective.num_predict must be 0"),
        (dict(reuse_len=-2), "objective.reuse_len must be 0"),
        (dict(perm_size=-2), "objective.perm_size must be 0"),
        (dict(mem_len=-2), r"objective.mem_len must be 0 \(no memory\)"),
    ],
)
def test_fields_that_cannot_be(fields, message):
    with pytest.raises(ConfigError, match=message):
        PermutationLM(**fields)


@pytest.mark.parametrize(
    ("fields", "given", "message"),
    [
        (dict(perm_size=5), {}, "perm_size 5 does not divide both parts of a row, of 16 and 16 tokens .* to 4"),
        (dict(reuse_len=24, perm_size=16), {}, "of 24 and 8 tokens .*; set it to 8"),
        (dict(), dict(seq_len=33), "perm_size 16 does not divide .* of 16 and 17 tokens .*, or data.seq_len to 34"),
        (dict(reuse_len=32), {}, "reuse_len must be fewer tokens than data.seq_len, 32; found 32. .* half of them, 16"),
        (dict(num_predict=31), {}, "num_predict is 31, and a row has 30 tokens that can be .*; set it to 30 or less"),
        (dict(k=1.0), {}, "num_predict is 32, and a row has 30"),
        ({}, dict(cls_id=None), "has no classifying token; use XLNet's .*data.tokenizer.special=xlnet"),
        ({}, dict(cls_id=None, sep_id=None), "has no separator and no classifying token"),
        ({}, dict(schema=PACKED), "set data.word_starts=True"),
        ({}, dict(schema={"tokens": PACKED["tokens"], "word_starts": PACKED["tokens"]}), "reads 'segments'"),
    ],
)
def test_data_that_do_not_suit(fields, given, message):
    with pytest.raises(ConfigError, match=message):
        PermutationLM(**fields).bind(data(**given))


def test_the_sizes_that_errors_name_work():
    for fields in (dict(perm_size=4), dict(reuse_len=24, perm_size=8), dict(num_predict=30)):
        bound = PermutationLM(**fields).bind(data())
        assert bound.arrange(batch(), key())["target_weights"].sum() == 6 * bound.predictions
    with pytest.raises(ConfigError, match=r"data\.packing=0"):
        PermutationLM().bind(dataclasses.replace(data(), packing=4))


@pytest.mark.parametrize("name", ["bert-base-uncased", "gpt2", "t5-small"])
def test_other_families_are_refused(name):
    with pytest.raises(ConfigError, match="PermutationLM needs a permutation_lm head, which"):
        PermutationLM().bind(data()).configure(zoo.config(name))

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling: what it asks of the data, and the positions at which the head runs."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.fakes import answer, info
from zoo.data.random import EVALUATION, TRAINING, Key
from zoo.data.schema import Feature
from zoo.errors import ConfigError
from zoo.objectives import MaskedLM

SPECIAL = frozenset({0, 1, 2, 3, 4})
MASK = 4
INFO = info(seq_len=512, special_ids=SPECIAL, mask_id=MASK)
KEY = Key(0, 0, 0, np.arange(3))


def batch():
    return INFO.placeholder(3)


def test_hides_its_share_of_ordinary_tokens_and_keeps_what_was_there():
    objective = MaskedLM(mask_rate=0.2).bind(INFO)
    before = batch()
    out = objective.arrange(batch(), KEY)
    assert out["mask_positions"].shape == out["mask_targets"].shape == (3, objective.predictions)
    assert (out["mask_weights"].sum(axis=1) == round(0.2 * 512)).all()
    np.testing.assert_array_equal(out["mask_targets"], np.take_along_axis(before["tokens"], out["mask_positions"], 1))
    assert (out["tokens"] == MASK).any()
    assert set(np.unique(out["tokens"])) & SPECIAL == {MASK}


def test_the_head_runs_at_the_hidden_positions_only():
    seen = {}

    def model(tokens, *, segments, positions, dropout_key, logits_at, targets, loss_options):
        seen.update(logits_at=logits_at)
        return answer(jnp.zeros((*logits_at.shape, 997)), targets, loss_options)

    objective = MaskedLM().bind(INFO)
    out = objective.arrange(batch(), KEY)
    sums = objective.loss(model, {name: jnp.array(value) for name, value in out.items()})
    np.testing.assert_array_equal(seen["logits_at"], out["mask_positions"])
    assert float(sums["loss"] / sums["weight"]) == pytest.approx(math.log(997), rel=1e-6)
    assert float(sums["weight"]) == out["mask_weights"].sum()


def test_room_for_the_share_of_a_full_sequence():
    assert MaskedLM().bind(INFO).predictions == 77
    assert MaskedLM(max_predictions=20, mask_rate=0.4).bind(INFO).predictions == 20


@pytest.mark.parametrize("change", [{"mask_rate": 0.0}, {"mask_rate": 1.0}, {"max_predictions": -1}])
def test_bad_options(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        MaskedLM(**change)


def test_data_that_do_not_suit_it():
    with pytest.raises(ConfigError, match="mask token"):
        MaskedLM().bind(info())
    labelled = {"tokens": Feature(kind="tokens"), "label": Feature(kind="class", classes=("a", "b"))}
    with pytest.raises(ConfigError, match="reads 'positions', 'segments'"):
        MaskedLM().bind(info(schema=labelled, mask_id=MASK))


WORDS = info(
    seq_len=512,
    special_ids=SPECIAL,
    mask_id=MASK,
    schema={name: Feature(kind="tokens") for name in ("tokens", "segments", "positions", "word_starts")},
)


@pytest.mark.parametrize("unit", ["word", "ngram", "span"])
def test_units_need_the_beginnings_of_words(unit):
    with pytest.raises(ConfigError, match=r"set data\.word_starts=True"):
        MaskedLM(unit=unit).bind(INFO)
    objective = MaskedLM(unit=unit).bind(WORDS)
    out = objective.arrange(WORDS.placeholder(3), KEY)
    assert set(out) == {"tokens", "segments", "positions", "mask_positions", "mask_targets", "mask_weights"}
    assert out["mask_weights"].sum() == 3 * 77


def test_units_are_hidden_and_replaced_as_a_whole():
    words = {**WORDS.placeholder(3), "word_starts": np.tile(np.arange(512) % 4 == 0, (3, 1)).astype(np.int32)}
    before = words["tokens"].copy()
    chosen = dict(unit="word", shares=(0.5, 0.0, 0.5), mask_rate=0.25)
    for replaced, whole in (("unit", True), ("token", False)):
        out = MaskedLM(replaced=replaced, **chosen).bind(WORDS).arrange(dict(words), KEY)
        for row, there, tokens in zip(out["mask_positions"], out["mask_weights"], out["tokens"], strict=True):
            is_hidden = np.isin(np.arange(512), row[there > 0])
            assert {*is_hidden.reshape(-1, 4).sum(axis=1)} == {0, 4}
            assert ({*(tokens == MASK).reshape(-1, 4).sum(axis=1)} == {0, 4}) == whole
    np.testing.assert_array_equal(words["tokens"], before)


def hidden(objective, key):
    out = objective.arrange(batch(), key)
    return [row[there > 0].tolist() for row, there in zip(out["mask_positions"], out["mask_weights"], strict=True)]


def test_the_rate_moves_with_the_step():
    objective = MaskedLM(mask_rate=0.3, final_mask_rate=0.1, mask_rate_steps=100).bind(INFO)
    assert objective.predictions == round(0.3 * 512)
    for step, rate in ((0, 0.3), (50, 0.2), (100, 0.1), (1000, 0.1)):
        assert {*map(len, hidden(objective, Key(0, TRAINING, step, np.arange(3))))} == {round(rate * 512)}
        assert {*map(len, hidden(objective, Key(0, EVALUATION, step, np.arange(3))))} == {51}
    assert {*map(len, hidden(MaskedLM().bind(INFO), Key(0, TRAINING, 9, np.arange(3))))} == {77}


def test_other_shares():
    out = MaskedLM(shares=(0.0, 1.0, 0.0)).bind(INFO).arrange(batch(), KEY)
    assert not (out["tokens"] == MASK).any() and (out["tokens"] != batch()["tokens"]).sum() > 3 * 70
    out = MaskedLM(shares=(0.0, 0.0, 1.0)).bind(INFO).arrange(batch(), KEY)
    np.testing.assert_array_equal(out["tokens"], batch()["tokens"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shares": (0.8, 0.1, 0.2)}, r"add up to 1; found \(0.8, 0.1, 0.2\); with the first two .*\(0.8, 0.1, 0.1\)"),
        ({"shares": (0.9, 0.2, -0.1)}, r"add up to 1; found \(0.9, 0.2, -0.1\)\."),
        ({"shares": (0.8, 0.2)}, "shares"),
        ({"duplicates": -1}, "duplicates"),
        ({"final_mask_rate": 0.1}, "mask_rate_steps 0; a schedule needs both"),
        ({"mask_rate_steps": 10}, "a schedule needs both"),
        ({"final_mask_rate": 1.5, "mask_rate_steps": 10}, "final_mask_rate must be above 0"),
        ({"final_mask_rate": 0.1, "mask_rate_steps": 10, "duplicates": 10}, "one of them to 0"),
    ],
)
def test_options_that_make_no_sense(change, message):
    with pytest.raises(ConfigError, match=message):
        MaskedLM(**change)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling: what it asks of the data, and the positions at which the head runs."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.fakes import answer, info
from zoo.data.random import Key
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

    def model(tokens, *, segments, positions, dropout_key, logits_at, targets):
        seen.update(logits_at=logits_at)
        return answer(jnp.zeros((*logits_at.shape, 997)), targets)

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

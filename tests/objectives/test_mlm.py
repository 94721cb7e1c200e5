# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling: the statistics of the corruption, and the positions at which the head runs."""

import math
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from tests.objectives.fakes import answer
from zoo.errors import ConfigError
from zoo.objectives import MaskedLM

SPECIAL = (0, 1, 2, 3, 4)
PAD, CLS, SEP, MASK = 0, 2, 3, 4
TASK = MaskedLM(vocab_size=997, mask_id=MASK, special_ids=SPECIAL, max_predictions=77)


def row(length=512, padding=31, seed=0):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(5, 997, length).astype(np.int32)
    tokens[0], tokens[length - padding - 1], tokens[length - padding :] = CLS, SEP, PAD
    segments = np.where(np.arange(length) < length - padding, 1, 0).astype(np.int32)
    return {"tokens": tokens, "segments": segments, "positions": np.arange(length, dtype=np.int32)}


def test_special_tokens_and_padding_are_never_hidden():
    for seed in range(50):
        example = row(seed=seed)
        # An ordinary id in the padding: the segments say what is padding, not the token.
        example["tokens"][-5:] = 50
        out = TASK.transform(example, np.random.default_rng(seed))
        changed = np.flatnonzero(out["tokens"] != example["tokens"])
        chosen = out["mask_positions"][out["mask_weights"] > 0]
        assert set(changed) <= set(chosen)
        assert not np.isin(example["tokens"][chosen], SPECIAL).any()
        assert (example["segments"][chosen] > 0).all()


def test_targets_are_the_tokens_that_were_there_and_the_input_is_untouched():
    example = row()
    before = example["tokens"].copy()
    out = TASK.transform(example, np.random.default_rng(3))
    count = int(out["mask_weights"].sum())
    assert count == round(0.15 * (512 - 31 - 2))
    np.testing.assert_array_equal(out["mask_targets"][:count], before[out["mask_positions"][:count]])
    assert len(set(out["mask_positions"][:count])) == count
    np.testing.assert_array_equal(example["tokens"], before)


def test_eighty_ten_ten():
    masked = kept = total = 0
    replacements = []
    for seed in range(300):
        example = row(seed=seed)
        out = TASK.transform(example, np.random.default_rng(seed))
        chosen = out["mask_positions"][out["mask_weights"] > 0]
        new, old = out["tokens"][chosen], example["tokens"][chosen]
        masked, kept, total = masked + (new == MASK).sum(), kept + (new == old).sum(), total + len(chosen)
        replacements.extend(new[(new != MASK) & (new != old)])
    # Five standard deviations of a binomial around the rates.
    assert masked / total == pytest.approx(0.8, abs=5 * math.sqrt(0.16 / total))
    assert kept / total == pytest.approx(0.1, abs=5 * math.sqrt(0.09 / total))
    assert not np.isin(replacements, SPECIAL).any()
    assert len(set(replacements)) > 800  # of the whole ordinary vocabulary


def test_predictions_are_bounded_and_padded():
    task = MaskedLM(vocab_size=997, mask_id=MASK, special_ids=SPECIAL, max_predictions=10)
    out = task.transform(row(), np.random.default_rng(0))
    assert out["mask_positions"].shape == out["mask_weights"].shape == (10,)
    assert out["mask_weights"].sum() == 10
    short = row(length=6, padding=0)
    out = task.transform(short, np.random.default_rng(0))
    assert out["mask_weights"].tolist() == [1.0] + [0.0] * 9
    assert (out["mask_positions"][1:] == 0).all()


def test_nothing_to_hide():
    example = {name: np.zeros(8, np.int32) for name in ("tokens", "segments", "positions")}
    out = TASK.transform(example, np.random.default_rng(0))
    assert out["mask_weights"].sum() == 0
    assert (out["tokens"] == 0).all()


def test_same_generator_same_mask_and_another_another():
    first, again, other = (TASK.transform(row(), np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first["tokens"], again["tokens"])
    assert (first["tokens"] != other["tokens"]).any()


def test_the_head_runs_at_the_hidden_positions_only():
    seen = {}

    def model(tokens, *, segments, positions, dropout_key, logits_at, targets):
        seen.update(logits_at=logits_at)
        return answer(jnp.zeros((*logits_at.shape, 997)), targets)

    out = TASK.transform(row(), np.random.default_rng(0))
    rows = {name: jnp.array(value)[None] for name, value in out.items()}
    loss, sums = TASK.loss(model, rows)
    np.testing.assert_array_equal(seen["logits_at"][0], out["mask_positions"])
    assert float(loss) == pytest.approx(math.log(997), rel=1e-6)
    assert float(sums["weight"]) == out["mask_weights"].sum()


def test_create_reads_the_tokenizer():
    tokenizer = SimpleNamespace(vocab_size=997, mask_id=MASK, special_ids=SPECIAL)
    assert MaskedLM.create(tokenizer, 512).max_predictions == 77
    assert MaskedLM.create(tokenizer, 512, max_predictions=20, mask_rate=0.4).mask_rate == 0.4


@pytest.mark.parametrize("change", [{"mask_rate": 0.0}, {"mask_rate": 1.0}, {"max_predictions": 0}, {"mask_id": 9}])
def test_bad_options(change):
    fields = {"vocab_size": 997, "mask_id": MASK, "special_ids": SPECIAL, "max_predictions": 5} | change
    with pytest.raises(ConfigError):
        MaskedLM(**fields)


def test_a_tokenizer_without_a_mask_token_is_refused():
    with pytest.raises(ConfigError, match="mask token"):
        MaskedLM.create(SimpleNamespace(vocab_size=9, mask_id=None, special_ids=()), 16)

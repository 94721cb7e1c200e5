# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks of whole batches: exact counts, even and independent choices, and nothing hidden that must not be."""

import numpy as np
import pytest

from zoo.data.random import Key
from zoo.objectives.masking import Masking, mask_tokens

PAD, CLS, SEP, MASK = 0, 2, 3, 4
VOCAB = 997
ORDINARY = np.arange(5, VOCAB, dtype=np.int32)


def sequences(rows=32, length=128, padding=9, seed=0):
    tokens = np.random.default_rng(seed).integers(5, VOCAB, (rows, length)).astype(np.int32)
    tokens[:, 0], tokens[:, length - padding - 1] = CLS, SEP
    segments = np.broadcast_to(np.arange(length) < length - padding, (rows, length)).astype(np.int32)
    tokens[segments == 0] = PAD
    return {"tokens": tokens, "segments": segments}


def key(rows, step=0, seed=0):
    return Key(seed, 0, step, np.arange(rows))


def mask(batch, step=0, rate=0.15, most=20, seed=0, rows=None):
    at = key(len(batch["tokens"]), step, seed) if rows is None else Key(seed, 0, step, rows)
    masking = Masking(mask_id=MASK, ordinary_ids=ORDINARY)
    return mask_tokens(batch, at, masking, rate=rate, max_predictions=most)


def assert_rate(count, total, rate):
    """Within five standard deviations of a binomial."""
    assert abs(count - total * rate) < 5 * np.sqrt(total * rate * (1 - rate)), (count, total, rate)


def test_shapes_and_what_stays():
    batch = {**sequences(), "positions": np.arange(128)}
    before = batch["tokens"].copy()
    out = mask(batch)
    assert {
        name: (out[name].shape, out[name].dtype) for name in ("mask_positions", "mask_targets", "mask_weights")
    } == {
        "mask_positions": ((32, 20), np.int32),
        "mask_targets": ((32, 20), np.int32),
        "mask_weights": ((32, 20), np.float32),
    }
    assert out["tokens"].dtype == np.int32
    assert out["positions"] is batch["positions"] and out["segments"] is batch["segments"]
    np.testing.assert_array_equal(batch["tokens"], before)


@pytest.mark.parametrize("step", range(20))
def test_special_tokens_and_padding_are_never_hidden(step):
    batch = sequences(seed=step)
    batch["tokens"][:, -3:] = 50  # an ordinary id in the padding: the segments say what is padding
    batch["tokens"][:, 40] = MASK
    out = mask(batch, step)
    chosen = np.zeros(batch["tokens"].shape, bool)
    rows, places = np.nonzero(out["mask_weights"])
    chosen[rows, out["mask_positions"][rows, places]] = True
    assert chosen.sum() == out["mask_weights"].sum()  # no position twice
    assert np.isin(batch["tokens"][chosen], ORDINARY).all() and (batch["segments"][chosen] == 1).all()
    np.testing.assert_array_equal(out["tokens"][~chosen], batch["tokens"][~chosen])
    np.testing.assert_array_equal(out["mask_targets"][rows, places], batch["tokens"][chosen])


@pytest.mark.parametrize(
    ("ordinary", "rate", "most", "count"),
    [
        *[(117, 0.15, 20, 18), (117, 0.15, 17, 17), (3, 0.15, 20, 1), (1, 0.15, 20, 1), (0, 0.15, 20, 0)],
        *[(6, 0.999, 20, 6), (10, 0.15, 20, 2), (30, 0.15, 20, 4), (10, 0.25, 20, 2), (6, 0.25, 20, 2)],  # halves too
    ],
)
def test_exactly_the_rate_is_hidden(ordinary, rate, most, count):
    batch = sequences(4)
    batch["tokens"][:, 1 + ordinary :] = SEP
    out = mask(batch, rate=rate, most=most)
    assert out["mask_weights"].sum(axis=1).tolist() == [count] * 4
    assert (np.diff(out["mask_positions"][:, :count], axis=1) > 0).all()
    for name in ("mask_positions", "mask_targets", "mask_weights"):
        assert (out[name][:, count:] == 0).all()


def test_rows_of_different_lengths_side_by_side():
    batch = sequences(3)
    batch["segments"][1, 20:] = batch["segments"][2] = 0
    assert mask(batch)["mask_weights"].sum(axis=1).tolist() == [18, 3, 0]
    short = {name: rows[:, :7] for name, rows in batch.items()}
    assert mask(short)["mask_weights"].shape == (3, 20)


def test_eighty_ten_ten():
    batch, outs = sequences(), [mask(sequences(), step) for step in range(100)]
    new = np.concatenate([np.take_along_axis(out["tokens"], out["mask_positions"], 1).ravel() for out in outs])
    old = np.concatenate([out["mask_targets"].ravel() for out in outs])
    there = np.concatenate([out["mask_weights"].ravel() > 0 for out in outs])
    new, old, total = new[there], old[there], there.sum()
    assert total == 100 * 32 * 18
    assert_rate((new == MASK).sum(), total, 0.8)
    assert_rate((new == old).sum(), total, 0.1 + 0.1 / len(ORDINARY))
    drawn = new[(new != MASK) & (new != old)]
    assert np.isin(drawn, ORDINARY).all()
    assert len(np.unique(drawn)) > 0.98 * len(ORDINARY)
    counts = np.bincount(np.searchsorted(ORDINARY, drawn), minlength=len(ORDINARY))
    expected = len(drawn) / len(ORDINARY)
    assert ((counts - expected) ** 2 / expected).sum() < len(ORDINARY) + 5 * np.sqrt(2 * len(ORDINARY))
    assert batch["tokens"].shape == (32, 128)


def hits(steps=500, rows=8):
    """bool [steps x rows, T]: which positions were hidden."""
    chosen = np.zeros((steps, rows, 128), bool)
    for step in range(steps):
        out = mask(sequences(rows), step)
        chosen[step][np.nonzero(out["mask_weights"])[0], out["mask_positions"][out["mask_weights"] > 0]] = True
    return chosen


def test_every_candidate_is_as_likely_and_rows_are_independent():
    chosen, rate = hits(), 18 / 117
    assert not chosen[..., [0, 118, *range(119, 128)]].any()
    for count in chosen[..., 1:118].sum(axis=(0, 1)):
        assert_rate(count, 4000, rate)
    for one in range(8):  # the same position in two rows, and in two steps of a row
        for other in range(one):
            assert_rate((chosen[:, one] & chosen[:, other])[:, 1:118].sum(), 500 * 117, rate**2)
        assert_rate((chosen[1:, one] & chosen[:-1, one])[:, 1:118].sum(), 499 * 117, rate**2)
    pair = rate * 17 / 116  # two neighbours of a row, drawn without replacement
    assert_rate((chosen[..., 1:117] & chosen[..., 2:118]).sum(), 4000 * 116, pair)


def test_a_row_does_not_depend_on_who_reads_it():
    batch, rows = sequences(), np.array([3, 4, 17])
    whole, part = mask(batch, 5), mask({name: values[rows] for name, values in batch.items()}, 5, rows=rows)
    for name in part:
        np.testing.assert_array_equal(part[name], whole[name][rows])


def test_seeds_and_steps_give_masks_of_their_own():
    masks = [mask(sequences(), step, seed=seed)["mask_positions"] for step in (0, 1, 2**33) for seed in (0, 1)]
    for i, one in enumerate(masks):
        assert all((one != other).any(axis=1).all() for other in masks[:i])
    np.testing.assert_array_equal(mask(sequences(), 1)["tokens"], mask(sequences(), 1)["tokens"])

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches are corrupted as plain Python written from T5's code corrupts each row, and as evenly as it should be."""

import collections
import itertools
import random

import numpy as np
import pytest
from scipy import stats

from tests.objectives.test_units import same_distribution
from zoo.data.random import Key
from zoo.objectives.spans import (
    NOISE,
    OTHER,
    Spans,
    Suffix,
    Tokens,
    corrupt,
    draw_noise,
    random_ends,
    span_sizes,
)

EOS, PAD, VOCAB = 1, 0, 997
SENTINELS = VOCAB - 1 - np.arange(200)


def key(count, step=0, seed=0):
    return Key(seed, 0, step, np.arange(count))


def special(*modes):
    return Tokens(sentinels=SENTINELS, modes=np.array(modes or (-1,)), eos=EOS, pad=PAD)


def rows(count, length=64, seed=0):
    draw = np.random.default_rng(seed)
    return draw.integers(3, VOCAB - 200, (count, length)).astype(np.int32), draw.integers(0, length + 1, count)


def arranged(tokens, lengths, denoisers, at, modes=(), inputs_length=99, targets_length=99):
    noise, chosen = draw_noise(lengths, denoisers, at, length=tokens.shape[1])
    sizes = dict(inputs_length=inputs_length, targets_length=targets_length)
    return corrupt(tokens, lengths, noise, chosen, denoisers, special(*modes), **sizes), noise, chosen


# `noise_span_to_unique_sentinel`, `random_spans_noise_mask` and `random_spans_helper`, a token at a time.


def plain_collapsed(tokens, mask, *, sentinels=True):
    found, spans, before = [], 0, False
    for token, hidden in zip(tokens, mask, strict=True):
        if not hidden:
            found.append(token)
        elif not before and sentinels:
            found.append(VOCAB - 1 - spans)
            spans += 1
        before = hidden
    return [*found, EOS]


def plain_sizes(length, rate, mean_span):
    length = max(length, 2)
    noise = min(max(round(length * rate), 1), length - 1)
    return noise, max(round(noise / mean_span), 1)


def plain_mask(length, noise_spans, other_spans):
    pairs = zip(other_spans, noise_spans, strict=True)
    return [hidden for other, noise in pairs for hidden in [False] * other + [True] * noise][:length]


def plain_helper(inputs_length, rate, mean_span):
    def sizes(length):
        noise = round(length * rate)
        spans = round(noise / mean_span)
        return length - noise + spans + 1, noise + spans + 1

    length = inputs_length
    while sizes(length + 1)[0] <= inputs_length:
        length += 1
    return length, *sizes(length)


def assert_row(out, row, inputs, targets):
    for name, there, expected in (("tokens", "segments", inputs), ("targets", "target_weights", targets)):
        padding = [0] * (len(out[name][row]) - len(expected))
        assert out[name][row].tolist() == [*expected, *padding]  # the padding token is 0
        assert out[there][row].tolist() == [1] * len(expected) + padding


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_as_in_plain_code_given_the_mask(seed):
    tokens, lengths = rows(250, seed=seed)
    mask = np.random.default_rng(seed).random(tokens.shape) < np.linspace(0, 1, 250)[:, None]  # may begin with noise
    mask &= np.arange(64) < lengths[:, None]
    chosen = np.arange(250) % 2
    sizes = dict(inputs_length=70, targets_length=71)
    out = corrupt(tokens, lengths, mask, chosen, [Spans(), Suffix()], special(-1, -1), **sizes)
    assert {name: values.dtype for name, values in out.items()} == {
        **dict.fromkeys(("tokens", "segments", "targets"), np.int32),
        "target_weights": np.float32,
    }
    for row, length in enumerate(lengths):
        here, hidden = tokens[row, :length].tolist(), mask[row, :length]
        options = dict(sentinels=chosen[row] == 0)
        expected = [plain_collapsed(here, each, **options) if length else [] for each in (hidden, ~hidden)]
        assert_row(out, row, *expected)


@pytest.mark.parametrize(("rate", "mean_span"), [(0.15, 3.0), (0.5, 3.0), (0.5, 8.0), (0.3, 1.0)])
def test_rows_are_as_in_plain_code_given_the_compositions(rate, mean_span):
    tokens, lengths = rows(250)
    lengths[:4] = 0, 1, 2, 3
    out, mask, _ = arranged(tokens, lengths, [Spans(rate=rate, mean_span=mean_span)], key(250))
    noise, spans = span_sizes(lengths, rate, mean_span)
    ends = (
        random_ends(noise, spans, key(250), NOISE),
        random_ends(np.maximum(lengths, 2) - noise, spans, key(250), OTHER),
    )
    for row, length in enumerate(lengths.tolist()):
        assert plain_sizes(length, rate, mean_span) == (noise[row], spans[row])
        parts = [np.diff(each[row, : spans[row]], prepend=0).tolist() for each in ends]
        assert [sum(each) for each in parts] == [noise[row], max(length, 2) - noise[row]]
        assert all(len(each) == spans[row] and min(each) > 0 for each in parts)
        hidden = np.array(plain_mask(length, *parts), bool)
        assert mask[row].tolist() == hidden.tolist() + [False] * (64 - length)
        here = tokens[row, :length].tolist()
        assert_row(out, row, *([plain_collapsed(here, each) for each in (hidden, ~hidden)] if length else ([], [])))


@pytest.mark.parametrize("length", [2, 3, 40, 141, 568])
@pytest.mark.parametrize("denoiser", [Spans(), Spans(rate=0.5, mean_span=8.0), Suffix(), Suffix(rate=0.5, mode="m")])
def test_no_row_is_longer_than_said_and_full_rows_of_spans_fill_it(denoiser, length):
    tokens, _ = rows(200, length)
    lengths = np.random.default_rng(0).integers(0, length + 1, 200)
    lengths[:100] = length
    most = denoiser.lengths(np.array([length]))
    inputs, targets, sentinels = (int(each[0]) for each in most)
    modes = [5] if denoiser.mode else []
    out, _, _ = arranged(tokens, lengths, [denoiser], key(200), modes, inputs, targets)
    used = [set(row) & set(SENTINELS.tolist()) for row in out["tokens"].tolist()]
    assert max(map(len, used)) == sentinels
    if isinstance(denoiser, Spans):
        assert (out["segments"][:100] == 1).all() and (out["target_weights"][:100] == 1).all()
    else:
        assert (out["segments"].sum(1).max(), out["target_weights"].sum(1).max()) <= (inputs, targets)
        assert out["tokens"][:, 0].tolist().count(5) == (lengths > 0).sum() * len(modes) or not modes


def test_the_texts_that_fill_an_encoder_are_those_of_the_helper():
    for rate, mean_span in itertools.product((0.1, 0.15, 0.3, 0.45), (1.5, 3.0, 10.0)):
        denoiser = Spans(rate=rate, mean_span=mean_span)
        for inputs_length in (64, 100, 128, 333, 512):
            length, inputs, targets = plain_helper(inputs_length, rate, mean_span)
            found = denoiser.lengths(np.array([length, length + 1]))
            assert (found.inputs[0], found.targets[0]) == (inputs, targets) and found.inputs[1] > inputs_length
    assert plain_helper(512, 0.15, 3.0) == (568, 512, 114)  # as the paper's code prints


# How often.


def p_of(counts, expected=None):
    """Of a chi-square test of counts against even ones, or those expected."""
    return stats.chisquare(counts, expected).pvalue


def compositions(total, parts):
    found = [part for part in itertools.product(range(1, total + 1), repeat=parts) if sum(part) == total]
    return {part: index for index, part in enumerate(found)}


@pytest.mark.parametrize("purpose", [NOISE, OTHER])
@pytest.mark.parametrize(("total", "parts"), [(7, 3), (6, 2), (6, 5), (5, 1)])
def test_every_composition_is_as_likely(total, parts, purpose):
    known, count = compositions(total, parts), 6000
    ends = random_ends(np.full(count, total), np.full(count, parts), key(count), purpose)
    found = collections.Counter(map(tuple, np.diff(ends[:, :parts], axis=1, prepend=0).tolist()))
    assert found.keys() <= known.keys()
    assert len(known) == 1 or p_of([found[part] for part in known]) > 1e-4


def test_noise_and_others_are_composed_independently():
    count, known = 12000, compositions(5, 3)
    numbers = []
    for purpose in (NOISE, OTHER):
        ends = random_ends(np.full(count, 5), np.full(count, 3), key(count), purpose)
        numbers.append([known[tuple(part)] for part in np.diff(ends[:, :3], axis=1, prepend=0).tolist()])
    table = np.zeros((len(known), len(known)))
    np.add.at(table, tuple(numbers), 1)
    assert p_of(table.ravel()) > 1e-4


def plain_spans(length, rate, mean_span, draw):
    """A row's mask, with cuts drawn by the standard library."""
    noise, spans = plain_sizes(length, rate, mean_span)
    parts = []
    for total in (noise, length - noise):
        cuts = sorted(draw.sample(range(1, total), spans - 1))
        parts.append(np.diff([0, *cuts, total]).tolist())
    return np.array(plain_mask(length, *parts))


def runs(mask):
    """Lengths of the spans of noise."""
    ends = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return (ends[1::2] - ends[::2]).tolist()


@pytest.mark.parametrize(("denoiser", "exact"), [(Spans(), (85, 28)), (Spans(rate=0.5, mean_span=8.0), (284, 36))])
def test_rate_mean_span_and_places_of_full_rows(denoiser, exact):
    count, draw = 3000, random.Random(0)
    mask, _ = draw_noise(np.full(count, 568), [denoiser], key(count), length=568)
    assert {(row.sum(), len(runs(row))) for row in mask} == {exact}  # the rate, and the mean span: exact in each row
    assert not mask[:, 0].any() and mask[:, -1].all()
    plain = [plain_spans(568, denoiser.rate, denoiser.mean_span, draw) for _ in range(count)]
    for measure in (
        lambda row: runs(row)[0],
        lambda row: runs(row)[-1],
        lambda row: max(runs(row)),
        *(lambda row, n=n: runs(row).count(n) for n in range(1, 6)),
        lambda row: int(np.argmax(row)),
        lambda row: int(row[200:368].sum()),
        lambda row: int(row[:200].sum()),
        lambda row: int(row[284]),
    ):
        assert same_distribution([*map(measure, mask)], [*map(measure, plain)])


def test_denoisers_come_as_often_as_their_weights_say():
    denoisers = [Spans(weight=1.0), Suffix(weight=2.5), Spans(rate=0.5, weight=0.5)]
    lengths = np.full(8000, 20)
    chosen = [draw_noise(lengths, denoisers, key(8000, step), length=20)[1] for step in range(2)]
    for each in chosen:
        assert p_of(np.bincount(each), np.array([2000, 5000, 1000])) > 1e-4
    table = np.zeros((3, 3))
    np.add.at(table, tuple(chosen), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-4  # two steps of a row


@pytest.mark.parametrize(("rate", "most"), [(0.25, 9), (0.5, 19)])
def test_a_suffix_is_of_any_size_with_the_rate_as_its_mean(rate, most):
    noise, _ = draw_noise(np.full(8000, 20), [Suffix(rate=rate)], key(8000), length=24)
    sizes = noise.sum(1)
    assert (noise == ((np.arange(24) >= (20 - sizes)[:, None]) & (np.arange(24) < 20))).all()
    assert p_of(np.bincount(sizes, minlength=most + 1)[1:]) > 1e-4 and sizes.max() == most
    assert abs(sizes.mean() - 20 * rate) < 5 * sizes.std() / np.sqrt(8000)


def test_a_row_does_not_depend_on_its_batch_and_steps_differ():
    tokens, lengths = rows(64)
    denoisers, part = [Spans(), Suffix(mode="s"), Spans(rate=0.5)], np.arange(3, 64, 4)
    whole, mask, _ = arranged(tokens, lengths, denoisers, key(64, 3), (-1, 5, 6))
    alone, _, _ = arranged(tokens[part], lengths[part], denoisers, Key(0, 0, 3, part), (-1, 5, 6))
    for name, values in alone.items():
        np.testing.assert_array_equal(values, whole[name][part])
    long = lengths > 20
    for other in (key(64, 4), key(64, 3, seed=1)):
        assert (draw_noise(lengths, denoisers, other, length=64)[0] != mask)[long].any(1).mean() > 0.8


def test_modes_come_first_and_padding_has_none():
    tokens, lengths = rows(200)
    lengths[:2] = 0, 1
    out, _, chosen = arranged(
        tokens, lengths, [Spans(mode="r"), Suffix(mode="s"), Spans(rate=0.5)], key(200), (5, 6, -1)
    )
    plain, _, _ = arranged(tokens, lengths, [Spans(), Suffix(), Spans(rate=0.5)], key(200), (-1, -1, -1))
    assert out["segments"][0].sum() == out["target_weights"][0].sum() == 0
    for row in np.flatnonzero(lengths):
        before = [] if chosen[row] == 2 else [(5, 6)[chosen[row]]]
        size = int(plain["segments"][row].sum())
        assert out["tokens"][row, : size + len(before)].tolist() == [*before, *plain["tokens"][row, :size].tolist()]
        assert out["segments"][row].sum() == size + len(before)
    np.testing.assert_array_equal(out["targets"], plain["targets"])

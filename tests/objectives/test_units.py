# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Words, n-grams and spans are hidden whole and as often as plain code written from the papers hides them."""

import collections
import itertools
import random

import numpy as np
import pytest
from scipy import stats

from zoo.data.random import Key
from zoo.objectives.masking import Masking, mask_tokens
from zoo.objectives.units import MAX_NGRAM, MAX_SPAN, SPAN_P, Words, choose_ngrams, choose_spans

MASK, VOCAB = 4, 97
ORDINARY = np.arange(5, VOCAB, dtype=np.int32)
UNITS = ["word", "ngram", "span"]


def rows(count=64, length=64, seed=0):
    """Rows in which special tokens, two segments and padding come at random; all sizes of words."""
    draw = np.random.default_rng(seed)
    tokens = draw.integers(5, VOCAB, (count, length)).astype(np.int32)
    tokens[draw.random((count, length)) < 0.04] = 2
    cut, end = np.sort(draw.integers(0, length + 1, (2, count)), axis=0)[:, :, None]
    segments = np.where(np.arange(length) < cut, 1, 2) * (np.arange(length) < end)
    starts = (draw.random((count, length)) < 0.7).astype(np.int32)
    return {"tokens": tokens, "segments": segments.astype(np.int32), "word_starts": starts}


def even_rows(count, length=100):
    """Rows of words of one and two tokens in turn, without special tokens."""
    tokens = np.random.default_rng(0).integers(5, VOCAB, (count, length)).astype(np.int32)
    starts = np.broadcast_to(np.arange(length) % 3 != 2, tokens.shape).astype(np.int32)
    return {"tokens": tokens, "segments": np.ones_like(tokens), "word_starts": starts}


def key(count, step=0, seed=0):
    return Key(seed, 0, step, np.arange(count))


def words_of(batch):
    candidates = np.isin(batch["tokens"], ORDINARY) & (batch["segments"] > 0)
    return Words.of(candidates, batch["word_starts"], batch["segments"])


def plain_words(tokens, segments, starts):
    """The runs of a row, each a list of words, each a list of positions."""
    runs, before = [], None
    tokens, segments, starts = (values.tolist() for values in (tokens, segments, starts))
    for place, token in enumerate(tokens):
        if token < 5 or segments[place] == 0:
            before = None
            continue
        if before != segments[place]:
            runs.append([[]])
        elif starts[place]:
            runs[-1].append([])
        runs[-1][-1].append(place)
        before = segments[place]
    return runs


def plain_ngrams(runs, budget, longest, draw):
    """One row by ALBERT's rule."""
    visits = [run[start:] for run in runs for start in range(len(run))]
    draw.shuffle(visits)
    chosen, left = [], budget
    for following in visits:
        most = min(len(following), longest)
        (n,) = draw.choices(range(1, most + 1), [1 / size for size in range(1, most + 1)])
        while n and sum(map(len, following[:n])) > left:
            n -= 1
        places = [place for word in following[:n] for place in word]
        if places and not {*places} & {place for unit in chosen for place in unit}:
            chosen.append(places)
            left -= len(places)
    return chosen


def plain_spans(runs, budget, draw):
    """One row by SpanBERT's rule: the hidden positions."""
    candidates = [place for run in runs for word in run for place in word]
    weights = [SPAN_P * (1 - SPAN_P) ** (n - 1) for n in range(1, MAX_SPAN + 1)]
    hidden = set()
    while len(hidden) < budget:
        (n,) = draw.choices(range(1, MAX_SPAN + 1), weights)
        anchor = draw.choice(candidates)
        if anchor not in hidden:
            run, at = next((run, at) for run in runs for at, word in enumerate(run) if anchor in word)
            for place in [place for word in run[at : at + n] for place in word]:
                if len(hidden) < budget:
                    hidden.add(place)
    return hidden


def maximal_runs(places):
    """Lengths of the stretches of neighbouring positions."""
    places = sorted(places)
    begins = [i for i, place in enumerate(places) if not i or places[i - 1] + 1 != place]
    return np.diff([*begins, len(places)]).tolist()


def counts_of(batch, rate=0.15):
    totals = words_of(batch).candidates.sum(1)
    return np.minimum(np.maximum(np.rint(rate * totals), 1), totals).astype(np.int64)


def units_of(owners):
    """Positions by unit, for each row."""
    found = [collections.defaultdict(list) for _ in owners]
    for row, place in zip(*np.nonzero(owners >= 0), strict=True):
        found[row][owners[row, place]].append(int(place))
    return found


def same_distribution(ours, theirs):
    """A chi-square test of two samples of small whole numbers, one of each row: those of one row would depend."""
    values = sorted({*ours, *theirs})
    table = np.array([[sample.count(value) for value in values] for sample in (ours, theirs)])
    rare = table.sum(0) < 20  # pooled, as the test is for large counts
    table = np.concatenate([table[:, ~rare], table[:, rare].sum(1, keepdims=True)], axis=1)
    return stats.chi2_contingency(table[:, table.sum(0) > 0]).pvalue > 1e-4


@pytest.mark.parametrize("seed", range(20))
def test_words_of_plain_rows(seed):
    batch = rows(seed=seed)
    words = words_of(batch)
    for row, fields in enumerate(zip(batch["tokens"], batch["segments"], batch["word_starts"], strict=True)):
        runs = plain_words(*fields)
        expected = [word for run in runs for word in run]
        assert words.count[row] == len(expected)
        found = [[*range(*ends)] for ends in zip(words.first[row], words.stop[row], strict=True)]
        assert found[: len(expected)] == expected and not any(found[len(expected) :])
        following = [n for run in runs for n in range(len(run), 0, -1)]
        assert words.following[row].tolist() == following + [0] * (words.first.shape[1] - len(following))
        for number, word in enumerate(expected):
            assert (words.index[row, word] == number).all()


@pytest.mark.parametrize("longest", [1, 2, MAX_NGRAM])
@pytest.mark.parametrize("seed", range(10))
def test_ngrams_are_whole_words_within_the_budget(seed, longest):
    batch = rows(seed=seed)
    words, counts = words_of(batch), counts_of(batch)
    owners = choose_ngrams(words, counts, key(64, seed), max_words=longest)
    assert ((owners >= 0).sum(1) <= counts).all()
    for row, units in enumerate(units_of(owners)):
        fields = [batch[name][row] for name in ("tokens", "segments", "word_starts")]
        runs = plain_words(*fields)
        possible = {
            tuple(itertools.chain(*run[i : i + n]))
            for run in runs
            for i in range(len(run))
            for n in range(1, longest + 1)
        }
        for first, places in units.items():
            assert tuple(places) in possible and first == places[0]
        if longest == 1:  # nothing that still fits is left out
            left = counts[row] - (owners[row] >= 0).sum()
            free = [len(word) for run in runs for word in run if owners[row, word[0]] < 0]
            assert left >= 0 and all(size > left for size in free)


@pytest.mark.parametrize("seed", range(10))
def test_spans_fill_the_budget(seed):
    batch = rows(seed=seed)
    words = words_of(batch)
    for rate in (0.15, 0.6, 0.99):
        counts = counts_of(batch, rate)
        owners = choose_spans(words, counts, key(64, seed))
        assert ((owners >= 0).sum(1) == counts).all() and not (owners >= 0)[~words.candidates].any()
        for units in units_of(owners):
            assert all(places == [*range(first, first + len(places))] for first, places in units.items())


@pytest.mark.parametrize("longest", [1, MAX_NGRAM])
def test_ngrams_are_as_likely_as_in_plain_code(longest):
    batch, draw = even_rows(2000), random.Random(0)
    owners = choose_ngrams(words_of(batch), counts_of(batch), key(2000), max_words=longest)
    runs = plain_words(*(batch[name][0] for name in ("tokens", "segments", "word_starts")))
    plain = [plain_ngrams(runs, 15, longest, draw) for _ in range(2000)]
    ours = [[*units.values()] for units in units_of(owners)]
    for measure in (
        len,
        lambda row: sum(map(len, row)),
        *(lambda row, n=n: sum(len(unit) == n for unit in row) for n in range(1, 6)),
        lambda row: sum(unit[0] % 3 == 0 for unit in row),
        lambda row: min(unit[0] for unit in row) // 4,
        lambda row: max(unit[-1] for unit in row) // 4,
        lambda row: sum(unit[0] < 50 for unit in row),
    ):
        assert same_distribution([*map(measure, ours)], [*map(measure, plain)])


@pytest.mark.parametrize("rate", [0.15, 0.5])
def test_spans_are_as_likely_as_in_plain_code(rate):
    batch, draw = even_rows(2000), random.Random(0)
    owners = choose_spans(words_of(batch), counts_of(batch, rate), key(2000))
    runs = plain_words(*(batch[name][0] for name in ("tokens", "segments", "word_starts")))
    plain = [plain_spans(runs, round(rate * 100), draw) for _ in range(2000)]
    ours = [{*np.flatnonzero(row >= 0).tolist()} for row in owners]
    for measure in (
        lambda row: len(maximal_runs(row)),
        lambda row: max(maximal_runs(row)),
        *(lambda row, n=n: maximal_runs(row).count(n) for n in range(1, 6)),
        lambda row: min(row) // 4,
        lambda row: max(row) // 4,
        lambda row: sum(place < 50 for place in row),
    ):
        assert same_distribution([*map(measure, ours)], [*map(measure, plain)])


@pytest.mark.parametrize("unit", UNITS)
def test_a_row_does_not_depend_on_its_batch(unit):
    batch, part = rows(), np.array([5, 9, 40])
    masking = Masking(mask_id=MASK, ordinary_ids=ORDINARY, unit=unit)
    whole = mask_tokens(batch, key(64, 3), masking, rate=0.15, max_predictions=10)
    some = {name: values[part] for name, values in batch.items()}
    alone = mask_tokens(some, Key(0, 0, 3, part), masking, rate=0.15, max_predictions=10)
    assert "word_starts" not in whole and whole["mask_positions"].shape == (64, 10)
    for name, values in alone.items():
        np.testing.assert_array_equal(values, whole[name][part])


@pytest.mark.parametrize("by_unit", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_replacements_of_tokens_or_of_units(unit, by_unit):
    batch = even_rows(2000)
    shares = (0.5, 0.3)
    masking = Masking(mask_id=MASK, ordinary_ids=ORDINARY, unit=unit, shares=shares, replaced_by_unit=by_unit)
    out = mask_tokens(batch, key(2000), masking, rate=0.15, max_predictions=15)
    there = out["mask_weights"] > 0
    row = np.nonzero(there)[0]
    place = out["mask_positions"][there]
    new, old = out["tokens"][row, place], batch["tokens"][row, place]
    np.testing.assert_array_equal(old, out["mask_targets"][there])
    lots = np.where(new == MASK, 0, np.where(new == old, 2, 1))
    share = np.bincount(lots, minlength=3) / len(lots)
    assert np.abs(share - [0.5, 0.3, 0.2]).max() < 0.02
    neighbours = (np.diff(row) == 0) & (np.diff(place) == 1) & (place[1:] % 3 == 2)  # two tokens of one word
    same = (lots[1:] == lots[:-1])[neighbours].mean()
    assert neighbours.sum() > 1000 and (same > 0.97 if by_unit else abs(same - (0.25 + 0.09 + 0.04)) < 0.04)
    untouched = np.ones(batch["tokens"].shape, bool)
    untouched[row, place] = False
    np.testing.assert_array_equal(out["tokens"][untouched], batch["tokens"][untouched])

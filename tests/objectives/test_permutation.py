# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Spans and orders are drawn as plain Python written from XLNet's code draws those of each row, and as evenly."""

import collections
import itertools
import random

import numpy as np
import pytest
from scipy import stats

from tests.objectives.test_units import same_distribution
from zoo.data.random import Key
from zoo.objectives.permutation import choose_spans, draw_order

SHARES = np.array([1 / n for n in range(1, 6)]) / sum(1 / n for n in range(1, 6))


def key(count, step=0, seed=0):
    return Key(seed, 0, step, np.arange(count))


def spans(rows, length, goal, *, starts=None, candidates=None, unit="token", k=6.0, **at):
    everywhere = np.ones((rows, length), bool)
    candidates = everywhere if candidates is None else candidates
    starts = everywhere if starts is None else starts
    return choose_spans(candidates, starts, goal, key(rows, **at), unit=unit, k=k, part=0)


def words(rows, length, seed=0):
    """Where words of 1 to 4 tokens begin."""
    draw = np.random.default_rng(seed)
    return np.diff(np.cumsum(draw.random((rows, length)) < 0.5, axis=1), axis=1, prepend=0) > 0


def runs(row):
    """Begin and length of each run of predicted tokens."""
    edges = np.flatnonzero(np.diff(np.pad(row.astype(int), 1)))
    return [(begin, end - begin) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


# `_sample_mask` and `_local_perm`, a row at a time.


def plain_spans(starts, goal, draw, *, fixed, alpha=6, beta=1):
    length, mask, count, at = len(starts), [False] * len(starts), 0, 0
    while at < length and count < goal:
        n = min(draw.choices(range(1, 6), weights=SHARES)[0], goal - count)
        context = n * alpha // beta
        left = draw.randrange(context)
        begin = at + left
        while begin < length and not starts[begin]:
            begin += 1
        if begin >= length:
            break
        end, grams = begin + 1, 1
        while end < length:
            if starts[end if fixed else begin]:
                grams += 1
                if grams > n:
                    break
            end += 1
        if end >= length:
            break
        end = min(end, begin + goal - count)  # the code may exceed its goal by words
        mask[begin:end] = [True] * (end - begin)
        count += end - begin
        at = end + context - left
    while count < goal:
        at = draw.randrange(length)
        count += not mask[at]
        mask[at] = True
    return np.array(mask)


def plain_mask(target, functional, index, reuse_len):
    """1 where a row may not attend to a column, by the authors' rule, one pair at a time."""
    length = len(target)
    found = np.zeros((length, length), bool)
    for row, column in itertools.product(range(length), repeat=2):
        if (row < reuse_len) != (column < reuse_len):
            found[row, column] = row < reuse_len
            continue
        hidden = target[column] or functional[column]
        own = index[row] if target[row] or functional[row] else -1
        own += 0 if target[row] else 1
        found[row, column] = hidden and own <= index[column]
    return found


@pytest.mark.parametrize("unit", ["token", "word"])
@pytest.mark.parametrize(("length", "goal"), [(96, 16), (24, 10)])
def test_spans_are_distributed_as_those_of_the_code(unit, length, goal):
    """How many runs a row has, where the first one begins and how long it is, and the token in the middle."""
    count = 3000
    starts = np.tile(words(1, length), (count, 1))
    draw = random.Random(1)
    ours = spans(count, length, goal, starts=starts, unit=unit)
    theirs = np.array([plain_spans(starts[0], goal, draw, fixed=unit == "word") for _ in range(count)])
    assert (ours.sum(1) == goal).all() and (theirs.sum(1) == goal).all()
    for measure in (
        lambda row: len(runs(row)),
        lambda row: runs(row)[0][0],
        lambda row: runs(row)[0][1],
        lambda row: runs(row)[-1][0],
        lambda row: int(row[length // 2]),
    ):
        assert same_distribution([measure(row) for row in ours], [measure(row) for row in theirs])


def test_lengths_of_spans():
    """The first 8 of each row, which the goal cannot cut: n tokens with a probability proportional to 1 / n."""
    found = spans(1000, 400, 40)
    sizes = collections.Counter(size for row in found for _, size in runs(row)[:8])
    assert {*sizes} == {1, 2, 3, 4, 5}
    assert stats.chisquare([sizes[n] for n in range(1, 6)], 8000 * SHARES).pvalue > 1e-3


@pytest.mark.parametrize("k", [6.0, 2.5])
def test_a_span_is_anywhere_in_its_context(k):
    """Of those of n tokens, the first one of a row begins at 0 to n K - 1."""
    first = [runs(row)[0] for row in spans(6000, 400, 40, k=k)]
    for n in (1, 2, 5):
        begins = np.bincount([begin for begin, size in first if size == n], minlength=int(n * k))
        assert len(begins) == int(n * k) and stats.chisquare(begins).pvalue > 1e-3


def test_words_are_whole():
    """Words of 3 tokens: spans of tokens begin with one, those of words hold 1 to 5."""
    starts = np.tile(np.arange(600) % 3 == 0, (300, 1))
    tokens, whole = (spans(300, 600, 60, starts=starts, unit=unit) for unit in ("token", "word"))
    first = {"token": [each for row in tokens for each in runs(row)[:8]]}
    first["word"] = [each for row in whole for each in runs(row)[:4]]
    assert all(begin % 3 == 0 for both in first.values() for begin, _ in both)
    assert {size for _, size in first["token"]} == {1, 2, 3, 4, 5}
    assert {size for _, size in first["word"]} == {3, 6, 9, 12, 15}


def test_what_cannot_be_predicted_never_is_and_the_rest_is_made_up_for():
    candidates = np.random.default_rng(0).random((200, 60)) < 0.5
    candidates[0] = False
    candidates[1, 5:] = False
    found = spans(200, 60, 12, candidates=candidates)
    assert not (found & ~candidates).any()
    np.testing.assert_array_equal(found.sum(1), np.minimum(candidates.sum(1), 12))


def draws(rows, reuse_len=8, length=16, perm_size=4, **at):
    """The places of hidden tokens only, in their part."""
    everywhere = np.ones((rows, length), bool)
    found = draw_order(everywhere, everywhere, key(rows, **at), reuse_len=reuse_len, perm_size=perm_size)
    return found - np.where(np.arange(length) < reuse_len, 1, reuse_len + 2)


def test_every_permutation_is_as_likely_and_the_parts_are_independent():
    found = draws(4800).reshape(4800, 2, 2, 4)
    assert (found[:, :, 1] == found[:, :, 0] + 4).all()  # one permutation for all blocks
    for part in range(2):
        counts = collections.Counter(map(tuple, found[:, part, 0].tolist()))
        assert {*counts} == {*itertools.permutations(range(4))}
        assert stats.chisquare([*counts.values()]).pvalue > 1e-3
    pairs = np.zeros((4, 4))
    np.add.at(pairs, (found[:, 0, 0, 0], found[:, 1, 0, 0]), 1)
    assert stats.chi2_contingency(pairs).pvalue > 1e-3
    steps = np.zeros((4, 4))
    np.add.at(steps, (found[:, 0, 0, 0], draws(4800, step=1)[:, 0]), 1)
    assert stats.chi2_contingency(steps).pvalue > 1e-3


@pytest.mark.parametrize(("reuse_len", "perm_size"), [(8, 8), (8, 4), (12, 4), (4, 2)])
def test_a_token_sees_what_the_code_lets_it_see(reuse_len, perm_size):
    draw = np.random.default_rng(0)
    target, functional = draw.random((20, 16)) < 0.3, np.arange(16) >= 14
    target &= ~functional
    everywhere = np.ones((20, 16), bool)
    index = draws(20, reuse_len, perm_size=perm_size)
    options = dict(reuse_len=reuse_len, perm_size=perm_size)
    order = draw_order(target | functional, everywhere, key(20), **options)
    for row in range(20):
        plain = plain_mask(target[row], functional, index[row], reuse_len)
        content = order[row][None, :] <= order[row][:, None]
        np.testing.assert_array_equal(content, ~plain | np.eye(16, dtype=bool))
        before = order[row][None, :] < order[row][:, None]
        np.testing.assert_array_equal(before[target[row]], ~plain[target[row]])


def test_padding_is_seen_by_none():
    hidden, there = np.zeros((2, 16), bool), np.arange(16) < np.array([[16], [11]])
    order = draw_order(hidden, there, key(2), reuse_len=8, perm_size=8)
    assert (order[1, 11:] > order[:, :11].max()).all() and order[0].max() == 9


def test_rows_do_not_depend_on_who_draws_them():
    starts = words(12, 64)
    everywhere = np.ones((12, 64), bool)
    part = slice(5, 9)
    some = Key(0, 0, 0, np.arange(12)[part])
    options = dict(unit="word", k=6.0, part=1)
    whole = choose_spans(everywhere, starts, 10, key(12), **options)
    np.testing.assert_array_equal(choose_spans(everywhere[part], starts[part], 10, some, **options), whole[part])
    order = draw_order(whole, everywhere, key(12), reuse_len=32, perm_size=16)
    again = draw_order(whole[part], everywhere[part], some, reuse_len=32, perm_size=16)
    np.testing.assert_array_equal(again, order[part])
    for other in (key(12, step=1), key(12, seed=1)):
        assert (choose_spans(everywhere, starts, 10, other, **options) != whole).any()

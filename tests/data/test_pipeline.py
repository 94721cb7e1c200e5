# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Global batches depend on the seed and the step alone, and an iterator goes on where it was saved."""

import itertools
import json

import numpy as np
import pytest

from zoo.data.pipeline import Reading, Sharding, evaluation_batches, train_batches
from zoo.errors import ConfigError, InputError

ROWS = [{"tokens": np.full(3, i, np.int32), "segments": np.ones(3, np.int32)} for i in range(10)]


def draw(example, rng):
    return {**example, "noise": rng.random(2)}


def _take(count, make=train_batches, rows=ROWS, seed=5, batch_size=4, **options):
    return list(itertools.islice(make(rows, draw, batch_size=batch_size, seed=seed, **options), count))


def _assert_equal(one, two):
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def _join(parts):
    return [{name: np.concatenate([p[name] for p in batch]) for name in batch[0]} for batch in zip(*parts, strict=True)]


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("make", [train_batches, evaluation_batches])
def test_processes_share_the_same_global_batches(make, processes):
    parts = [_take(7, make, sharding=Sharding(blocks=(i,), count=processes)) for i in range(processes)]
    _assert_equal(_join(parts), _take(7, make))


def test_a_process_may_hold_any_blocks():
    whole, part = _take(7), _take(7, sharding=Sharding(blocks=(0, 3), count=4))
    _assert_equal(part, [{name: rows[[0, 3]] for name, rows in batch.items()} for batch in whole])


def test_every_pass_has_all_rows_in_a_new_order():
    seen = np.concatenate([batch["tokens"][:, 0] for batch in _take(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()
    assert seen[:10].tolist() != list(range(10))


def test_noise_is_of_the_seed_and_the_visit():
    first, again, other = _take(5), _take(5, reading=Reading(threads=1, batches=1)), _take(5, seed=6)
    _assert_equal(first, again)
    noise = np.concatenate([batch["noise"] for batch in first])
    assert len(np.unique(noise)) == noise.size
    assert not np.array_equal(first[0]["noise"], other[0]["noise"])
    assert not np.array_equal(first[0]["tokens"], other[0]["tokens"])


@pytest.mark.parametrize("stop", [0, 1, 3, 8])
def test_resume(stop):
    whole = _take(12)
    batches = iter(train_batches(ROWS, draw, batch_size=4, seed=5))
    for _ in range(stop):
        next(batches)
    state = json.loads(json.dumps(batches.get_state()))  # what a checkpoint keeps of it
    resumed = iter(train_batches(ROWS, draw, batch_size=4, seed=5))
    resumed.set_state(state)
    _assert_equal(list(itertools.islice(resumed, 12 - stop)), whole[stop:])


def test_evaluation_is_one_pass_in_order():
    batches = _take(9, evaluation_batches)
    assert len(batches) == 3
    tokens = np.concatenate([batch["tokens"][:, 0] for batch in batches])
    assert tokens.tolist() == [*range(10), 0, 0]
    assert batches[-1]["segments"].sum(axis=1).tolist() == [3, 3, 0, 0]
    _assert_equal(_take(9, evaluation_batches, num_batches=2), batches[:2])
    _assert_equal(_take(9, evaluation_batches, num_batches=8), batches)
    assert len(_take(9, evaluation_batches, batch_size=64)) == 1


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (dict(sharding=Sharding(count=3)), ConfigError, "4 does not divide by 3"),
        (dict(sharding=Sharding(blocks=(2,), count=2)), ConfigError, "some of 0 to 1"),
        (dict(sharding=Sharding(blocks=(), count=2)), ConfigError, "some of 0 to 1"),
        (dict(batch_size=0), ConfigError, "batch_size 0"),
        (dict(seed=-1), ConfigError, "seed"),
        (dict(batch_size=11), InputError, "10 rows"),
    ],
)
def test_refusals(options, error, words):
    with pytest.raises(error, match=words):
        _take(1, **options)


def test_nothing_to_evaluate_on():
    with pytest.raises(InputError, match="no rows"):
        _take(1, evaluation_batches, rows=[])


@pytest.mark.slow
def test_worker_processes_give_the_same_batches():
    def local(example, rng):  # sent to the workers as code: they cannot import this module
        return {**example, "noise": rng.random(2)}

    options = dict(batch_size=4, seed=5, reading=Reading(workers=2))
    _assert_equal(list(itertools.islice(train_batches(ROWS, local, **options), 6)), _take(6))

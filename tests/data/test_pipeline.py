# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Global batches depend on the seed and the step alone, and an iterator goes on where it was saved."""

import hashlib
import itertools
import json
import time

import numpy as np
import pytest

from zoo.data.buckets import BucketedExamples
from zoo.data.packing import PackedExamples
from zoo.data.pipeline import Reading, Shard, evaluation_batches, train_batches
from zoo.errors import ConfigError, InputError, IntegrityError


class Numbered:
    """Examples whose three tokens are their index; `width` is the largest index of the global batch."""

    def __init__(self, count=10):
        self._count = count

    def __len__(self):
        return self._count

    def read(self, indices, *, batch=None):
        batch = indices if batch is None else batch
        there = (indices >= 0).astype(np.int32)[:, None]
        return {
            "tokens": there * indices[:, None].astype(np.int32).repeat(3, axis=1),
            "segments": there.repeat(3, axis=1),
            "width": np.full(len(indices), batch.max()),
        }

    def num_tokens(self, indices):
        return np.full(len(indices), 3)


TEN = Numbered()


def draw(batch, key):
    return {**batch, "noise": key.uniform(2)}


def _take(count, make=train_batches, examples=TEN, seed=5, batch_size=4, **options):
    return list(itertools.islice(make(examples, draw, batch_size=batch_size, seed=seed, **options), count))


def _hash(batches):
    digest = hashlib.sha256()
    for batch in batches:
        for name in sorted(batch):
            digest.update(f"{name} {batch[name].dtype} {batch[name].shape}".encode())
            digest.update(np.ascontiguousarray(batch[name]).tobytes())
    return digest.hexdigest()


def _assert_equal(one, two):
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def _join(parts):
    return [{name: np.concatenate([p[name] for p in batch]) for name in batch[0]} for batch in zip(*parts, strict=True)]


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("make", [train_batches, evaluation_batches])
def test_processes_share_the_same_global_batches(make, processes):
    parts = [_take(7, make, shard=Shard(blocks=(i,), count=processes)) for i in range(processes)]
    _assert_equal(_join(parts), _take(7, make))
    assert _hash(_join(parts)) == _hash(_take(7, make))


def test_a_process_may_hold_any_blocks():
    whole, part = _take(7), _take(7, shard=Shard(blocks=(0, 3), count=4))
    _assert_equal(part, [{name: rows[[0, 3]] for name, rows in batch.items()} for batch in whole])


def test_every_pass_has_all_examples_in_a_new_order():
    seen = np.concatenate([batch["tokens"][:, 0] for batch in _take(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()
    assert seen[:10].tolist() != list(range(10))


@pytest.mark.parametrize("processes", [1, 2])
def test_arrangements_repeat_with_the_passes(processes):
    """An example has as many ways to be arranged as asked for, in turn, however batches and passes lie."""
    blocks = [Shard(blocks=(i,), count=processes) for i in range(processes)]
    batches = _join([_take(40, arrangements=3, shard=shard) for shard in blocks])
    visits = [np.concatenate([batch[name] for batch in batches]) for name in ("tokens", "noise")]
    seen = [{} for _ in range(10)]
    for visit, (token, noise) in enumerate(zip(visits[0][:, 0], visits[1], strict=True)):
        seen[token].setdefault(visit // 10 % 3, set()).add(tuple(noise))
    assert all([*map(len, ways.values())] == [1, 1, 1] for ways in seen)
    assert len({noise for ways in seen for way in ways.values() for noise in way}) == 30


def test_arrangements_that_repeat_are_of_single_examples():
    for examples in (BucketedExamples(TEN, 2), PackedExamples(TEN, {}, 3, 2)):
        with pytest.raises(ConfigError, match=r"objective\.duplicates repeats masks of single examples"):
            train_batches(examples, draw, batch_size=4, seed=5, arrangements=3)


def test_noise_is_a_function_of_the_seed_and_the_step():
    first, again, other = _take(5), _take(5, reading=Reading(threads=1, batches=1)), _take(5, seed=6)
    _assert_equal(first, again)
    noise = np.concatenate([batch["noise"] for batch in first])
    assert len(np.unique(noise)) == noise.size
    assert not np.array_equal(first[0]["noise"], other[0]["noise"])
    assert not np.array_equal(first[0]["tokens"], other[0]["tokens"])


@pytest.mark.parametrize("stop", [0, 1, 3, 8])
def test_resume(stop):
    whole = _take(12)
    batches = iter(train_batches(TEN, draw, batch_size=4, seed=5))
    for _ in range(stop):
        next(batches)
    state = json.loads(json.dumps(batches.get_state()))  # what a checkpoint keeps of it
    resumed = iter(train_batches(TEN, draw, batch_size=4, seed=5))
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
        (dict(shard=Shard(count=3)), ConfigError, "4 is not divisible by 3"),
        (dict(shard=Shard(blocks=(2,), count=2)), ConfigError, "some of 0 to 1"),
        (dict(shard=Shard(blocks=(), count=2)), ConfigError, "some of 0 to 1"),
        (dict(batch_size=0), ConfigError, "batch_size 0"),
        (dict(seed=-1), ConfigError, "seed"),
        (dict(batch_size=11), InputError, "only 10 examples"),
    ],
)
def test_refusals(options, error, words):
    with pytest.raises(error, match=words):
        _take(1, **options)


def test_nothing_to_evaluate_on():
    with pytest.raises(InputError, match="no examples"):
        _take(1, evaluation_batches, examples=Numbered(0))


def test_any_step_is_restored_in_fifty_milliseconds():
    examples = Numbered(10**9)
    batches = iter(train_batches(examples, draw, batch_size=256, seed=5))
    state = json.loads(json.dumps(batches.get_state()))
    key = next(name for name, value in state.items() if value == 0)
    next(batches)
    begin = time.perf_counter()
    batches.set_state({**state, key: 10**9})
    far = next(batches)
    assert time.perf_counter() - begin < 0.05
    assert (far["tokens"] < 10**9).all()
    assert batches.get_state()[key] == 10**9 + 1


def test_training_and_evaluation_draw_different_numbers():
    one, other = _take(1)[0]["noise"], _take(1, evaluation_batches)[0]["noise"]
    assert not np.isin(one, other).any()


def test_an_error_of_the_examples_comes_out_as_it_is():
    class Damaged(Numbered):
        def read(self, indices, *, batch=None):
            raise IntegrityError("the file changed; prepare the data again.")

    with pytest.raises(IntegrityError) as caught:
        _take(1, examples=Damaged())
    assert str(caught.value) == "the file changed; prepare the data again."

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows that are streams: each follows the same row of the batch before, in training and in evaluation."""

import numpy as np
import pytest

from zoo.data.config import TokenizerConfig
from zoo.data.pipeline import Shard, evaluation_batches, train_batches
from zoo.data.streams import StreamedExamples
from zoo.data.text import TextConfig
from zoo.errors import ConfigError


class Numbers:
    """Examples that are their own index."""

    def __init__(self, size):
        self._size = size

    def __len__(self):
        return self._size

    def read(self, indices, *, batch=None):
        return {"index": indices.copy()}


def untouched(batch, key):
    return batch


def steps(count, size=23, batch_size=4, seed=0, **options):
    batches = iter(
        train_batches(StreamedExamples(Numbers(size)), untouched, batch_size=batch_size, seed=seed, **options)
    )
    return [next(batches) for _ in range(count)]


def test_rows_follow_one_another_through_each_pass():
    """Of 23 examples 5 a row, in passes of 5 steps; 3 are left out, not always the same ones."""
    found = steps(60)
    indices, follows = (np.array([batch[name] for batch in found]) for name in ("index", "continues"))
    assert follows.dtype == np.float32
    passes = indices.reshape(12, 5, 4)
    assert (np.diff(passes, axis=1) == 1).all() and (np.diff(passes[:, 0], axis=1) == 5).all()
    np.testing.assert_array_equal(follows[1:] > 0, np.diff(indices, axis=0) == 1)
    assert not follows[::5].any() and follows.sum() == 60 * 4 - 12 * 4
    firsts = passes[:, 0, 0]
    assert {*firsts} <= {0, 1, 2, 3} and len({*firsts}) > 1 and all(len({*each.flat}) == 20 for each in passes)
    assert (np.array([batch["index"] for batch in steps(60, seed=1)]) != indices).any()


def test_two_directions_take_the_rows_in_turn():
    """Of 23 examples of each, read by 3 rows of a batch of 6."""
    examples = StreamedExamples(Numbers(46), 2)
    batches = iter(train_batches(examples, untouched, batch_size=6, seed=0))
    found = [next(batches) for _ in range(28)]
    indices, follows = (np.array([batch[name] for batch in found]) for name in ("index", "continues"))
    forward, backward = indices[:, ::2], indices[:, 1::2]
    assert (forward < 23).all() and (backward == forward + 23).all()
    assert (np.diff(forward.reshape(4, 7, 3), axis=1) == 1).all() and (np.diff(forward, axis=1) == 7).all()
    np.testing.assert_array_equal(follows > 0, np.repeat(np.arange(28)[:, None] % 7 > 0, 6, axis=1))
    border = examples.continues(np.array([21, 22, -1, 44]), np.array([22, 23, 0, 45]))
    assert border.tolist() == [True, False, False, True]


def test_any_step_and_any_shard_alone():
    whole = steps(12)
    examples = StreamedExamples(Numbers(23))
    ahead, behind = (iter(train_batches(examples, untouched, batch_size=4, seed=0)) for _ in range(2))
    for _ in range(7):
        next(ahead)
    behind.set_state(ahead.get_state())
    parts = [steps(12, shard=Shard(blocks=(block,), count=2)) for block in range(2)]
    resumed = next(behind)
    for name in ("index", "continues"):
        np.testing.assert_array_equal(resumed[name], whole[7][name])
        for step, batch in enumerate(whole):
            joined = np.concatenate([part[step][name] for part in parts])
            np.testing.assert_array_equal(joined, batch[name])


@pytest.mark.parametrize("size", [8, 9, 11, 3])
def test_an_evaluation_reads_each_example_once(size):
    examples = StreamedExamples(Numbers(size))
    found = list(evaluation_batches(examples, untouched, batch_size=4, seed=0))
    indices, follows = (np.array([batch[name] for batch in found]) for name in ("index", "continues"))
    assert len(found) == -(-size // 4) and sorted(indices[indices >= 0]) == [*range(size)]
    assert not follows[0].any() and ((follows[1:] > 0) == (indices[1:] >= 0)).all()


def test_the_text_in_order(tmp_path):
    """Row b of a step begins where the first `stride` tokens of row b of the step before end."""
    tokenizer = TokenizerConfig(kind="byte_bpe", vocab_size=300, special="xlnet")
    data = TextConfig(seq_len=32, stride=16, order="stream", tokenizer=tokenizer).open(cache_dir=tmp_path)
    assert data.info.stride == 16 and "continues" in data.schema
    batches = iter(train_batches(data.splits["train"], untouched, batch_size=4, seed=0))
    before, after = (next(batches)["tokens"] for _ in range(2))
    np.testing.assert_array_equal(before[:, 16:30], after[:, :14])
    assert (before[:, 30:] == [4, 3]).all()


def test_refusals():
    with pytest.raises(ConfigError, match=r"data.stride must be from 1 to data.seq_len, 8, .*; found 9"):
        TextConfig(seq_len=8, stride=9)
    with pytest.raises(ConfigError, match=r"data.order to 'shuffled'"):
        train_batches(StreamedExamples(Numbers(9)), untouched, batch_size=2, seed=0, arrangements=2)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Buckets lose no example, save padding, and are the same in all processes and from any step on."""

import dataclasses

import numpy as np
import pytest

from tests.data.test_packing import DATA
from zoo.data.buckets import BucketedExamples
from zoo.data.pipeline import Shard, train_batches
from zoo.data.training import training_examples
from zoo.errors import ConfigError


class Lengths:
    """Examples that are their index, and as many tokens long as a hash of it says."""

    def __init__(self, size):
        self.lengths = np.random.default_rng(0).integers(1, 60, size)

    def __len__(self):
        return len(self.lengths)

    def num_tokens(self, indices):
        return self.lengths[indices]

    def read(self, indices, *, batch=None):
        return {"index": np.asarray(indices), "longest": np.full(len(indices), self.lengths[batch].max())}


def batches(examples, count, *, blocks=(0,), of=1, batch_size=8, seed=3):
    found = iter(
        train_batches(
            examples,
            lambda batch, key: batch,
            batch_size=batch_size,
            seed=seed,
            shard=Shard(blocks=blocks, count=of),
        )
    )
    return [next(found) for _ in range(count)]


def test_every_example_is_visited_once_a_pass():
    examples = Lengths(240)  # 30 batches, 6 windows of 5
    found = [batch["index"] for batch in batches(BucketedExamples(examples, 5), 90)]
    for start in (0, 30, 60):
        assert sorted(np.concatenate(found[start : start + 30]).tolist()) == list(range(240))
    assert not np.array_equal(found[0], found[30])


def test_padding_is_saved_and_the_order_of_lengths_is_random():
    examples = Lengths(2400)
    plain, sorted_ones = (batches(each, 300) for each in (examples, BucketedExamples(examples, 50)))
    padded = [sum(batch["longest"].sum() for batch in found) for found in (plain, sorted_ones)]
    useful = examples.lengths.sum()
    assert padded[0] > 1.6 * useful and padded[1] < 1.1 * useful
    longest = [int(batch["longest"][0]) for batch in sorted_ones[:50]]
    assert sorted(longest) != longest and abs(np.corrcoef(longest, np.arange(50))[0, 1]) < 0.4


def test_processes_and_seeds():
    examples = BucketedExamples(Lengths(100), 4)
    whole = batches(examples, 12)
    for of in (2, 4):
        parts = [batches(examples, 12, blocks=(block,), of=of) for block in range(of)]
        for step, batch in enumerate(whole):
            joined = np.concatenate([part[step]["index"] for part in parts])
            np.testing.assert_array_equal(joined, batch["index"])
            assert {int(part[step]["longest"][0]) for part in parts} == {int(batch["longest"][0])}
    assert not np.array_equal(batches(examples, 1, seed=4)[0]["index"], whole[0]["index"])


@pytest.mark.parametrize("name", DATA)
def test_every_type_of_data(tmp_path, name):
    config = dataclasses.replace(DATA[name], packing=0, bucket_batches=3)
    examples = training_examples(config.open(cache_dir=tmp_path))
    assert isinstance(examples, BucketedExamples)
    assert {len(batch["segments"]) for batch in batches(examples, 5)} == {8}


def test_not_with_packing():
    with pytest.raises(ConfigError, match=r"data\.packing is 5 and data\.bucket_batches 3"):
        dataclasses.replace(DATA["table"], bucket_batches=3)
    with pytest.raises(ConfigError, match=r"data\.bucket_batches must be 0 or more"):
        dataclasses.replace(DATA["table"], packing=0, bucket_batches=-1)

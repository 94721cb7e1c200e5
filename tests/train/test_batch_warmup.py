# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A batch that grows: its sizes and examples, its loss, and a run that continues in the same bits."""

import dataclasses

import numpy as np
import pytest

from configs import gpt2_pretrain
from tests.train.runs import check_continues, curve
from zoo.data.batch_sizes import BatchSizes
from zoo.data.pipeline import Shard, train_batches
from zoo.errors import ConfigError
from zoo.train.config import RunConfig
from zoo.train.loop import train


class Numbers:
    """Examples that are their own number."""

    def __len__(self):
        return 37

    def read(self, indices, *, batch=None):
        return {"tokens": indices[:, None]}


def nothing(batch, key):
    return {**batch, "rows": key.rows}


def config(num_steps=8, **changes):
    found = gpt2_pretrain.get_config("tiny").unlock()
    found.model.update(width=16, num_layers=1, num_heads=2, mlp_width=32, max_length=32)
    found.data.tokenizer.update(vocab_size=512, path="")
    found.data.seq_len = 16
    found.optimizer.update(warmup_steps=4, learning_rate=1e-2)
    found.evals.validation.num_batches = 2
    found.update(batch_size=16, grad_accum_steps=2, batch_warmup_steps=3, num_steps=num_steps)
    found.update(log_every=1, eval_every=4, checkpoint_every=4)
    return RunConfig.from_dict(found.to_dict() | changes)


def test_sizes():
    sizes = BatchSizes(full=32, stages=4, steps=3)
    assert [sizes.at(step) for step in range(12)] == [8, 8, 8, 16, 16, 16, 24, 24, 24, 32, 32, 32]
    assert [sizes.before(step) for step in range(40)] == [sum(map(sizes.at, range(step))) for step in range(40)]
    always = BatchSizes(full=6)
    assert [(always.at(step), always.before(step)) for step in (0, 1, 7)] == [(6, 0), (6, 6), (6, 42)]


def test_no_example_is_left_out_or_repeated():
    """The examples of all steps are those of equal batches, in the same order, also of two processes."""
    options = dict(batch_size=8, seed=3, micro_batches=4, warmup_steps=5)
    growing = iter(train_batches(Numbers(), nothing, **options))
    found = [next(growing)["tokens"][:, 0] for _ in range(12)]
    assert [len(each) for each in found] == [2, 2, 4, 4, 6, 6, 8, 8, 8, 8, 8, 8]  # two steps a stage
    equal = iter(train_batches(Numbers(), nothing, batch_size=8, seed=3))
    wanted = np.concatenate([next(equal)["tokens"][:, 0] for _ in range(9)])
    np.testing.assert_array_equal(np.concatenate(found), wanted)
    halves = [iter(train_batches(Numbers(), nothing, **options, shard=Shard(blocks=(i,), count=2))) for i in (0, 1)]
    for whole in found:
        np.testing.assert_array_equal(np.concatenate([next(half)["tokens"][:, 0] for half in halves]), whole)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("warmup") / "run"
    train(config(), workdir)
    return workdir


def test_a_run_continues_in_the_same_bits(whole, tmp_path, monkeypatch):
    check_continues(monkeypatch, config, whole, tmp_path / "run", "clm", step=2)


def test_the_first_stage_is_a_run_of_small_batches(whole, tmp_path):
    small = dataclasses.replace(config(), batch_size=8, grad_accum_steps=1, batch_warmup_steps=0)
    train(small, tmp_path / "small")
    found, wanted = ([loss for _, split, loss in curve(run) if split == "train"] for run in (whole, tmp_path / "small"))
    np.testing.assert_allclose(found[:3], wanted[:3], rtol=1e-5)
    assert abs(found[3] - wanted[3]) > 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(grad_accum_steps=1), "set grad_accum_steps to the number of stages"),
        (dict(num_steps=0, num_epochs=1.0), "give the length of the run as num_steps"),
        (dict(batch_warmup_steps=9), "batch_warmup_steps 9 exceeds num_steps 8"),
        (dict(batch_warmup_steps=-1), "batch_warmup_steps must be 0 or more"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def test_refuses_streams(tmp_path):
    run = config()
    run = dataclasses.replace(run, data=dataclasses.replace(run.data, order="stream"))
    with pytest.raises(ConfigError, match="batch_warmup_steps lets batches grow"):
        train(run, tmp_path / "run")

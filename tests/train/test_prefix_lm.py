# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A decoder trains as a prefix language model, resumes bit for bit, and is the same on a mesh."""

import dataclasses

import numpy as np
import pytest

from configs import gpt2_pretrain
from tests.train.runs import check_continues, curve
from zoo.train.config import RunConfig
from zoo.train.loop import train


def config(num_steps=20):
    found = gpt2_pretrain.get_config("tiny").unlock()
    found.objective = dict(type="prefix_lm")
    found.model.update(width=32, num_layers=2, mlp_width=64, max_length=64, hidden_dropout=0.1)
    found.data.tokenizer.update(vocab_size=512, path="")
    found.data.update(seq_len=48, segments="documents")
    found.optimizer.update(warmup_steps=4, learning_rate=1e-2)
    found.evals.validation.num_batches = 2
    found.update(batch_size=16, num_steps=num_steps, log_every=1, eval_every=10, checkpoint_every=10)
    return RunConfig.from_dict(found)


def test_it_learns_and_continues_in_the_same_bits(tmp_path, monkeypatch):
    summary = train(config(), tmp_path / "whole")
    losses = [loss for _, split, loss in curve(tmp_path / "whole") if split == "train"]
    assert np.mean(losses[-4:]) < losses[0] - 0.5
    assert summary["validation"]["perplexity"] == pytest.approx(np.exp(summary["validation"]["loss"]))
    check_continues(monkeypatch, config, tmp_path / "whole", tmp_path / "stopped", "prefix_lm")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "mesh"), [("fsdp_tp", "data:2,fsdp:2,tensor:2"), ("fsdp_cp", "data:2,fsdp:2,context:2")]
)
def test_sharded_it_gives_the_same_losses(tmp_path, rules, mesh):
    sharded, alone = (dataclasses.replace(config(5), mesh=m, rules=r) for m, r in ((mesh, rules), ("data:8", "dp")))
    for each, name in ((sharded, "sharded"), (alone, "alone")):
        train(each, tmp_path / name)
    for (step, split, one), (_, _, other) in zip(curve(tmp_path / "sharded"), curve(tmp_path / "alone"), strict=True):
        assert one == pytest.approx(other, rel=1e-4), (step, split)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""T5 trains on corrupted spans, resumes bit for bit, and is exported with a tokenizer that has sentinels."""

import dataclasses

import numpy as np
import pytest

import zoo
from configs import t5_pretrain
from tests.train.runs import check_continues, curve
from zoo.objectives import SpanCorruption
from zoo.train.config import RunConfig
from zoo.train.loop import train
from zoo.train.run_spec import RunSpec


def config(variant="tiny", num_steps=20, **changes):
    found = t5_pretrain.get_config(variant).unlock()
    found.model.update(width=32, num_heads=4, kv_width=8, mlp_width=64, num_layers=1, decoder_layers=1, vocab_size=512)
    found.model.update(hidden_dropout=0.1, **changes)
    found.data.tokenizer.vocab_size = 512
    found.data.seq_len = 46
    found.objective.inputs_length = 0
    found.optimizer.update(warmup_steps=4, learning_rate=1e-2)
    found.evals.validation.num_batches = 2
    found.update(
        batch_size=16, grad_accum_steps=2, num_steps=num_steps, log_every=1, eval_every=10, checkpoint_every=10
    )
    return RunConfig.from_dict(found)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("t5") / "run"
    return workdir, train(config(), workdir)


def test_the_loss_falls_and_the_model_is_exported_with_its_sentinels(trained):
    workdir, summary = trained
    losses = [loss for _, split, loss in curve(workdir) if split == "train"]
    assert np.mean(losses[-4:]) < losses[0] - 1.0
    found = summary["validation"]
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"])) and 0 < found["accuracy"] < 1
    model, tokenizer = zoo.load(workdir / "model"), zoo.tokenizer(workdir / "model")
    assert model.head_name == "seq2seq_lm" and model.config.vocab_size == 512
    assert (tokenizer.pad_id, tokenizer.eos_id) == (model.config.pad_id, model.config.eos_id) == (0, 1)
    assert tokenizer.token_to_id("<extra_id_0>") == tokenizer.vocab_size - 1


def test_stopped_and_continued_it_ends_in_the_same_bits(trained, tmp_path, monkeypatch):
    check_continues(monkeypatch, config, trained[0], tmp_path / "run", "span_corruption")


def test_a_mixture_trains(tmp_path):
    train(config("tiny,ul2", 12), tmp_path / "run")
    losses = [loss for _, split, loss in curve(tmp_path / "run") if split == "train"]
    assert np.mean(losses[-3:]) < losses[0] - 0.5


def test_operations_are_those_of_both_lengths(trained):
    run = config()
    info = run.data.open(cache_dir=trained[0] / "data").info
    spec = RunSpec.create(run, info)
    inputs, targets = spec.objective.sequence_lengths.values()
    shapes = spec.batch_shapes(2)
    assert shapes["tokens"].shape == (2, inputs) and spec.forward_flops(2) == spec.batch_flops(shapes) > 0
    longer = RunSpec.create(run, info)._replace(objective=SpanCorruption(targets_length=2 * targets).bind(info))
    assert longer.forward_flops(2) > 1.2 * spec.forward_flops(2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "mesh"), [("fsdp_tp", "data:2,fsdp:2,tensor:2"), ("fsdp_cp", "data:2,fsdp:2,context:2")]
)
def test_sharded_it_gives_the_same_losses(tmp_path, rules, mesh):
    run = dataclasses.replace(config(num_steps=5), grad_accum_steps=1)
    sharded, alone = (dataclasses.replace(run, mesh=m, rules=r) for m, r in ((mesh, rules), ("data:8", "dp")))
    for each, name in ((sharded, "sharded"), (alone, "alone")):
        train(each, tmp_path / name)
    for (step, split, one), (_, _, other) in zip(curve(tmp_path / "sharded"), curve(tmp_path / "alone"), strict=True):
        assert one == pytest.approx(other, rel=1e-4), (step, split)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""XLNet trains on permutations, resumes bit for bit, and is exported with a tokenizer of its own."""

import dataclasses

import numpy as np
import pytest

import zoo
from configs import xlnet_pretrain
from tests.train.runs import curve, stop_once
from zoo.train.config import RunConfig
from zoo.train.loop import train
from zoo.train.run_spec import RunSpec


def config(num_steps=20, **changes):
    found = xlnet_pretrain.get_config("tiny").unlock()
    found.model.update(width=32, num_heads=4, mlp_width=64, num_layers=1, hidden_dropout=0.1)
    found.data.tokenizer.vocab_size = 400
    found.data.seq_len = 32
    found.objective.update(num_predict=8, reuse_len=16, perm_size=16)
    found.optimizer.update(warmup_steps=4, learning_rate=1e-2)
    found.evals.validation.num_batches = 2
    found.update(
        batch_size=16, grad_accum_steps=2, num_steps=num_steps, log_every=1, eval_every=10, checkpoint_every=10
    )
    found.update(changes)
    return RunConfig.from_dict(found)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("xlnet") / "run"
    return workdir, train(config(), workdir)


def test_the_loss_falls_and_the_model_is_exported(trained):
    workdir, summary = trained
    losses = [loss for _, split, loss in curve(workdir) if split == "train"]
    assert np.mean(losses[-4:]) < losses[0] - 0.5
    found = summary["validation"]
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"])) and 0 < found["accuracy"] < 1
    model, tokenizer = zoo.load(workdir / "model"), zoo.tokenizer(workdir / "model")
    assert model.head_name == "permutation_lm" and model.config.pad_id == tokenizer.pad_id == 5
    batch = tokenizer.encode_batch(["to be"], ["or not to be"])
    assert batch["tokens"][0, -1] == tokenizer.cls_id == 3 and np.isfinite(model(batch).logits).all()


def test_stopped_and_continued_it_ends_in_the_same_bits(trained, tmp_path, monkeypatch):
    stop_once(monkeypatch, "plm", step=7)
    with pytest.raises(SystemExit):
        train(config(), tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()
    train(config(), tmp_path / "run")
    assert curve(tmp_path / "run") == curve(trained[0])
    one, other = ((each / "model" / "model.safetensors").read_bytes() for each in (tmp_path / "run", trained[0]))
    assert one == other


def test_operations_are_those_of_both_streams(trained):
    """More predictions cost what their vectors do, and no products of one-hot arrays."""
    spec = RunSpec.create(config(), config().data.open(cache_dir=trained[0] / "data").info)
    more = spec._replace(objective=dataclasses.replace(spec.objective, num_predict=16))
    width, inner, vocab = 32, 64, spec.model.vocab_size
    each = 4 * width * (width + inner) + 2 * width * vocab
    assert more.forward_flops(2) - spec.forward_flops(2) == 2 * 8 * each

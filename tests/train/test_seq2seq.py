# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A Transformer learns to translate, is scored by beam search, and resumes bit for bit."""

import numpy as np
import pytest

import zoo
from configs import transformer_wmt
from tests.train.runs import check_continues, curve
from zoo.train.config import RunConfig
from zoo.train.loop import train


def config(variant="tiny"):
    found = transformer_wmt.get_config(variant).unlock()
    found.model.update(width=32, num_layers=1, decoder_layers=1, num_heads=2, mlp_width=32, hidden_dropout=0.1)
    found.data.seq_len = 32
    found.optimizer.update(warmup_steps=4, learning_rate=1e-2)
    found.evals.validation.num_batches = 2
    found.update(batch_size=16, num_steps=20, log_every=1, eval_every=10, checkpoint_every=10)
    if "translation" in found.evals:
        found.evals.translation.update(num_batches=1, num_beams=2, max_new_tokens=4, every=20)
    return RunConfig.from_dict(found)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("translation") / "run"
    return workdir, train(config(), workdir)


def test_the_loss_falls_and_the_model_translates(trained):
    workdir, summary = trained
    losses = [loss for _, split, loss in curve(workdir) if split == "train"]
    assert np.mean(losses[-4:]) < losses[0] - 0.5 and 0 < summary["validation"]["accuracy"] < 1
    model, tokenizer = zoo.load(workdir / "model"), zoo.tokenizer(workdir / "model")
    found = zoo.generate(model, ["twenty three"], tokenizer=tokenizer, num_beams=2, max_new_tokens=5)
    assert len(found.texts) == 1 and model.head_name == "seq2seq_lm"


def test_stopped_and_continued_it_ends_in_the_same_bits(trained, tmp_path, monkeypatch):
    check_continues(monkeypatch, config, trained[0], tmp_path / "run", "seq2seq")


def test_bleu_is_in_the_report(tmp_path):
    pytest.importorskip("sacrebleu")
    summary = train(config("tiny,bleu"), tmp_path / "run")
    assert 0 <= summary["translation"]["bleu"] <= 100 and 0 <= summary["translation"]["chrf"] <= 100
    assert "chrf" in (tmp_path / "run" / "report" / "report.md").read_text()

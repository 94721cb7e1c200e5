# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""BERT, ALBERT and RoBERTa train as in their papers, resume bit for bit, and are exported with both heads."""

import dataclasses

import numpy as np
import pytest

import zoo
from configs import albert_pretrain, bert_pretrain, roberta_pretrain
from tests.train.runs import check_continues, curve
from zoo.train.config import RunConfig
from zoo.train.loop import train
from zoo.train.report import read_lines

RUNS = {  # the variant, and the objective that stops
    "bert": (bert_pretrain, "tiny,nsp", "mlm_nsp"),
    "packed": (bert_pretrain, "tiny,nsp", "mlm_nsp"),
    "albert": (albert_pretrain, "tiny", "mlm_sop"),
    "roberta": (roberta_pretrain, "tiny", "mlm"),
}


def config(name, num_steps=20):
    module, variant, _ = RUNS[name]
    found = module.get_config(variant).unlock()
    found.model.update(width=32, num_heads=4, mlp_width=64, num_layers=1, embed_dropout=0.1, hidden_dropout=0.1)
    if name == "albert":
        found.model.embed_width = 16
    found.data.update(seq_len=32)
    found.data.tokenizer.vocab_size = 400
    if name == "packed":
        found.data.update(seq_len=64, packing=4)
    found.optimizer.update(warmup_steps=4, learning_rate=5e-2 if name == "albert" else 1e-2)
    found.evals.validation.num_batches = 2
    found.update(
        batch_size=16, grad_accum_steps=2, num_steps=num_steps, log_every=1, eval_every=10, checkpoint_every=10
    )
    return RunConfig.from_dict(found)


@pytest.fixture(scope="module", params=RUNS)
def trained(request, tmp_path_factory):
    workdir = tmp_path_factory.mktemp(request.param) / "run"
    return request.param, workdir, train(config(request.param), workdir)


def test_the_loss_falls_and_the_model_is_exported(trained):
    name, workdir, summary = trained
    rows = [row for row in read_lines(workdir / "metrics.jsonl") if row["split"] == "train"]
    loss = "loss" if name == "roberta" else "mlm_loss"
    assert np.mean([row[loss] for row in rows[-4:]]) < rows[0][loss] - 0.25
    found, model = summary["validation"], zoo.load(workdir / "model")
    assert model.head_name == ("masked_lm" if name == "roberta" else "pretraining")
    if name != "roberta":
        assert found["loss"] == pytest.approx(found["mlm_loss"] + found["pair_loss"])
        assert 0 <= found["pair_accuracy"] <= 1 and 0.4 < found["pair_loss"] < 1.0


def test_stopped_and_continued_it_ends_in_the_same_bits(trained, tmp_path, monkeypatch):
    name, workdir, _ = trained
    check_continues(monkeypatch, lambda: config(name), workdir, tmp_path / "run", RUNS[name][2])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert", "packed"])
def test_sharded_it_gives_the_same_losses(name, tmp_path):
    run = dataclasses.replace(config(name, 5), grad_accum_steps=1)
    for mesh, rules in (("data:2,fsdp:2,tensor:2", "fsdp_tp"), ("data:8", "dp")):
        train(dataclasses.replace(run, mesh=mesh, rules=rules), tmp_path / rules)
    one, other = (curve(tmp_path / rules) for rules in ("fsdp_tp", "dp"))
    for (step, split, sharded), (_, _, alone) in zip(one, other, strict=True):
        assert sharded == pytest.approx(alone, rel=1e-4), (step, split)

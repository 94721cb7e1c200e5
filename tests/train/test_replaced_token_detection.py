# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A generator and a discriminator train together, resume bit for bit, and are exported side by side."""

import contextlib
import dataclasses
import io

import numpy as np
import pytest

import zoo
from configs import electra_pretrain
from tests.train.runs import check_continues, curve
from zoo.train.config import RunConfig
from zoo.train.loop import train
from zoo.train.report import read_lines


def config(num_steps=20, **objective):
    found = electra_pretrain.get_config("tiny").unlock()
    found.model.update(width=32, num_heads=4, mlp_width=64, hidden_dropout=0.1)
    found.data.update(seq_len=32)
    found.data.tokenizer.vocab_size = 400
    found.objective.update(objective)
    found.optimizer.update(warmup_steps=4, learning_rate=5e-3)
    found.evals.validation.num_batches = 2
    found.update(
        batch_size=16, grad_accum_steps=2, num_steps=num_steps, log_every=1, eval_every=10, checkpoint_every=10
    )
    return RunConfig.from_dict(found)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("electra") / "run"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        summary = train(config(), workdir)
    assert printed.getvalue().endswith(f"model:       {workdir}/model\ngenerator:   {workdir}/generator\n")
    return workdir, summary


def test_the_loss_falls(trained):
    workdir, summary = trained
    losses = [row["generator_loss"] for row in read_lines(workdir / "metrics.jsonl") if row["split"] == "train"]
    assert np.mean(losses[-4:]) < losses[0] - 0.3
    found = summary["validation"]
    assert found["loss"] == pytest.approx(50 * found["main_loss"] + found["generator_loss"])
    assert 0.08 < found["replaced"] < 0.16 and found["accuracy"] > 0.8


def test_both_models_are_saved_and_share_their_embeddings(trained):
    workdir, _ = trained
    discriminator, generator = zoo.load(workdir / "model"), zoo.load(workdir / "generator")
    assert (discriminator.head_name, generator.head_name) == ("replaced_token_detection", "masked_lm")
    assert (discriminator.config.width, generator.config.width) == (32, 16)
    for name in ("token", "position", "token_type"):
        one, other = (getattr(model.embed, name).embedding[...] for model in (discriminator, generator))
        np.testing.assert_array_equal(one, other)
    assert zoo.tokenizer(workdir / "generator").vocab_size == zoo.tokenizer(workdir / "model").vocab_size


def test_stopped_and_continued_it_ends_in_the_same_bits(trained, tmp_path, monkeypatch):
    check_continues(monkeypatch, config, trained[0], tmp_path / "run", "rtd")


def test_a_run_goes_on_from_both_exported_models(trained, tmp_path, caplog):
    workdir, _ = trained
    again = config(5, generator_from=str(workdir / "generator"))
    again = dataclasses.replace(
        again, init_from=str(workdir), model=dataclasses.replace(again.model, name="", changes={"stack": "loop"})
    )
    train(again, tmp_path / "run")
    first = read_lines(tmp_path / "run" / "metrics.jsonl")[0]
    before = [row for row in read_lines(workdir / "metrics.jsonl") if row["split"] == "train"]
    assert first["generator_loss"] < before[0]["generator_loss"] - 0.2
    with caplog.at_level("WARNING"):
        train(
            dataclasses.replace(again, objective=dataclasses.replace(again.objective, generator_from="")),
            tmp_path / "new",
        )
    assert "holds no generator; it is initialised at random" in caplog.text


def test_all_tokens_mlm_learns_to_copy_and_goes_on_from_its_models(tmp_path):
    run = dict(type="all_tokens_mlm", main_weight=1.0)
    summary = train(config(20, **run), tmp_path / "run")
    rows = [row for row in read_lines(tmp_path / "run" / "metrics.jsonl") if row["split"] == "train"]
    assert rows[-1]["main_loss"] < rows[0]["main_loss"] - 0.3 and summary["validation"]["accuracy"] > 0.5
    assert zoo.load(tmp_path / "run" / "model").head_name == "masked_lm"
    again = config(5, generator_from=str(tmp_path / "run" / "generator"), **run)
    model = dataclasses.replace(again.model, name="", changes={"stack": "loop"})
    again = dataclasses.replace(again, init_from=str(tmp_path / "run"), model=model)
    train(again, tmp_path / "again")
    first = read_lines(tmp_path / "again" / "metrics.jsonl")[0]
    assert first["generator_loss"] < rows[0]["generator_loss"] - 0.2


WIDE = dict(width=256, num_heads=4)  # of whose generator two devices can split the heads
MESHES = {"fsdp_tp": "data:2,fsdp:2,tensor:2", "fsdp": "data:2,fsdp:4", "tp": "data:4,tensor:2"}


@pytest.mark.parametrize(
    "rules", ["fsdp_tp", *(pytest.param(rules, marks=pytest.mark.slow) for rules in ("fsdp", "tp"))]
)
def test_sharded_it_gives_the_same_losses(tmp_path, rules):
    mesh = MESHES[rules]
    run = config(5, generator_size=0.5)
    run = dataclasses.replace(run, model=dataclasses.replace(run.model, changes={**run.model.changes, **WIDE}))
    sharded = dataclasses.replace(run, mesh=mesh, rules=rules, grad_accum_steps=1)
    alone = dataclasses.replace(run, mesh="data:8", rules="dp", grad_accum_steps=1)
    for run, name in ((sharded, "sharded"), (alone, "alone")):
        train(run, tmp_path / name)
    for (step, split, one), (_, _, other) in zip(curve(tmp_path / "sharded"), curve(tmp_path / "alone"), strict=True):
        assert one == pytest.approx(other, rel=1e-4), (step, split)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A Transformer learns to translate, is scored by beam search, and resumes bit for bit."""

import dataclasses

import jax
import numpy as np
import pytest

import zoo
from configs import transformer_wmt
from tests.multihost.jobs import Job
from tests.train.runs import check_continues, curve
from zoo.aot.target import TokenizerOutline
from zoo.data.pipeline import train_batches
from zoo.data.training import training_examples
from zoo.train import learner
from zoo.train.config import RunConfig
from zoo.train.loop import train
from zoo.train.report import read_lines
from zoo.train.run_spec import RunSpec


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


def spec_of(run):
    return RunSpec.create(run, run.data.outline(TokenizerOutline.create(run)))


def test_operations_are_those_of_sides_of_two_lengths():
    """Four projections, scores and sums of values, and a network in each layer; across, keys are the source's."""
    spec, rows, source, target, width = spec_of(config()), 2, 24, 10, 32
    shapes = {"tokens": source, "segments": source, "targets": target, "target_segments": target}
    batch = {name: jax.ShapeDtypeStruct((rows, length), np.int32) for name, length in shapes.items()}
    square = 2 * width**2  # a product with a token's vector; the network has two
    encoder = source * 6 * square + 4 * source**2 * width
    decoder = target * 8 * square + 4 * target**2 * width + source * 2 * square + 4 * source * target * width
    assert spec.batch_flops(batch) == rows * (encoder + decoder + 2 * target * width * spec.model.vocab_size)


def test_each_step_is_counted_by_its_own_lengths(tmp_path, monkeypatch):
    """Sources alike in length may have targets that are not. The steps change nothing, and compile nothing."""

    def make_step(*_):
        sums = dict(loss=1.0, weight=1.0, correct=0.0, nll=1.0, grad_norm=0.0, skipped=0)
        return lambda state, batch: (state._replace(step=state.step + 1), sums)

    monkeypatch.setattr(learner, "make_train_step", make_step)
    run = config()
    data = dataclasses.replace(run.data, pad_to_multiple_of=8)
    run = dataclasses.replace(run, data=data, evals={}, checkpoint_every=20)
    train(run, tmp_path / "run")
    dataset = run.data.open(cache_dir=tmp_path / "data")
    spec = RunSpec.create(run, dataset.info)
    batches = train_batches(training_examples(dataset), spec.objective.arrange, batch_size=16, seed=run.seed)
    lines = read_lines(tmp_path / "run" / "timing.jsonl")
    assert len(lines) == run.num_steps
    lengths = set()
    for line, batch in zip(lines, batches, strict=False):
        lengths.add((batch["tokens"].shape[1], batch["targets"].shape[1]))
        shapes = {name: jax.ShapeDtypeStruct(rows.shape, rows.dtype) for name, rows in batch.items()}
        assert line["flops_per_second"] * line["seconds"] == pytest.approx(3 * spec.batch_flops(shapes))
    assert len(lengths) > len({source for source, _ in lengths}) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "mesh"), [("fsdp_tp", "data:2,fsdp:2,tensor:2"), ("fsdp_cp", "data:2,fsdp:2,context:2")]
)
def test_sharded_it_gives_the_same_losses(tmp_path, rules, mesh):
    sharded, alone = (
        dataclasses.replace(config(), num_steps=5, mesh=m, rules=r) for m, r in ((mesh, rules), ("data:8", "dp"))
    )
    for each, name in ((sharded, "sharded"), (alone, "alone")):
        train(each, tmp_path / name)
    for (step, split, one), (_, _, other) in zip(curve(tmp_path / "sharded"), curve(tmp_path / "alone"), strict=True):
        assert one == pytest.approx(other, rel=1e-4), (step, split)


@pytest.mark.slow
def test_two_processes_are_as_one(tmp_path):
    """Each pads its rows as long as the other does, and has the scores of all translations."""
    pytest.importorskip("sacrebleu")
    fields = {
        **{"model.width": 32, "model.num_layers": 1, "model.decoder_layers": 1, "model.num_heads": 2},
        **{"model.mlp_width": 32, "model.hidden_dropout": 0.1, "data.seq_len": 32, "optimizer.warmup_steps": 2},
        **{"batch_size": 16, "num_steps": 6, "log_every": 1, "eval_every": 6, "checkpoint_every": 3},
        **{"evals.validation.num_batches": 2, "evals.translation.num_batches": 1, "evals.translation.num_beams": 2},
    }
    flags = [
        "--config=configs/transformer_wmt.py:tiny,bleu",
        *(f"--config.{name}={value}" for name, value in fields.items()),
    ]
    for count in (1, 2):
        workdir = tmp_path / str(count)
        where = [*flags, f"--workdir={workdir}", "--config.mesh=fsdp:8", "--config.rules=fsdp"]
        with Job(tmp_path / f"log{count}", "launch.train", where, count=count, devices=8 // count) as job:
            assert job.wait(300) == [0] * count, "".join(job.output(index) for index in range(count))
    one, two = (read_lines(tmp_path / name / "metrics.jsonl") for name in "12")
    assert any(row["split"] == "translation" for row in one)
    for here, there in zip(two, one, strict=True):
        assert here.pop("split") == there.pop("split") and here == pytest.approx(there, rel=1e-4)

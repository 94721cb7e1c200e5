# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Whole runs of both tasks on eight virtual devices: what they leave, and what they refuse."""

import dataclasses
import json
import signal

import numpy as np
import pytest

import zoo
from zoo.data.config import TokenizerConfig
from zoo.data.text import TextConfig
from zoo.errors import ConfigError, IntegrityError
from zoo.evals import Loss, SequenceClassification
from zoo.models.config import ModelConfig
from zoo.objectives import CausalLM, MaskedLM
from zoo.optim.optimizers import AdamW
from zoo.train import learner, loop
from zoo.train.config import RunConfig
from zoo.train.evaluate import evaluate_workdir
from zoo.train.loop import train

SIZES = {"width": 16, "num_layers": 1, "stack": "loop", "num_heads": 2, "mlp_width": 32, "max_length": 16}
CONFIG = RunConfig(
    objective=CausalLM(),
    model=ModelConfig(name="gpt2", changes=SIZES),
    data=TextConfig(seq_len=16, tokenizer=TokenizerConfig(kind="byte_bpe", vocab_size=320)),
    optimizer=AdamW(learning_rate=1e-2, warmup_steps=2),
    batch_size=16,
    num_steps=8,
    eval_every=4,
    evals={"validation": Loss(num_batches=3)},
    checkpoint_every=4,
    log_every=2,
    mesh="data:4,fsdp:2",
    rules="fsdp",
)
MLM = {
    "objective": MaskedLM(mask_rate=0.3),
    "model": ModelConfig(name="bert-tiny", changes=SIZES),
    "mesh": "data:-1",
    "rules": "dp",
    "data": dataclasses.replace(
        CONFIG.data, tokenizer=TokenizerConfig(kind="wordpiece", vocab_size=320, lower_case=True)
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the causal task."""
    workdir = tmp_path_factory.mktemp("runs") / "clm"
    return workdir, train(CONFIG, workdir)


def test_it_learns_and_leaves_everything(finished):
    workdir, summary = finished
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["split"]) for row in rows] == [
        (2, "train"), (4, "train"), (4, "validation"), (6, "train"), (8, "train"), (8, "validation")
    ]  # fmt: skip
    assert rows[-1]["loss"] < rows[2]["loss"] < np.log(320)
    assert summary["step"] == 8 and summary["validation"]["loss"] == rows[-1]["loss"]
    for name in ("loss.png", "summary.json", "timing.jsonl", "tensorboard", "model/tokenizer.json"):
        assert (workdir / name).exists(), name
    assert sorted(path.name for path in (workdir / "checkpoints").iterdir()) == ["4", "8"]


def test_the_checkpoint_and_the_hub_folder_evaluate_alike(finished):
    workdir, summary = finished
    checkpoint = evaluate_workdir(workdir)
    assert checkpoint["validation"]["loss"] == pytest.approx(summary["validation"]["loss"], rel=1e-6)
    assert json.loads((workdir / "evaluation.json").read_text()) == checkpoint
    folder = evaluate_workdir(workdir, model=str(workdir / "model"))
    assert folder["validation"]["loss"] == pytest.approx(checkpoint["validation"]["loss"], rel=1e-6)


def test_the_hub_folder_loads(finished):
    workdir, _ = finished
    model, tokenizer = zoo.load(workdir / "model"), zoo.tokenizer(workdir / "model")
    logits = model(np.array([tokenizer.encode("Who is there")[:8]])).logits
    assert logits.shape[-1] == tokenizer.vocab_size == 320


def test_a_finished_run_started_again_changes_nothing(finished):
    workdir, summary = finished
    names = ("metrics.jsonl", "model/model.safetensors", "config.json")
    before = {name: (workdir / name).read_bytes() for name in names}
    assert train(CONFIG, workdir) == summary
    assert {name: (workdir / name).read_bytes() for name in names} == before


def test_other_experiments_and_other_texts_are_refused(finished, tmp_path):
    workdir, _ = finished
    before = (workdir / "metrics.jsonl").read_bytes()
    with pytest.raises(IntegrityError, match="seed: 0 there, 1 here"):
        train(dataclasses.replace(CONFIG, seed=1), workdir)
    manifest = json.loads((workdir / "data.json").read_text())
    (workdir / "data.json").write_text(json.dumps({**manifest, "train": {}}))
    try:
        with pytest.raises(IntegrityError, match="other data"):
            train(CONFIG, workdir)
    finally:
        (workdir / "data.json").write_text(json.dumps(manifest))
    assert (workdir / "metrics.jsonl").read_bytes() == before


def test_masked_language_modelling(tmp_path):
    summary = train(dataclasses.replace(CONFIG, **MLM, num_steps=4, grad_accum_steps=2), tmp_path / "run")
    assert 0 < summary["validation"]["loss"] < np.log(320)
    assert zoo.load(tmp_path / "run" / "model").head_name == "masked_lm"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 12}, "12 sequences are not divisible by the 8 devices"),
        ({"mesh": "dta:-1"}, "dta"),
        ({"rules": "zero"}, "zero"),
        ({"objective": MaskedLM()}, "mask token"),
        ({"model": ModelConfig(name="gtp2")}, "gpt2"),
        ({"model": CONFIG.model.replace(max_length=15)}, "seq_len 16 exceeds"),
        ({"model": CONFIG.model.replace(vocab_size=100)}, "embeddings for 100 tokens"),
        ({"init_from": "gpt2"}, "decides the model by itself"),
        ({"keep_best": "validation/acuracy"}, "validation/accuracy"),
        ({"keep_best": "mnli/accuracy"}, "no evaluator reports"),
        ({"evals": {"labels": SequenceClassification()}}, "needs the objective SequenceClassification"),
        ({"data": dataclasses.replace(CONFIG.data, source="elsewhere")}, "launch.prepare"),
        ({"data": dataclasses.replace(CONFIG.data, validation_fraction=0.1)}, "prepared with other settings"),
    ],
)
def test_refused_before_anything_is_allocated(finished, tmp_path, changes, message):
    data_dir = None if changes.get("data", CONFIG.data).source == "elsewhere" else finished[0] / "data"
    with pytest.raises(ConfigError, match=message):
        train(dataclasses.replace(CONFIG, **changes), tmp_path / "run", data_dir)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_run_that_only_skips_gives_up(finished, tmp_path, monkeypatch):
    def make_step_that_skips(*_):
        def step(state, batch):
            state = state._replace(step=state.step + 1, skipped=state.skipped + 1)
            return state, {
                "loss": np.nan,
                "weight": 1.0,
                "correct": 0.0,
                "nll": np.nan,
                "grad_norm": np.nan,
                "skipped": state.skipped,
            }

        return step

    monkeypatch.setattr(learner, "make_train_step", make_step_that_skips)
    with pytest.raises(ConfigError, match=r"3 steps in a row, up to step 3, .* since step 0"):
        train(dataclasses.replace(CONFIG, max_skipped=3), tmp_path / "run", finished[0] / "data")


def test_a_signal_that_comes_twice_at_once_is_one(monkeypatch):
    """A scheduler may tell both a supervisor, which passes it on, and its child."""
    killed = []
    monkeypatch.setattr(loop.os, "kill", lambda _, number: killed.append(number))
    with loop._signals() as told:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert (told, killed) == ([signal.SIGTERM], [])
        monkeypatch.setattr(loop, "_ECHO", -1.0)  # as if later
        signal.raise_signal(signal.SIGINT)
        assert (told, killed) == ([signal.SIGTERM], [signal.SIGINT])

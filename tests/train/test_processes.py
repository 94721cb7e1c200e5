# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Training in two processes: stopped, damaged, killed and restarted, it ends as one process does."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.multihost.jobs import Job
from zoo.train.checkpoint import Checkpoints

STEPS = 20
OVERRIDES = {
    "model.width": 16,
    "model.num_layers": 2,
    "model.stack": "scan",  # so that the model is saved layer by layer
    "model.num_heads": 8,
    "model.mlp_width": 32,
    "model.hidden_dropout": 0.1,
    "data.seq_len": 16,
    "data.tokenizer.vocab_size": 304,
    "optimizer.warmup_steps": 4,
    "batch_size": 8,
    "num_steps": STEPS,
    "log_every": 1,
    "eval_every": 10,
    "evals.validation.num_batches": 2,
    "checkpoint_every": 3,
}


def train(workdir: Path, *flags: str, mesh: str, rules: str, count: int = 2) -> Job:
    fields = {**OVERRIDES, "mesh": mesh, "rules": rules}
    config = ["--config=configs/gpt2_pretrain.py:tiny", *(f"--config.{name}={value}" for name, value in fields.items())]
    log = workdir.with_name(f"{workdir.name}-{mesh}")
    return Job(log, "launch.train", [*config, f"--workdir={workdir}", *flags], count=count, devices=8 // count)


def wait_for_step(step: int, workdir: Path, job: Job) -> None:
    metrics = workdir / "metrics.jsonl"
    while not metrics.exists() or f'"step": {step},' not in metrics.read_text():
        assert all(process.poll() is None for process in job.processes), job.output(0) + job.output(1)
        time.sleep(0.01)


def child_of(parent: int) -> int:
    """The one child of a supervisor."""
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def saved(workdir: Path) -> list[int]:
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdecimal())


def metrics(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_end_as_one(tmp_path):
    alone, run = tmp_path / "alone", tmp_path / "run"
    with (
        train(alone, mesh="data:8", rules="dp", count=1) as reference,
        train(run, mesh="tensor:8", rules="tp") as job,  # both processes load the same rows
    ):
        wait_for_step(7, run, job)
        job.processes[1].send_signal(signal.SIGTERM)
        assert job.wait(60) == [143, 143], job.output(0) + job.output(1)
        assert "process 1" not in job.output(0) and "step/s" not in job.output(1) and "loss" not in job.output(1)
        stopped = saved(run)[-1]
        assert stopped >= 7 and [row["step"] for row in metrics(run)][-1] == stopped
        assert reference.wait(120) == [0], reference.output(0)
    shutil.rmtree(run / "checkpoints" / str(stopped) / "state" / "ocdbt.process_1")
    with train(run, "--max_restarts=2", mesh="fsdp:2,tensor:4", rules="fsdp_tp") as job:
        wait_for_step(13, run, job)
        os.kill(child_of(job.processes[1].pid), signal.SIGKILL)
        assert job.wait(120) == [0, 0], job.output(0) + job.output(1)
        assert f"It is now {stopped}.damaged" in job.output(0)
        assert "ends: process 1 on" in job.output(0) and "exit code 75; restart 1 of 2" in job.output(0)
        assert "exit code 137; restart 1 of 2" in job.output(1)
        assert "TensorBoard:" in job.output(0) and "TensorBoard:" not in job.output(1)
    assert (run / "checkpoints" / f"{stopped}.damaged").is_dir()
    assert not [path.name for path in run.iterdir() if "process" in path.name]
    for here, there in zip(metrics(run), metrics(alone), strict=True):
        assert here.pop("split") == there.pop("split")
        assert here == pytest.approx(there, rel=1e-3)
    here, there = (load_file(folder / "model" / "model.safetensors") for folder in (run, alone))
    assert here.keys() == there.keys()
    for name in here:
        np.testing.assert_allclose(here[name], there[name], rtol=1e-3, atol=1e-4, err_msg=name)
    assert Checkpoints(run, keep=None).latest == STEPS

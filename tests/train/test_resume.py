# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A job killed at any instant continues as if never stopped: same parameters, moments, keys, position and losses."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.train.runs import fingerprint

ROOT = Path(__file__).resolve().parents[2]
STEPS = 12
OVERRIDES = {
    "model.width": 16,
    "model.num_layers": 2,
    "model.num_heads": 2,
    "model.mlp_width": 32,
    "model.hidden_dropout": 0.1,  # so that a wrong key would show
    "data.seq_len": 16,
    "data.tokenizer.vocab_size": 300,
    "optimizer.warmup_steps": 4,
    "batch_size": 8,
    "grad_accum_steps": 2,
    "num_steps": STEPS,
    "log_every": 1,
    "eval_every": 4,
    "evals.validation.num_batches": 2,
    "checkpoint_every": 3,
}


def start(workdir: Path, data_dir: Path | None) -> subprocess.Popen:
    flags = [f"--config.{name}={value}" for name, value in OVERRIDES.items()]
    flags += [f"--workdir={workdir}", *([f"--data_dir={data_dir}"] if data_dir else [])]
    command = [sys.executable, "-m", "launch.train", "--config=configs/gpt2_pretrain.py:tiny", *flags]
    # One device: eight virtual ones would only make the many starts slower.
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with open(workdir.with_suffix(".log"), "a") as log:
        environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": paths}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)


def finish(workdir: Path, data_dir: Path | None) -> None:
    assert start(workdir, data_dir).wait(timeout=300) == 0, workdir.with_suffix(".log").read_text()[-3000:]


def stop_when(reached: Callable[[Path], bool], workdir: Path, data_dir: Path, number=signal.SIGKILL) -> int:
    """Sends a signal to a run at the instant given; returns its exit code."""
    process = start(workdir, data_dir)
    while process.poll() is None and not reached(workdir):
        time.sleep(0.0005)
    process.send_signal(number)
    return process.wait(timeout=60)


def at_step(step: int) -> Callable[[Path], bool]:
    return lambda workdir: f'"step": {step},' in read(workdir / "metrics.jsonl")


def late(point: Callable[[Path], bool], seconds: float) -> Callable[[Path], bool]:
    return lambda workdir: point(workdir) and not time.sleep(seconds)


def inside_a_save(step: int) -> Callable[[Path], bool]:
    return lambda workdir: any((workdir / "checkpoints").glob(f"{step}.orbax-checkpoint-tmp*"))


def last_saved(workdir: Path) -> int:
    return max(int(path.name) for path in (workdir / "checkpoints").iterdir())


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A prepared folder, and what a run without incident leaves."""
    workdir = tmp_path_factory.mktemp("uninterrupted") / "run"
    finish(workdir, None)
    return workdir / "data", fingerprint(workdir, STEPS)


def test_stopped_at_a_handful_of_points(tmp_path, uninterrupted):
    """Before the first checkpoint, inside a save, by signals after which it saves before it ends, and near the end."""
    data_dir, expected = uninterrupted
    assert len(expected) > 60
    workdir, killed = tmp_path / "run", -signal.SIGKILL
    assert stop_when(at_step(2), workdir, data_dir) == killed
    assert stop_when(inside_a_save(3), workdir, data_dir) == killed
    # A busy machine delivers signals some steps late; these are early enough for that.
    assert stop_when(at_step(4), workdir, data_dir, signal.SIGINT) == 130
    interrupted = last_saved(workdir)
    assert 4 <= interrupted < STEPS
    assert stop_when(at_step(interrupted + 1), workdir, data_dir, signal.SIGTERM) == 143
    assert interrupted < last_saved(workdir) < STEPS
    assert stop_when(at_step(STEPS - 1), workdir, data_dir) == killed
    finish(workdir, data_dir)
    assert fingerprint(workdir, STEPS) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_at_random_points(tmp_path, uninterrupted, seed):
    """Five kills a run: at a random moment after the start of a random later step, or of a random save."""
    data_dir, expected = uninterrupted
    workdir, chance = tmp_path / "run", random.Random(seed)
    for step in sorted(chance.sample(range(1, STEPS), 5)):
        point = chance.choice([at_step(step), at_step(step), inside_a_save(-(-step // 3) * 3)])
        delay = chance.uniform(0, 0.05)
        assert stop_when(late(point, delay), workdir, data_dir) in (-signal.SIGKILL, 0)
    finish(workdir, data_dir)
    assert fingerprint(workdir, STEPS) == expected

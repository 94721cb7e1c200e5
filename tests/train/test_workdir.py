# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""One job and one experiment in a workdir, and nothing lost."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.data.config import TokenizerConfig
from zoo.data.text import TextConfig
from zoo.errors import ConfigError, IntegrityError
from zoo.models.config import ModelConfig
from zoo.objectives import CausalLM
from zoo.optim.optimizers import AdamW
from zoo.train.config import RunConfig
from zoo.train.workdir import CHECKPOINTS, CONFIG, claim, read_config

CONFIG_A = RunConfig(
    objective=CausalLM(),
    model=ModelConfig(name="gpt2"),
    data=TextConfig(seq_len=8, tokenizer=TokenizerConfig(kind="byte_bpe", vocab_size=300)),
    optimizer=AdamW(learning_rate=1e-3, warmup_steps=1),
    batch_size=4,
    num_steps=10,
)
CONFIG_B = dataclasses.replace(CONFIG_A, optimizer=AdamW(learning_rate=2e-3, warmup_steps=1))

HOLDER = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from zoo.train.config import *
from zoo.train.workdir import claim
config = RunConfig.from_dict({values!r})
with claim(Path({workdir!r}), config):
    print("held", flush=True)
    time.sleep(60)
"""


def test_snapshot_round_trip(tmp_path):
    with claim(tmp_path / "new" / "run", CONFIG_A) as workdir:
        assert read_config(workdir) == CONFIG_A


def test_without_checkpoints_another_experiment_may_move_in(tmp_path):
    for config in (CONFIG_A, CONFIG_B):
        with claim(tmp_path, config):
            assert read_config(tmp_path) == config


@pytest.mark.parametrize("text", ['{"model_type": "gpt2"}', "[]", "no json"])
def test_the_config_of_a_model_is_not_overwritten(tmp_path, text):
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(ConfigError, match=r"config\.json was not written by launch\.train"), claim(tmp_path, CONFIG_A):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG] and (tmp_path / CONFIG).read_text() == text


def test_another_experiments_checkpoints_are_refused_with_the_difference(tmp_path):
    with claim(tmp_path, CONFIG_A):
        (tmp_path / CHECKPOINTS / "5").mkdir(parents=True)
    before = (tmp_path / CONFIG).read_bytes()
    with (
        pytest.raises(IntegrityError, match=r"optimizer\.learning_rate: 0\.001 there, 0\.002 here"),
        claim(tmp_path, CONFIG_B),
    ):
        pass
    assert (tmp_path / CONFIG).read_bytes() == before
    with claim(tmp_path, dataclasses.replace(CONFIG_A, keep_checkpoints=9)):
        pass  # moves no parameter


def test_checkpoints_without_or_with_a_damaged_snapshot(tmp_path):
    (tmp_path / CHECKPOINTS / "5").mkdir(parents=True)
    with pytest.raises(IntegrityError, match="is missing"), claim(tmp_path, CONFIG_A):
        pass
    (tmp_path / CONFIG).write_text("{")
    with pytest.raises(IntegrityError, match="damaged"), claim(tmp_path, CONFIG_A):
        pass


def test_a_workdir_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="cannot be written"), claim(path, CONFIG_A):
            pass


def test_a_second_job_is_refused_and_a_dead_ones_lock_is_not_in_the_way(tmp_path):
    root = Path(__file__).resolve().parents[2]
    script = HOLDER.format(tests=str(root), values=CONFIG_A.to_dict(), workdir=str(tmp_path))
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=f"pid {holder.pid} on"), claim(tmp_path, CONFIG_A):
            pass
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
    with claim(tmp_path, CONFIG_A):
        assert time.time() - (tmp_path / "lock").stat().st_mtime < 60

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""`launch.prepare` makes a folder, or prints in one line why it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.data.prepare import read_manifest

ROOT = Path(__file__).parents[2]
CONFIG = "configs/gpt2_pretrain.py:tiny"


def _prepare(*flags):
    command = [sys.executable, "-m", "launch.prepare", f"--config={CONFIG}", *flags]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONWARNINGS": ""}, capture_output=True, text=True)


def test_folder_of_text(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(f"line {i} of the text" for i in range(50)))
    data = tmp_path / "data"
    flags = [f"--config.data.source={tmp_path}/a.txt", "--config.data.document=line", f"--data_dir={data}"]
    done = _prepare(*flags, "--config.data.tokenizer.vocab_size=300")
    assert done.returncode == 0, done.stderr
    assert "validation: 2 documents" in done.stdout
    assert read_manifest(data)["train"]["documents"] == 48
    again = _prepare(*flags, "--config.data.tokenizer.vocab_size=301")
    assert again.returncode == 2
    assert "was prepared with other settings" in again.stderr


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--config.data.tokeniser.kind=wordpiece", "did you mean 'tokenizer'?"),
        ("--config.data.tokenizer.kind=sentencepiece", "data.tokenizer.kind must be"),
        ("--config.data.source=/nowhere/at/all", "does not exist"),
    ],
)
def test_mistakes_are_one_line(tmp_path, flag, said):
    done = _prepare(flag, f"--data_dir={tmp_path}/data")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert said in done.stderr
    assert not any(tmp_path.iterdir())


def test_a_table_needs_no_preparation(tmp_path):
    command = [
        sys.executable,
        "-m",
        "launch.prepare",
        "--config=configs/finetune.py:tiny",
        f"--data_dir={tmp_path}/data",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "need no preparation: run launch.train without --data_dir" in done.stderr
    assert not any(tmp_path.iterdir())

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The command: its exit codes, its report, and how soon it refuses."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = "--config=configs/gpt3_pretrain.py:tiny"


def launch(*flags: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-m", "launch.compile", *flags]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_as_many_cpus_as_requested(tmp_path):
    small = ("--config.model.num_layers=2", "--config.model.width=64", "--config.data.tokenizer.vocab_size=300")
    found = launch(TINY, "--topology=cpu:4", "--steps=eval,decode", f"--json={tmp_path / 'report.json'}", *small)
    assert found.returncode == 0, found.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["fits"] and report["mesh"] == {"data": 4, "fsdp": 1, "tensor": 1, "context": 1}
    assert [step["step"] for step in report["steps"]] == ["eval", "decode"]
    assert "gpt3-125m" in found.stdout and "fingerprint" in found.stdout
    assert "compiling eval for cpu:4" in found.stderr


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--topology=v5p:4x4x7"], "v5p:4x4x8"),
        (["--topology=cpu:4", "--config.mesh=data:3"], "This fills them: data:4"),
        (["--topology=cpu:4", "--config.batch_size=10"], "8 or 12"),
        ([], "topology"),
    ],
)
def test_errors_are_quick_and_suggest_an_alternative(flags, message):
    begin = time.monotonic()
    found = launch(TINY, *flags)
    assert found.returncode == 2 and message in found.stderr and "Traceback" not in found.stderr
    assert time.monotonic() - begin < 60

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The demo goes its whole way, with few steps."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_pretrains_generates_finetunes_and_predicts(tmp_path):
    command = [sys.executable, "-m", "launch.demo", f"--workdir={tmp_path}", "--steps=2"]
    result = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "perplexity" in result.stdout and "accuracy 0." in result.stdout
    assert result.stdout.count("film feels gripping") == 1  # a predicted row
    assert (tmp_path / "predictions.csv").exists()

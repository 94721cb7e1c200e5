# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What tests of whole runs share."""

import os
import signal

from zoo.objectives import OBJECTIVES
from zoo.train.report import read_lines


def curve(workdir):
    """The losses of a run, by step and split."""
    return [(row["step"], row["split"], row["loss"]) for row in read_lines(workdir / "metrics.jsonl")]


def stop_once(monkeypatch, name, step):
    """The first run of this objective gets a SIGTERM while it arranges a step's batch."""
    stops = [step]

    class Stopping(OBJECTIVES[name]):
        def arrange(self, batch, key):
            if key.is_training and stops and key.step == stops[0]:
                stops.clear()
                os.kill(os.getpid(), signal.SIGTERM)
            return super().arrange(batch, key)

    monkeypatch.setitem(OBJECTIVES, name, Stopping)

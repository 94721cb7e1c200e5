# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What tests of whole runs share."""

import os
import signal

import pytest

from zoo.objectives import OBJECTIVES
from zoo.train.loop import train
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


def weights(workdir):
    """The bytes of every model that a run left, by its folder."""
    return {path.parent.name: path.read_bytes() for path in workdir.glob("*/model.safetensors")}


def check_continues(monkeypatch, config, whole, workdir, name, *, step=7):
    """A run of the objective `name`, stopped in a step and started again, ends as the `whole` one, bit for bit.

    `config` makes the config, by the objective's type of the moment.
    """
    stop_once(monkeypatch, name, step)
    with pytest.raises(SystemExit):
        train(config(), workdir)
    assert not (workdir / "model").exists()
    train(config(), workdir)
    assert curve(workdir) == curve(whole)
    assert weights(workdir) == weights(whole)

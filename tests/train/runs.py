# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What tests of whole runs share."""

import hashlib
import os
import signal

import jax
import numpy as np
import orbax.checkpoint as ocp
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


def fingerprint(workdir, step):
    """SHA-256 of every array of a checkpoint, of its position in the data, of the models and of all that was logged."""
    folder = workdir / "checkpoints" / str(step)
    with ocp.StandardCheckpointer() as checkpointer:
        abstract = checkpointer.metadata(folder / "state").item_metadata.tree
        state = checkpointer.restore(folder / "state", jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), abstract))
    arrays = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(state)}
    position = next(path for path in (folder / "data").rglob("*") if path.is_file() and not path.name.startswith("_"))
    files = {"data": position, "metrics.jsonl": workdir / "metrics.jsonl"}
    files |= {path.parent.name: path for path in workdir.glob("*/model.safetensors")}
    found = {name: array.tobytes() for name, array in arrays.items()}
    found |= {name: path.read_bytes() for name, path in files.items()}
    return {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}

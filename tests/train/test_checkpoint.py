# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: everything comes back, leftovers go, damage is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.errors import IntegrityError
from zoo.train.checkpoint import Checkpoints
from zoo.train.config import OptimizerConfig
from zoo.train.optim import make_optimizer
from zoo.train.state import TrainState


class Counter:
    """An iterator of which only the place matters."""

    def __init__(self, place=0):
        self.place = place

    def get_state(self):
        return {"next_index": self.place}

    def set_state(self, state):
        self.place = state["next_index"]


def state_at(step, width=3):
    optimizer = make_optimizer(OptimizerConfig(learning_rate=1e-3, warmup_steps=1), 10)
    params = {"block": {"kernel": jnp.full((width, 2), 0.1 * step), "bias": jnp.ones(2)}}
    return TrainState.create(params, optimizer, seed=step)._replace(step=jnp.int32(step))


def save(workdir, steps, keep=2):
    with Checkpoints(workdir, keep) as checkpoints:
        for step in steps:
            checkpoints.save(step, state_at(step), Counter(10 * step))


def test_state_and_place_come_back(tmp_path):
    save(tmp_path, [1, 2, 3])
    counter = Counter()
    with Checkpoints(tmp_path, 2) as checkpoints:
        assert checkpoints.latest == 3
        restored = checkpoints.restore(jax.eval_shape(lambda: state_at(0)), counter)
    assert jax.tree.structure(restored) == jax.tree.structure(state_at(3))
    jax.tree.map(np.testing.assert_array_equal, restored, state_at(3))
    assert counter.place == 30


def test_the_latest_are_kept_and_leftovers_swept(tmp_path):
    save(tmp_path, [1, 2, 3])
    leftover = tmp_path / "checkpoints" / "4.orbax-checkpoint-tmp"
    leftover.mkdir()
    (leftover / "half").write_text("written")
    with Checkpoints(tmp_path, keep=None) as reader:
        assert reader.latest == 3
    assert leftover.exists()  # a reader must not sweep what a job may be writing
    save(tmp_path, [5])  # Orbax sweeps beside the training, and is done before the first save
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["3", "5"]


def test_damage_is_named_with_the_cure(tmp_path):
    save(tmp_path, [1, 2])
    for path in (tmp_path / "checkpoints" / "2" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with (
        Checkpoints(tmp_path, 2) as checkpoints,
        pytest.raises(IntegrityError, match=r"checkpoints/2 cannot be restored"),
    ):
        checkpoints.restore(jax.eval_shape(lambda: state_at(0)), Counter())


def test_another_models_checkpoint_is_refused(tmp_path):
    save(tmp_path, [1])
    message = (
        r"opt_state\S*mu\.block\.kernel is \(3, 2\) there, \(5, 2\) here.*; params\.block\.kernel is \(3, 2\) there"
    )
    with Checkpoints(tmp_path, 2) as checkpoints, pytest.raises(IntegrityError, match=message):
        checkpoints.restore(jax.eval_shape(lambda: state_at(0, width=5)), Counter())

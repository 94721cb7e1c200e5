# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: everything comes back, leftovers go, damage is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.multihost.jobs import Job
from tests.train.counter import Counter
from zoo.errors import IntegrityError
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import AdamW
from zoo.train.checkpoint import Checkpoints
from zoo.train.state import TrainState


def state_at(step, width=3):
    optimizer = make_optimizer(AdamW(learning_rate=1e-3, warmup_steps=1), 10)
    params = {"block": {"kernel": jnp.full((width, 2), 0.1 * step), "bias": jnp.ones(2)}}
    return TrainState.create(params, {}, optimizer, seed=step)._replace(step=jnp.int32(step))


def save(workdir, steps, keep=2):
    with Checkpoints(workdir, keep) as checkpoints:
        for step in steps:
            checkpoints.save(step, state_at(step), Counter(10 * step))


def test_state_and_position_are_restored(tmp_path):
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


def test_damage_is_set_aside_when_asked_and_nothing_is_deleted(tmp_path, caplog):
    save(tmp_path, [1, 2, 3], keep=3)
    folder, counter = tmp_path / "checkpoints", Counter()
    (folder / "2" / "state" / "_METADATA").unlink()
    next((folder / "3" / "data").glob("metadata")).write_text("{")
    with Checkpoints(tmp_path, 3) as checkpoints:
        restored = checkpoints.restore(jax.eval_shape(lambda: state_at(0)), counter, damaged="set_aside")
        assert (int(restored.step), counter.place, checkpoints.latest) == (1, 10, 1)
        checkpoints.save(2, state_at(2), Counter(20))
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2", "2.damaged", "3.damaged"]
    assert "It is now 3.damaged" in caplog.text
    (folder / "1").rename(tmp_path / "elsewhere")
    (folder / "2" / "state" / "_METADATA").unlink()
    with Checkpoints(tmp_path, 3) as checkpoints, pytest.raises(IntegrityError, match="list of arrays is gone"):
        checkpoints.restore(jax.eval_shape(lambda: state_at(0)), counter, damaged="set_aside")  # the last one stays
    assert (folder / "2").is_dir()


def test_a_part_that_is_missing(tmp_path):
    """Of a save, in which one process dies, and of a step that only one process cannot read: all agree."""

    def run(do):
        flags = [f"--workdir={tmp_path}", f"--do={do}"]
        return Job(tmp_path / do, "tests.train.checkpoint_peer", flags, count=2, devices=2)

    with run("save") as job:
        assert job.wait(60) == [75, 3], job.output(0)
        assert "process 1 on" in job.output(0).splitlines()[-1]
    folder = tmp_path / "checkpoints"
    with Checkpoints(tmp_path, keep=None) as checkpoints:
        assert checkpoints.latest == 2
    for path in (folder / "2" / "state" / "ocdbt.process_1" / "d").iterdir():
        path.unlink()
    with run("refuse") as job:
        assert job.wait(60) == [2, 2], job.output(0) + job.output(1)
        assert "process 1 could not read its part" in job.output(0)
        assert "Delete that folder" in job.output(1)
    with run("set_aside") as job:
        assert job.wait(60) == [0, 0], job.output(0) + job.output(1)
        assert "place 10, 2048 from 1.0" in job.output(0)
        assert "place 10, 2048 from 4097.0" in job.output(1)
        assert "It is now 2.damaged" in job.output(0) and "damaged" not in job.output(1)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The learning rate by step, and runs whose schedule is decided after they began."""

import dataclasses
import itertools
import json
import shutil

import jax
import numpy as np
import pytest

from tests.train.test_loop import CONFIG
from zoo.errors import ConfigError, IntegrityError
from zoo.evals import Loss
from zoo.optim.optimizers import Adafactor, AdamW
from zoo.optim.schedules import make_schedule, taken
from zoo.train.checkpoint import Checkpoints
from zoo.train.learner import Learner
from zoo.train.loop import train
from zoo.train.run_spec import RunSpec


def rates(config, num_steps, steps=None):
    schedule = make_schedule(config, num_steps)
    return np.array([float(schedule(step)) for step in range(num_steps + 1 if steps is None else steps)])


def test_inverse_square_root_is_that_of_the_transformer():
    steps = np.arange(1, 101)
    found = rates(AdamW(learning_rate=2.0, warmup_steps=10, schedule="inverse_sqrt"), 100)[1:]
    paper = np.minimum(steps**-0.5, steps * 10**-1.5)  # section 5.3, whose peak is at step 10
    np.testing.assert_allclose(found, 2.0 * paper * 10**0.5, rtol=1e-6)


def test_inverse_square_root_after_a_constant_is_that_of_t5():
    config = Adafactor(learning_rate=0.1, warmup_steps=100, warmup="constant", schedule="inverse_sqrt")
    np.testing.assert_allclose(rates(config, 300), 1 / np.sqrt(np.maximum(np.arange(301), 100)), rtol=1e-6)


@pytest.mark.parametrize(("shape", "half"), [("sqrt", 1 - 0.5**0.5), ("linear", 0.5)])
@pytest.mark.parametrize("length", [{"decay_steps": 20}, {"decay_fraction": 0.2}])
def test_warm_up_stable_decay(shape, half, length):
    config = AdamW(learning_rate=2.0, warmup_steps=10, schedule="wsd", decay_shape=shape, end_fraction=0.1, **length)
    found = rates(config, 100, 120)
    np.testing.assert_allclose(found[:11], 2.0 * np.arange(11) / 10, rtol=1e-6)
    assert np.all(found[10:81] == 2.0) and found[81] < 2.0
    assert found[90] == pytest.approx(0.2 + 1.8 * half) and found[100:] == pytest.approx(0.2)
    assert np.all(np.diff(found[80:101]) < 0)


def test_a_decay_and_a_warm_up_that_do_not_fit_are_refused():
    optimizer = AdamW(learning_rate=1.0, warmup_steps=5, schedule="wsd", decay_steps=4)
    with pytest.raises(ConfigError, match="decay of 4 steps exceed num_steps 8"):
        dataclasses.replace(CONFIG, optimizer=optimizer)


SCHEDULES = [
    AdamW(learning_rate=1.0, **warmup, **each)
    for warmup in ({"warmup_steps": 4}, {"warmup_steps": 0}, {"warmup_steps": 4, "warmup": "constant"})
    for each in (
        {"schedule": "linear"}, {"schedule": "cosine"}, {"schedule": "constant"}, {"schedule": "inverse_sqrt"},
        {"schedule": "wsd", "decay_steps": 5}, {"schedule": "wsd", "decay_fraction": 0.5},
        {"schedule": "wsd", "decay_steps": 5, "decay_shape": "linear"},
    )
]  # fmt: skip


@pytest.mark.parametrize("steps", [0, 3, 4, 5, 10, 15, 17, 20])
def test_what_is_said_to_be_the_same_so_far_is_the_same(steps):
    runs = list(itertools.product(SCHEDULES, (20, 30)))
    by_step = [rates(config, length, steps) for config, length in runs]
    same = 0
    for (one, first), (other, second) in itertools.combinations(zip(runs, by_step, strict=True), 2):
        if taken(*one, steps) == taken(*other, steps):
            np.testing.assert_array_equal(first, second)
            same += 1
    assert same > 0


STABLE = dataclasses.replace(
    CONFIG,
    optimizer=AdamW(learning_rate=1e-2, warmup_steps=2, schedule="wsd", decay_steps=3, ema_decay=0.5),
    num_steps=12, checkpoint_every=3, keep_checkpoints=9, eval_every=3, log_every=1, mesh="data:-1", rules="dp",
    keep_best="validation/loss", evals={"validation": Loss(num_batches=1)},
)  # fmt: skip


@pytest.fixture(scope="module")
def stable(tmp_path_factory):
    """A finished run with a long stable phase, and one that was shorter from the start."""
    folder = tmp_path_factory.mktemp("runs")
    train(STABLE, folder / "long")
    train(dataclasses.replace(STABLE, num_steps=9), folder / "short")
    return folder / "long", folder / "short"


def last_state(workdir, config):
    learner = Learner.create(RunSpec.create(config, config.data.open(cache_dir=workdir / "data").info))
    with Checkpoints(workdir, keep=None) as checkpoints:
        return jax.device_get(checkpoints.restore(learner.abstract))


def branch(workdir, folder, step):
    """A copy of a run as it was after a step."""
    copied = shutil.copytree(workdir, folder / "branch")
    for each in (copied / "checkpoints").iterdir():
        if int(each.name) > step:
            shutil.rmtree(each)
    return copied


def test_a_decay_from_an_earlier_checkpoint_is_the_run_that_was_to_be_short(stable, tmp_path, caplog):
    long, short = stable
    config = dataclasses.replace(STABLE, num_steps=9)
    copied = branch(long, tmp_path, 6)
    with caplog.at_level("WARNING", logger="zoo"):
        train(config, copied)
    assert "the run goes on with num_steps=9: its learning rates so far are the same." in caplog.messages
    jax.tree.map(np.testing.assert_array_equal, last_state(copied, config), last_state(short, config))
    (record,) = copied.glob("best.json.of-step-*")  # the long run's best, which is nothing of this one's
    assert record.read_bytes() == (long / "best.json").read_bytes()
    assert (copied / record.name.replace(".json", "")).is_dir()
    for name in ("metrics.jsonl", "best.json", "model/model.safetensors"):
        assert (copied / name).read_bytes() == (short / name).read_bytes(), name
    rows = [json.loads(line) for line in (copied / "metrics.jsonl").read_text().splitlines()]
    learning = {row["step"]: row["learning_rate"] for row in rows if row["split"] == "train"}
    assert learning[7] == pytest.approx(1e-2) and learning[8] < 1e-2


def test_a_constant_run_may_be_given_a_decay(stable, tmp_path):
    long, _ = stable
    copied = branch(long, tmp_path, 6)
    decay = dataclasses.replace(STABLE.optimizer, decay_steps=2, decay_shape="linear", end_fraction=0.1)
    train(dataclasses.replace(STABLE, num_steps=8, optimizer=decay), copied)
    constant = dataclasses.replace(STABLE.optimizer, schedule="constant", decay_steps=0)
    assert taken(constant, 12, 6) == taken(STABLE.optimizer, 12, 6)


@pytest.mark.parametrize(
    ("step", "num_steps", "changes", "message"),
    [
        (9, 11, {}, "num_steps: 12 there, 11 here"),  # its decay would have begun
        (6, 8, {}, "num_steps: 12 there, 8 here"),
        (12, 12, {"decay_steps": 2}, "optimizer.decay_steps: 3 there, 2 here"),
        (6, 9, {"warmup_steps": 3}, "optimizer.warmup_steps: 2 there, 3 here"),
        (6, 5, {"schedule": "constant", "decay_steps": 0}, "num_steps: 12 there, 5 here"),
    ],
)
def test_a_change_of_what_has_been_taken_is_refused(stable, tmp_path, step, num_steps, changes, message):
    optimizer = dataclasses.replace(STABLE.optimizer, **changes)
    with pytest.raises(IntegrityError, match=message):
        train(dataclasses.replace(STABLE, num_steps=num_steps, optimizer=optimizer), branch(stable[0], tmp_path, step))

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs of every pretraining objective, interrupted at fifty random steps, end in the same bits as without.

Of two kinds: a signal, after which the run saves wherever it is; and an exception, which loses all that is not in a
checkpoint, as a kill does. Kills of processes, within a save too, are in test_resume.py.
"""

import dataclasses
import random
import signal

import pytest

from tests.train.runs import curve, fingerprint
from tests.train.tiny import PRETRAINING
from zoo.train.learner import Learner
from zoo.train.loop import train

STEPS, KILLS = 60, 50


class Killed(BaseException):
    """What nothing catches."""


class Interrupted:
    """A train step that is interrupted after each step of a plan; `plan` is what is left of it."""

    def __init__(self, step):
        self.step, self.plan = step, []

    def __call__(self, state, batch):
        found = self.step(state, batch)
        if self.plan and int(found[0].step) == self.plan[0][0]:
            _, number = self.plan.pop(0)
            if number == signal.SIGKILL:
                raise Killed
            signal.raise_signal(number)
        return found


@pytest.fixture
def interrupted(monkeypatch):
    """The train step of all runs of a test, which share what is compiled: it holds no state."""
    made = {}

    def once(name):
        original = getattr(Learner, name)

        def get(*args):
            if name not in made:
                made[name] = original(*args)
                if name == "train_step":
                    made[name] = Interrupted(made[name])
            return made[name]

        monkeypatch.setattr(Learner, name, get)

    for name in ("create", "train_step", "loss_step"):
        once(name)
    return lambda: made["train_step"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PRETRAINING)
def test_fifty_times_it_ends_in_the_same_bits(name, interrupted, tmp_path):
    run = PRETRAINING[name]()
    average = dataclasses.replace(run.optimizer, ema_decay=0.9)
    run = dataclasses.replace(run, optimizer=average, num_steps=STEPS, eval_every=20, checkpoint_every=4)
    whole, workdir, chance = tmp_path / "whole", tmp_path / "run", random.Random(name)
    train(run, whole)
    step = interrupted()
    numbers = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    step.plan = [(at, chance.choice(numbers)) for at in sorted(chance.sample(range(1, STEPS), KILLS))]
    for left in range(KILLS - 1, -1, -1):
        with pytest.raises((Killed, SystemExit)):
            train(run, workdir)
        assert len(step.plan) == left and not (workdir / "model").exists()
    train(run, workdir)
    assert curve(workdir) == curve(whole) and len(curve(whole)) == STEPS + STEPS // 20
    assert fingerprint(workdir, STEPS) == fingerprint(whole, STEPS)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The average of the parameters: its values, its place in checkpoints, and that evaluations and exports use it."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from safetensors.numpy import load_file

from tests.train.test_loop import CONFIG
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import AdamW
from zoo.train.checkpoint import Checkpoints
from zoo.train.evaluate import evaluate_workdir
from zoo.train.learner import Learner
from zoo.train.loop import train
from zoo.train.run_spec import RunSpec
from zoo.train.state import TrainState

DECAY = 0.75
OPTIMIZER = dataclasses.replace(CONFIG.optimizer, ema_decay=DECAY)
RUN = dataclasses.replace(CONFIG, optimizer=OPTIMIZER, mesh="data:-1", rules="dp", keep_best="validation/loss")


def test_it_is_the_weighted_mean_of_the_parameters_after_each_step():
    optimizer = make_optimizer(AdamW(learning_rate=0.5, ema_decay=DECAY, schedule="constant"), 10)
    params = {"kernel": jnp.arange(6.0).reshape(2, 3)}
    state, seen, rng = TrainState.create(params, {}, optimizer, 0), [], np.random.default_rng(0)
    np.testing.assert_array_equal(state.averaged.params["kernel"], params["kernel"])
    for step in range(1, 6):
        grads = {"kernel": rng.normal(size=(2, 3)).astype(np.float32)}
        updates, opt_state = jax.jit(optimizer.update)(grads, state.opt_state, state.params)
        state = state._replace(params=optax.apply_updates(state.params, updates), opt_state=opt_state)
        seen.append(np.asarray(state.params["kernel"]))
        weights = DECAY ** np.arange(step)[::-1]
        expected = np.tensordot(weights / weights.sum(), np.stack(seen), axes=1)
        np.testing.assert_allclose(state.averaged.params["kernel"], expected, rtol=1e-6)
    assert np.abs(expected - seen[-1]).max() > 0.1


def test_it_is_held_in_float32_and_read_in_the_parameters_dtype():
    optimizer = make_optimizer(AdamW(learning_rate=0.5, ema_decay=DECAY), 10)
    state = TrainState.create({"kernel": jnp.ones((2, 3), jnp.bfloat16)}, {}, optimizer, 0)
    assert optax.tree.get(state.opt_state, "averaged_params")["kernel"].dtype == jnp.float32
    assert state.averaged.params["kernel"].dtype == jnp.bfloat16


def test_without_it_the_state_is_as_it_was():
    optimizer = make_optimizer(AdamW(learning_rate=0.5), 10)
    state = TrainState.create({"kernel": jnp.ones((2, 3))}, {}, optimizer, 0)
    assert state.averaged is state


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "averaged"
    return workdir, train(RUN, workdir)


def last_state(workdir):
    dataset = RUN.data.open(cache_dir=workdir / "data")
    learner = Learner.create(RunSpec.create(RUN, dataset.info))
    with Checkpoints(workdir, keep=None) as checkpoints:
        return jax.device_get(checkpoints.restore(learner.abstract))


def test_evaluations_the_best_model_and_the_export_are_of_the_average(finished):
    workdir, summary = finished
    state = last_state(workdir)
    table = load_file(workdir / "model" / "model.safetensors")["transformer.wte.weight"]
    assert json.loads((workdir / "best.json").read_text())["step"] == 8
    np.testing.assert_array_equal(table, state.averaged.params["embed"]["token"]["embedding"])
    assert np.abs(table - state.params["embed"]["token"]["embedding"]).max() > 1e-3
    of_checkpoint = evaluate_workdir(workdir)["validation"]["loss"]
    of_folder = evaluate_workdir(workdir, model=str(workdir / "model"))["validation"]["loss"]
    assert of_checkpoint == pytest.approx(summary["validation"]["loss"], rel=1e-6) == pytest.approx(of_folder, rel=1e-6)


def test_it_resumes_bit_for_bit_and_evaluations_do_not_move_it(finished, tmp_path, monkeypatch):
    workdir, _ = finished

    class Crash(Exception):
        pass

    save = Checkpoints.save

    def save_and_crash(self, step, state, iterator):
        save(self, step, state, iterator)
        if step == 4:
            raise Crash

    last = dataclasses.replace(RUN, keep_best="")
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(Checkpoints, "save", save_and_crash)
        train(last, tmp_path / "run")
    train(last, tmp_path / "run")
    jax.tree.map(np.testing.assert_array_equal, last_state(tmp_path / "run"), last_state(workdir))
    # The best step was the last one, so that the same model is exported without `keep_best`.
    tables = [load_file(each / "model/model.safetensors") for each in (tmp_path / "run", workdir)]
    jax.tree.map(np.testing.assert_array_equal, *tables)
    assert (tmp_path / "run/metrics.jsonl").read_bytes() == (workdir / "metrics.jsonl").read_bytes()


def test_a_step_without_a_finite_gradient_does_not_move_it(finished):
    workdir, _ = finished
    dataset = RUN.data.open(cache_dir=workdir / "data")
    learner = Learner.create(RunSpec.create(RUN, dataset.info))
    state = learner.initial_state()
    broken = jax.tree.map(lambda leaf: leaf, state.params)
    broken["final_norm"]["scale"] = jnp.full_like(broken["final_norm"]["scale"], jnp.nan)
    state = jax.device_put(state._replace(params=broken), learner.shardings)
    before = jax.device_get(state.averaged.params)
    after, _ = learner.train_step()(state, learner.put(learner.spec.objective.data.placeholder(16)))
    assert int(after.skipped) == 1
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(after.averaged.params), before)

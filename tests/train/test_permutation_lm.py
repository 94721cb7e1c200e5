# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""XLNet trains on permutations, resumes bit for bit, and is exported with a tokenizer of its own."""

import dataclasses

import numpy as np
import pytest

import zoo
from configs import xlnet_pretrain
from tests.train.runs import check_continues, curve
from zoo.data.random import Key
from zoo.errors import ConfigError, ZooError
from zoo.train.checkpoint import Checkpoints
from zoo.train.config import RunConfig
from zoo.train.evaluate import Evaluation, evaluate_workdir
from zoo.train.learner import Learner
from zoo.train.loop import train
from zoo.train.run_spec import RunSpec


def config(num_steps=20, **changes):
    found = xlnet_pretrain.get_config("tiny").unlock()
    found.model.update(width=32, num_heads=4, mlp_width=64, num_layers=1, hidden_dropout=0.1)
    found.data.tokenizer.vocab_size = 400
    found.data.update(seq_len=32, stride=16)
    found.objective.update(num_predict=8, reuse_len=16, perm_size=16, mem_len=24)
    found.optimizer.update(warmup_steps=4, learning_rate=1e-2)
    found.evals.validation.num_batches = 2
    found.update(
        batch_size=16, grad_accum_steps=2, num_steps=num_steps, log_every=1, eval_every=10, checkpoint_every=10
    )
    found.update(changes)
    return RunConfig.from_dict(found)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("xlnet") / "run"
    return workdir, train(config(), workdir)


def test_the_loss_falls_and_the_model_is_exported(trained):
    workdir, summary = trained
    losses = [loss for _, split, loss in curve(workdir) if split == "train"]
    assert np.mean(losses[-4:]) < losses[0] - 0.5
    found = summary["validation"]
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"])) and 0 < found["accuracy"] < 1
    model, tokenizer = zoo.load(workdir / "model"), zoo.tokenizer(workdir / "model")
    assert model.head_name == "permutation_lm" and model.config.pad_id == tokenizer.pad_id == 5
    batch = tokenizer.encode_batch(["to be"], ["or not to be"])
    assert batch["tokens"][0, -1] == tokenizer.cls_id == 3 and np.isfinite(model(batch).logits).all()


def test_stopped_and_continued_it_ends_in_the_same_bits(trained, tmp_path, monkeypatch):
    check_continues(monkeypatch, config, trained[0], tmp_path / "run", "plm")


def test_another_batch_size_is_refused_before_any_device(trained, monkeypatch):
    """The memory has a row for each of the batch; so has an evaluation's, whose config is not the run's."""
    with pytest.raises(ConfigError, match="memory is of 16 rows and batch_size is 32; set batch_size to 16"):
        evaluate_workdir(trained[0], config=config(batch_size=32))
    monkeypatch.setattr(Learner, "create", lambda *_: pytest.fail("a device was touched"))
    with pytest.raises(ZooError, match="batch_size: 16 there, 32 here"):
        train(config(batch_size=32), trained[0])


def test_the_memory_is_in_the_checkpoint_and_changes_what_follows(trained, tmp_path):
    """Without memory the first step is another one, since zeros are attended to, and so are those after it."""
    workdir, _ = trained
    memory = _memory(workdir, config())
    assert memory.shape == (16, 1, 24, 32) and np.abs(memory).min(axis=(1, 3)).max() > 0
    plain = config()
    plain = dataclasses.replace(plain, objective=dataclasses.replace(plain.objective, mem_len=0))
    train(dataclasses.replace(plain, num_steps=5), tmp_path / "run")
    with_memory, without = (dict(_by_step(each)) for each in (workdir, tmp_path / "run"))
    assert all(with_memory[step] != without[step] for step in range(1, 6))


def _memory(workdir, run):
    """That of the latest checkpoint."""
    learner = Learner.create(RunSpec.create(run, run.data.open(cache_dir=workdir / "data").info))
    with Checkpoints(workdir, keep=None) as checkpoints:
        return np.asarray(checkpoints.restore(learner.abstract).carry["memory"])


def _by_step(workdir):
    return [(step, loss) for step, split, loss in curve(workdir) if split == "train"]


def test_micro_batches_and_shards_carry_the_same_memory(tmp_path):
    """Of a whole batch, and of two micro-batches of it on 8 devices that shard rows and parameters."""
    run = config(5)
    changes = {**run.model.changes, "hidden_dropout": 0.0}
    run = dataclasses.replace(run, model=dataclasses.replace(run.model, changes=changes))
    variants = {
        "whole": dict(grad_accum_steps=1, mesh="data:8"),
        "parts": dict(grad_accum_steps=2, mesh="data:2,fsdp:2,tensor:2", rules="fsdp_tp"),
    }
    for name, fields in variants.items():
        train(dataclasses.replace(run, **fields), tmp_path / name)
    whole, parts = ([loss for _, loss in _by_step(tmp_path / name)] for name in variants)
    assert parts == pytest.approx(whole, rel=1e-4)
    one, other = (_memory(tmp_path / name, dataclasses.replace(run, **variants[name])) for name in variants)
    np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(one).max())


def test_a_skipped_step_leaves_the_memory_as_it_was(trained):
    """One that is not finite would poison all steps after it."""
    spec = RunSpec.create(config(grad_accum_steps=1), config().data.open(cache_dir=trained[0] / "data").info)
    learner = Learner.create(spec)
    batch = spec.objective.arrange(spec.objective.data.placeholder(16), Key(0, 0, 0, np.arange(16)))
    batch["continues"] = np.ones(16, np.float32)
    step, state, memories = learner.train_step(), learner.initial_state(), []
    for weight in (1.0, np.nan, 1.0):
        weights = np.full_like(batch["target_weights"], weight)
        state, _ = step(state, learner.put({**batch, "target_weights": weights}))
        memories.append(np.asarray(state.carry["memory"]))
    assert int(state.skipped) == 1 and np.isfinite(memories).all()
    np.testing.assert_array_equal(memories[0], memories[1])
    assert (memories[1] != memories[2]).any()


def test_an_evaluation_carries_a_memory_of_its_own(trained):
    """From empty on, over rows that follow one another: as by hand, and the same again."""
    workdir, summary = trained
    dataset = config().data.open(cache_dir=workdir / "data")
    learner = Learner.create(RunSpec.create(config(), dataset.info))
    with Checkpoints(workdir, keep=None) as checkpoints:
        state = checkpoints.restore(learner.abstract)
    evaluation = Evaluation(learner, dataset)
    for _ in range(2):
        found = evaluation.run(state.params, state.frozen)["validation"]
        assert found["loss"] == pytest.approx(summary["validation"]["loss"], rel=1e-6)
    objective, module = learner.spec.objective, learner.module(state)
    carry, sums, follows = learner.empty_carry(8), [], []
    for batch in evaluation.batches("validation", 2):
        each, carry = objective.loss_and_carry(module, batch, carry)
        sums.append(each)
        follows.append(np.asarray(batch["continues"]))
    assert not follows[0].any() and follows[1].all()
    by_hand = sum(float(each["loss"]) for each in sums) / sum(float(each["weight"]) for each in sums)
    assert found["loss"] == pytest.approx(by_hand, rel=1e-5)


def test_operations_are_those_of_both_streams(trained):
    """More predictions cost what their vectors do, and no products of one-hot arrays."""
    spec = RunSpec.create(config(), config().data.open(cache_dir=trained[0] / "data").info)
    more = spec._replace(objective=dataclasses.replace(spec.objective, num_predict=16))
    width, inner, vocab = 32, 64, spec.model.vocab_size
    each = 4 * width * (width + inner) + 2 * width * vocab
    assert more.forward_flops(2) - spec.forward_flops(2) == 2 * 8 * each


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "mesh"), [("fsdp_cp", "data:2,fsdp:2,context:2"), ("tp", "data:2,tensor:4"), ("fsdp", "data:2,fsdp:4")]
)
def test_sharded_it_gives_the_same_losses(tmp_path, rules, mesh):
    run = dataclasses.replace(config(num_steps=5), grad_accum_steps=1)
    sharded, alone = (dataclasses.replace(run, mesh=m, rules=r) for m, r in ((mesh, rules), ("data:8", "dp")))
    for each, name in ((sharded, "sharded"), (alone, "alone")):
        train(each, tmp_path / name)
    for (step, split, one), (_, _, other) in zip(curve(tmp_path / "sharded"), curve(tmp_path / "alone"), strict=True):
        assert one == pytest.approx(other, rel=1e-4), (step, split)

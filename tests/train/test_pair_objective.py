# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""An objective of two models with one shared table, written as a newcomer would: the loop needs no change for it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from zoo.evals import Loss
from zoo.models import registry
from zoo.models.config import ModelConfig
from zoo.objectives import OBJECTIVES, Objective
from zoo.objectives.loss import weighted_sums
from zoo.optim.optimizers import AdamW
from zoo.train.checkpoint import Checkpoints
from zoo.train.config import RunConfig
from zoo.train.learner import Learner
from zoo.train.loop import train
from zoo.train.run_spec import RunSpec


class Pair(nnx.Module):
    """A large and a small causal model that read the same token embeddings."""

    def __init__(self, config, *, rngs):
        family = registry.family_of(config)
        self.large = family.build(config, head="causal_lm", rngs=rngs)
        self.small = family.build(config.replace(num_layers=1), head="causal_lm", rngs=rngs)
        self.small.embed.token = self.large.embed.token


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairLM(Objective):
    """The mean of both losses; only the large one's stack may be frozen."""

    head: ClassVar[str] = "causal_lm"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "positions"})
    sums: ClassVar[tuple[str, ...]] = ("loss", "weight", "correct", "small_loss")
    freeze_large: bool = False

    @property
    def trainable(self) -> Any:
        return (lambda path, _: path[0] != "large") if self.freeze_large else nnx.Param

    def build(self, config, *, rngs):
        return Pair(config, rngs=rngs)

    def loss(self, module, batch, *, dropout_key=None):
        tokens, segments = batch["tokens"], batch["segments"]
        targets = jnp.roll(tokens, -1, axis=1)
        weights = ((segments > 0) & (segments == jnp.roll(segments, -1, axis=1))).astype(jnp.float32)
        large, small = (
            weighted_sums(out.losses, out.predicted == targets, weights)
            for out in (model(tokens, segments=segments, targets=targets) for model in (module.large, module.small))
        )
        return large | {"loss": large["loss"] + small["loss"], "small_loss": small["loss"]}

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        return super().metrics(sums) | {"small_loss": float(sums["small_loss"]) / (float(sums["weight"]) or 1.0)}

    def export(self, module):
        return module.large


CONFIG = {
    "objective": {"type": "pair_lm"},
    "data": {"type": "text", "seq_len": 16, "tokenizer": {"kind": "byte_bpe", "vocab_size": 320}},
    "model": {
        "name": "gpt2", "width": 16, "num_layers": 2, "stack": "loop", "num_heads": 2, "mlp_width": 32,
        "max_length": 16,
    },
    "optimizer": {"learning_rate": 1e-2, "warmup_steps": 2},
    "evals": {"validation": {"type": "loss", "num_batches": 2}},
    "batch_size": 16,
    "num_steps": 6,
    "eval_every": 3,
    "checkpoint_every": 3,
    "log_every": 3,
    "mesh": "data:4,fsdp:2",
    "rules": "fsdp",
}  # fmt: skip


@pytest.fixture(autouse=True)
def table(monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "pair_lm", PairLM)


def test_a_pair_trains_resumes_and_exports(tmp_path):
    config = RunConfig.from_dict(CONFIG)
    summary = train(config, tmp_path / "run")
    assert summary["validation"]["small_loss"] < np.log(320) and summary["validation"]["loss"] < 2 * np.log(320)
    assert zoo.load(tmp_path / "run" / "model").config.num_layers == 2
    longer = train(dataclasses.replace(config, num_steps=9), tmp_path / "run")
    assert longer["step"] == 9 and longer["validation"]["loss"] < summary["validation"]["loss"]


def learner(**objective):
    from tests.objectives.fakes import info

    config = RunConfig.from_dict({**CONFIG, "objective": {"type": "pair_lm", **objective}})
    return Learner.create(RunSpec.create(config, info(vocab_size=320)))


def test_the_shared_table_is_one_parameter_with_the_gradient_of_both():
    pair = learner()
    names = {jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree.leaves_with_path(
        pair.abstract.params)}  # fmt: skip
    assert len([name for name in names if name.endswith("embed.token.embedding")]) == 1
    state = pair.initial_state()
    batch = pair.put(pair.spec.objective.data.placeholder(16))
    after, _ = pair.train_step()(state, batch)
    module = pair.module(after)
    assert module.large.embed.token is module.small.embed.token


def test_a_frozen_half_stays_and_is_restored(tmp_path):
    pair = learner(freeze_large=True)
    state = pair.initial_state()
    frozen = jax.device_get(state.frozen)
    assert "large" in frozen and "large" not in state.params
    state, _ = pair.train_step()(state, pair.put(pair.spec.objective.data.placeholder(16)))
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(1, state, _Place())
    with Checkpoints(tmp_path, keep=None) as checkpoints:
        restored = checkpoints.restore(pair.abstract)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored.frozen), frozen)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored.params), jax.device_get(state.params))


class _Place:
    def get_state(self):
        return {"next_index": 1}


def test_the_evaluator_takes_the_metrics_of_the_objective():
    assert Loss().metric_names(PairLM()) == ("loss", "accuracy", "small_loss")
    assert isinstance(RunConfig.from_dict(CONFIG).model, ModelConfig)
    assert isinstance(RunConfig.from_dict(CONFIG).optimizer, AdamW)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Metrics over a whole split: sums over its batches, so that the batch size does not matter."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

import zoo
from zoo.errors import ConfigError
from zoo.multihost import watch
from zoo.multihost.processes import is_primary, primary_first
from zoo.objectives import Task
from zoo.train.build import Machine, Plan
from zoo.train.checkpoint import Checkpoints
from zoo.train.config import RunConfig
from zoo.train.corpus import Corpus
from zoo.train.step import Batch
from zoo.train.workdir import DATA, has_checkpoints, read_config, write_json

_log = logging.getLogger(__name__)

EVALUATION = "evaluation.json"


def evaluate_workdir(
    workdir: Path, *, config: RunConfig | None = None, data_dir: Path | None = None, model: str | None = None
) -> dict[str, Any]:
    """Metrics on the validation split, also written to `evaluation.json` in the workdir.

    Args:
      config: None is the one that the workdir was trained with.
      data_dir: a prepared folder; None is the workdir's own.
      model: a Hub folder or registry name; None is the workdir's latest checkpoint.

    Raises:
      ConfigError: no checkpoint, or a model that reads other tokens than the data holds.
    """
    if model is None and not has_checkpoints(workdir):
        raise ConfigError(f"{workdir} holds no checkpoint to evaluate; train first, or give --model.")
    config = config or read_config(workdir)
    with primary_first("the data"):
        corpus = Corpus.open(config, workdir / DATA, data_dir)
    plan = Plan.create(config, corpus.tokenizer)
    machine = Machine.create(plan)
    origin, graphdef, params = _latest(workdir, machine) if model is None else _load(model, plan, machine, corpus)
    batches = watch.marked(corpus.validation_batches(plan.task, machine.share), "batch of the evaluation")
    batches = map(machine.put, batches)
    result = {**origin, **evaluate(machine.eval_step(plan, graphdef), params, batches, plan.task)}
    if is_primary():
        workdir.mkdir(parents=True, exist_ok=True)
        write_json(workdir / EVALUATION, result)
        _log.info("evaluation: %s", workdir / EVALUATION)
    return result


def evaluate(eval_step: Callable, params: Any, batches: Iterable[Batch], task: Task) -> dict[str, float]:
    """The task's metrics over `batches`. Rows that only fill up the last batch weigh nothing."""
    total, pending = None, None
    for batch in batches:
        dispatched = eval_step(params, batch)
        total, pending = _add(total, pending), dispatched  # reads the last batch while this one runs
    total = _add(total, pending)
    return task.metrics(total or {"loss": 0.0, "correct": 0.0, "weight": 0.0})


def _latest(workdir: Path, machine: Machine) -> tuple[dict[str, Any], nnx.GraphDef, Any]:
    with Checkpoints(workdir, keep=None) as checkpoints:
        state = checkpoints.restore(machine.abstract)
    return {"step": int(state.step)}, machine.graphdef, state.params


def _load(source: str, plan: Plan, machine: Machine, corpus: Corpus) -> tuple[dict[str, Any], nnx.GraphDef, Any]:
    if zoo.tokenizer(source).backend.get_vocab() != corpus.tokenizer.backend.get_vocab():
        raise ConfigError(
            f"{source} and the data have different vocabularies; prepare the data with "
            f"--config.data.tokenizer.path={source}."
        )
    model = zoo.load(source, head=plan.task.head, dtype=plan.model.dtype, mesh=machine.mesh, rules=plan.config.rules)
    graphdef, params = nnx.split(model)
    return {"model": source}, graphdef, nnx.to_pure_dict(params)


def _add(total: dict | None, sums: dict | None) -> dict | None:
    """In float64: float32 stops counting at 2**24 predictions."""
    if sums is None:
        return total
    sums = jax.tree.map(np.float64, jax.device_get(sums))
    return sums if total is None else jax.tree.map(np.add, total, sums)

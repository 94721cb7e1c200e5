# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Running a config's evaluators: during training, and afterwards on a checkpoint or on any model."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from flax import nnx

import zoo
from zoo.data.pipeline import evaluation_batches
from zoo.data.schema import Dataset, Examples
from zoo.errors import ConfigError
from zoo.evals.evaluator import Findings, Function, one_ahead
from zoo.multihost import watch
from zoo.multihost.processes import is_primary, primary_first
from zoo.objectives import Objective
from zoo.train.checkpoint import Checkpoints
from zoo.train.config import RunConfig
from zoo.train.final_report import write_report
from zoo.train.learner import Learner
from zoo.train.run_spec import RunSpec, check_names, source_of
from zoo.train.step import EvalStep
from zoo.train.workdir import DATA, has_checkpoints, read_config, write_json

_log = logging.getLogger(__name__)

EVALUATION, REPORT = "evaluation.json", "evaluation"


class Evaluation:
    """A module's parameters on the run's devices, with the run's data: what evaluators see (`zoo.evals.Evaluated`)."""

    def __init__(self, learner: Learner, dataset: Dataset, graphdef: nnx.GraphDef | None = None):
        self._learner, self._dataset, self._graphdef = learner, dataset, graphdef
        self._steps: dict[Function, EvalStep] = {}
        self._loss_step: EvalStep | None = None
        self._params: tuple[Any, Any] = ({}, {})

    @property
    def objective(self) -> Objective:
        """The run's, bound to its data."""
        return self._learner.spec.objective

    def examples(self, split: str) -> Examples:
        """The examples of a split."""
        return self._dataset.split(split)

    def batches(self, split: str, num_batches: int = 0) -> Iterable[Mapping[str, jax.Array]]:
        """One pass over a split, on the devices; see `zoo.evals.Evaluated`."""
        config = self._learner.spec.config
        batches = evaluation_batches(
            self._dataset.split(split),
            self.objective.arrange,
            batch_size=config.batch_size // config.grad_accum_steps,
            seed=config.seed,
            num_batches=num_batches,
            shard=self._learner.shard,
        )
        return map(self._learner.put, watch.with_heartbeats(batches, "batch of the evaluation"))

    def compiled(self, function: Function) -> Callable[[Mapping[str, jax.Array]], Any]:
        """The function of a batch, of the current parameters; compiled once."""
        if function not in self._steps:
            self._steps[function] = self._learner.eval_step(function, self._graphdef)
        step, (params, frozen) = self._steps[function], self._params
        return lambda batch: step(params, frozen, batch)

    def losses(self, split: str, num_batches: int = 0) -> Iterator[Mapping[str, Any]]:
        """The objective's sums of each batch of a split; see `zoo.evals.Evaluated`."""
        if self._loss_step is None:
            self._loss_step = self._learner.loss_step(self._graphdef)
        step, (params, frozen) = self._loss_step, self._params
        config = self._learner.spec.config
        carry = self._learner.empty_carry(config.batch_size // config.grad_accum_steps)

        def call(batch: Mapping[str, jax.Array]) -> Any:
            nonlocal carry
            sums, carry = step(params, frozen, batch, carry)
            return sums

        return one_ahead(call, self.batches(split, num_batches))

    def run(self, params: Any, frozen: Any, names: Iterable[str] | None = None) -> dict[str, dict[str, float]]:
        """The metrics of the config's evaluators, or of some of them, by the name of each that has metrics."""
        self._params = params, frozen
        evals = self._learner.spec.config.evals
        chosen = evals if names is None else names
        return {name: evals[name].run(self) for name in chosen if evals[name].metric_names(self.objective)}

    def examine(self, params: Any, frozen: Any) -> dict[str, Findings]:
        """What a report shows of a model, by the evaluator's name; all processes take part."""
        self._params = params, frozen
        return {name: each.examine(self) for name, each in self._learner.spec.config.evals.items()}


def evaluate_workdir(
    workdir: Path, *, config: RunConfig | None = None, data_dir: Path | None = None, model: str | None = None
) -> dict[str, Any]:
    """The metrics of each evaluator by its name, also written to `evaluation.json` in the workdir.

    What else the evaluators report of the model goes into the folder `evaluation` there (`zoo.train.final_report`).

    Args:
      config: None is the one that the workdir was trained with.
      data_dir: a prepared folder; None is the workdir's own.
      model: a Hub folder or registry name; None is the workdir's latest checkpoint.

    Raises:
      ConfigError: no checkpoint, no evaluator, or a model that reads other tokens than the data holds.
    """
    if model is None and not has_checkpoints(workdir):
        raise ConfigError(f"{workdir} holds no checkpoint to evaluate; train first, or give --model.")
    config = config or read_config(workdir)
    check_names(config)
    if not config.evals:
        raise ConfigError(
            "config.evals is empty, so that there is nothing to evaluate; add an evaluator to the config."
        )
    with primary_first("the data"):
        dataset = config.data.open(cache_dir=workdir / DATA, data_dir=data_dir, tokenizer=source_of(config.init_from))
    learner = Learner.create(RunSpec.create(config, dataset.info))
    origin, graphdef, params, frozen = _latest(workdir, learner) if model is None else _load(model, learner, dataset)
    findings = Evaluation(learner, dataset, graphdef).examine(params, frozen)
    watch.heartbeat("the report", grace_period=True)
    result = {**origin, **{name: found.metrics for name, found in findings.items()}}
    if is_primary():
        workdir.mkdir(parents=True, exist_ok=True)
        page = write_report(workdir / REPORT, config, findings, origin, dataset.summaries)
        write_json(workdir / EVALUATION, result)
        _log.info("evaluation: %s and %s", workdir / EVALUATION, page)
    return result


def _latest(workdir: Path, learner: Learner) -> tuple[dict[str, Any], nnx.GraphDef, Any, Any]:
    with Checkpoints(workdir, keep=None) as checkpoints:
        state = checkpoints.restore(learner.abstract).averaged
    return {"step": int(state.step)}, learner.graphdef, state.params, state.frozen


def _load(source: str, learner: Learner, dataset: Dataset) -> tuple[dict[str, Any], nnx.GraphDef, Any, Any]:
    if zoo.tokenizer(source).backend.get_vocab() != dataset.tokenizer.backend.get_vocab():
        raise ConfigError(
            f"{source} and the data have different vocabularies; prepare the data with "
            f"--config.data.tokenizer.path={source}."
        )
    spec = learner.spec
    module = spec.objective.load(
        source, spec.model, mesh=learner.mesh, rules=learner.rules, seed=spec.config.seed, head_init="required"
    )
    graphdef, params, frozen = nnx.split(module, spec.objective.trainable, ...)
    return {"model": source}, graphdef, nnx.to_pure_dict(params), nnx.to_pure_dict(frozen)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The training loop: everything of a run, in the order in which it happens."""

import contextlib
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np

import zoo
from zoo.cost import flops
from zoo.cost.chips import peak_flops_per_second
from zoo.data.pipeline import train_batches
from zoo.data.schema import Dataset
from zoo.data.training import training_examples
from zoo.errors import ConfigError
from zoo.hub.load import Declared, declared
from zoo.multihost import watch
from zoo.multihost.processes import Consensus, is_primary, primary_first
from zoo.optim.schedules import make_schedule
from zoo.train.best import Best
from zoo.train.checkpoint import Checkpoints, OnDamage
from zoo.train.config import RunConfig
from zoo.train.evaluate import Evaluation
from zoo.train.final_report import REPORT, drop_stale_report, write_report
from zoo.train.learner import Learner
from zoo.train.profile import Profile, Span
from zoo.train.report import Report, Silence, Work, describe
from zoo.train.run_spec import RunSpec, check_names, check_vocabulary, source_of
from zoo.train.state import TrainState
from zoo.train.workdir import DATA, MODEL, claim, pin_data

_log = logging.getLogger(__name__)

_ECHO = 1.0  # seconds in which a second signal is the first, sent to a group of processes and passed on within it
SIGNALLED = 128  # plus the signal's number: the exit code that a shell reports

BatchShapes = tuple[tuple[str, jax.ShapeDtypeStruct], ...]  # by the names of the arrays


def train(
    config: RunConfig,
    workdir: Path,
    data_dir: Path | None = None,
    *,
    damaged: OnDamage = "refuse",
    profile: Span | None = None,
) -> dict[str, Any]:
    """Trains to the config's last step, from the workdir's latest checkpoint if it has one; returns the summary.

    With `config.early_stopping` it may end before; the summary then has that step as `stopped_early`. A signal that
    came too late to stop it is there as `signal`, its number, for a caller that would train on.

    If that one cannot be read, `damaged="set_aside"` renames it and continues from the one before. A trace of the steps
    of `profile` goes into the workdir.

    After SIGTERM or Ctrl-C it finishes the step, saves, and exits with code 143 or 130; the same command continues from
    there. A later signal ends it at once. Of several processes any one may get the signal: all stop after the same
    step.

    Raises:
      ZooError: for anything that the user can fix, most of it before a device is touched.
    """
    with contextlib.ExitStack() as stack:
        # 1. All that can be refused without a device, and names before anything is written.
        check_names(config)
        with primary_first("the data"):
            stack.enter_context(claim(workdir, config))
            source = source_of(config.init_from)
            dataset = config.data.open(cache_dir=workdir / DATA, data_dir=data_dir, tokenizer=source)
            check_vocabulary(config, dataset.tokenizer)
            pin_data(workdir, dataset.manifest)
            if is_primary():
                drop_stale_report(workdir, config)
        spec = RunSpec.create(config, dataset.info)
        kept = declared(spec.source) if spec.source else None
        # 2. The devices, and the shardings of everything on them.
        learner = Learner.create(spec)
        _log.info("%s", learner.describe())
        _log.info("%s", learner.describe_optimizer())
        # 3. The state: the latest checkpoint's, with the position in the data, or a new one.
        checkpoints = stack.enter_context(Checkpoints(workdir, config.keep_checkpoints))
        best = stack.enter_context(Best(workdir, spec))
        batches = stack.enter_context(contextlib.closing(_batches(learner, dataset)))
        if checkpoints.latest is None:
            state = learner.initial_state()
        else:
            state = checkpoints.restore(learner.abstract, batches, damaged=damaged)
        report = stack.enter_context(_open_report(learner, workdir, int(state.step)))
        # 4. The steps.
        run = _Run(learner, dataset, checkpoints, best, report, stack.enter_context(Profile(workdir, profile)))
        state, signalled = run.steps(state, batches)
        # 5. What is left behind: curves, the model as a Hub folder with its tokenizer, and a report of this model.
        step, last = int(state.step), spec.config.num_steps
        late, signalled = (signalled, 0) if best.is_over(step) or step == last else (0, signalled)
        is_early = step < last and not signalled
        if is_early and is_primary():
            what = "stopped early after step %d: %d evaluations without a better %s."
            _log.info(what, step, config.early_stopping, config.keep_best)
        summary = report.finish(stopped_early=step if is_early else None)
        if not signalled:
            exported = best.restore(state.averaged)
            models = _export(learner, dataset, exported, kept, workdir)
            findings = run.evaluation.examine(exported.params, exported.frozen)
            watch.heartbeat("the report", grace_period=True)
            if is_primary():
                write_report(workdir / REPORT, config, findings, {"step": best.step(state)}, dataset.summaries)
    if signalled:
        if is_primary():
            name = signal.Signals(signalled).name
            _log.warning("stopped by %s after step %d; the same command continues from there.", name, step)
        raise SystemExit(SIGNALLED + signalled)
    if is_primary():
        print(describe(summary, workdir, models, best.step(state)))
    return summary | ({"signal": late} if late else {})


class _Run:
    """The parts that the steps use."""

    def __init__(
        self,
        learner: Learner,
        dataset: Dataset,
        checkpoints: Checkpoints,
        best: Best,
        report: Report | Silence,
        profile: Profile,
    ):
        self.config, self.objective = learner.spec.config, learner.spec.objective
        self.checkpoints, self.best, self.report = checkpoints, best, report
        self.schedule = make_schedule(self.config.optimizer, self.config.num_steps)
        self.train_step, self.evaluation = learner.train_step(), Evaluation(learner, dataset)
        self.consensus, self.profile = Consensus(learner.mesh), profile
        self.skipped, self.skipped_in_a_row = 0, 0

    def steps(self, state: TrainState, batches) -> tuple[TrainState, int]:
        """Runs to the last step, to an early end or to a signal; returns the state and a signal's number, or 0."""
        config, first = self.config, int(state.step) + 1
        self.skipped = int(state.skipped)
        pending, signalled, is_over = None, 0, self.best.is_over(int(state.step))
        seen: set[BatchShapes] = set()
        with _signals() as received:
            for step in range(first, first if is_over else config.num_steps + 1):
                # A process that stays here while others go on is hung, except in the first steps, which compile.
                watch.heartbeat(f"loading the batch of step {step}", grace_period=step < first + 2)
                with self.report.waiting():
                    batch = next(batches)
                shapes = _shapes(batch)
                compiles = shapes not in seen
                seen.add(shapes)
                watch.heartbeat(f"step {step}", grace_period=compiles or step < first + 2)
                self.profile.before(step - first + 1)
                state, sums = self.train_step(state, batch)
                self.profile.after(step - first + 1, sums)
                # The device is busy with this step: only now are the last one's numbers read.
                self._record(pending)
                if step == first + 1:  # the first one has also compiled
                    self.report.restart_clock()
                pending = (step, sums, shapes)
                signalled = self.consensus(received[0] if received else 0)
                evaluating = [
                    name for name, each in config.evals.items() if self._due(step, each.every or config.eval_every)
                ]
                saving = self._due(step, config.checkpoint_every)
                if evaluating or saving or signalled:
                    # Reports precede the checkpoint: whoever resumes from it finds all lines up to its step.
                    self._record(pending)
                    pending = None
                if evaluating:
                    self._evaluate(step, state, evaluating)
                    is_over = self.best.is_over(step)
                if saving or signalled or is_over:
                    watch.heartbeat(f"saving step {step}", grace_period=True)
                    self.checkpoints.save(step, state, batches)
                    self.report.restart_clock()
                if signalled or is_over:
                    break
            signalled = signalled or self.consensus.settle(received[0] if received else 0)
        watch.heartbeat("the end of the steps", grace_period=True)
        return state, signalled

    def _due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.config.num_steps

    def _record(self, pending: tuple[int, dict, BatchShapes] | None) -> None:
        """Reads the numbers of a step, waiting for it if need be, and reports them when it is time."""
        if pending is None:
            return
        step, sums, shapes = pending[0], jax.device_get(pending[1]), pending[2]
        self._count_skipped(step, int(sums["skipped"]))
        self.report.advance(step, shapes)
        if self._due(step, self.config.log_every):
            counters = {
                "grad_norm": float(sums["grad_norm"]),
                "learning_rate": float(np.asarray(self.schedule(step - 1 - self.skipped))),
                "skipped": self.skipped,
            }
            self.report.train(step, {**self.objective.metrics(sums), **counters})

    def _count_skipped(self, step: int, skipped: int) -> None:
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if skipped > self.skipped else 0
        self.skipped = skipped
        if self.skipped_in_a_row >= self.config.max_skipped:
            latest = self.checkpoints.latest
            raise ConfigError(
                f"{self.skipped_in_a_row} steps in a row, up to step {step}, had a gradient that was not finite; lower "
                f"optimizer.learning_rate. Nothing has changed since step {step - self.skipped_in_a_row}; "
                + ("there is no checkpoint yet." if latest is None else f"the latest checkpoint is step {latest}.")
            )

    def _evaluate(self, step: int, state: TrainState, names: list[str]) -> None:
        evaluated = state.averaged
        for name, metrics in self.evaluation.run(evaluated.params, evaluated.frozen, names).items():
            self.report.evaluation(step, name, metrics)
            self.best.offer(step, name, metrics, evaluated)
        self.report.restart_clock()


def _batches(learner: Learner, dataset: Dataset) -> grain.DatasetIterator:
    """Endless batches on the devices; the iterator's state is its position in the data, the same in all processes."""
    config = learner.spec.config
    batches = train_batches(
        training_examples(dataset),
        learner.spec.objective.arrange,
        batch_size=config.batch_size,
        seed=config.seed,
        shard=learner.shard,
        micro_batches=config.grad_accum_steps,
        warmup_steps=config.batch_warmup_steps,
        arrangements=learner.spec.objective.arrangements,
    )
    return learner.prefetched(batches)


def _shapes(batch: Mapping[str, jax.Array]) -> BatchShapes:
    return tuple((name, jax.ShapeDtypeStruct(x.shape, x.dtype)) for name, x in sorted(batch.items()))


def _open_report(learner: Learner, workdir: Path, start: int) -> Report | Silence:
    if not is_primary():
        return Silence(start)
    config = learner.spec.config
    peak = peak_flops_per_second(list(learner.mesh.devices.flat))

    def work(shapes: BatchShapes) -> Work:
        batch = dict(shapes)
        operations = flops.TRAINING * learner.spec.batch_flops(batch)
        return Work(tokens=math.prod(batch["tokens"].shape), flops=operations, peak=peak)

    return Report(workdir, start=start, num_steps=config.num_steps, work=work)


def _export(learner: Learner, dataset: Dataset, state: TrainState, kept: Declared | None, workdir: Path) -> list[str]:
    """Saves the models as Transformers would, with tokenizer and what the checkpoint declared; gives their folders."""
    objective, module = learner.spec.objective, learner.module(state)
    model = objective.export(module)
    if kept is not None:
        kept.give(model)
    models = {MODEL: model, **objective.companions(module)}
    for name, each in models.items():
        zoo.save(each, workdir / name)
        if is_primary():
            dataset.tokenizer.save(workdir / name)
    if is_primary() and dataset.inputs is not None:
        dataset.inputs.save(workdir / MODEL)
    return [*models]


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """A list to which the first SIGTERM or SIGINT adds its number; a later one ends the process at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # Python lets the main thread alone handle signals
        return
    first = math.inf

    def handle(number, frame):
        nonlocal first
        if time.monotonic() > first + _ECHO:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if not received:
            received.append(number)
            first = time.monotonic()

    previous = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    for each in previous:
        signal.signal(each, handle)
    try:
        yield received
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)

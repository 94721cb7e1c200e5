# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The run's best model by one metric of one evaluator, kept next to the latest checkpoints and exported at the end.

A run without a new best for `early_stopping` evaluations is over. They are counted from step numbers alone, so that a
run that was killed and resumed ends at the same step.
"""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from etils import epath

from zoo.errors import IntegrityError
from zoo.multihost.processes import failures, is_primary, wait_for_all
from zoo.train.checkpoint import contents, read_state
from zoo.train.run_spec import RunSpec, best_by
from zoo.train.state import TrainState
from zoo.train.workdir import BEST, BEST_RECORD, write_json

_log = logging.getLogger(__name__)


class Best:
    """Keeps the parameters of the step whose metric is the best so far. A context manager, as `Checkpoints` is.

    Of equal values the earlier step stays. Without `keep_best` in the config it keeps nothing.
    """

    def __init__(self, workdir: Path, spec: RunSpec):
        self._record, self._manager = workdir / BEST_RECORD, None
        self._best: dict[str, Any] | None = None  # as recorded, without the delay with which hosts see a shared file
        self._patience = spec.config.early_stopping
        if not spec.config.keep_best:
            return
        self._best = self._read()
        self._name, self._metric, evaluator = best_by(spec.config, spec.objective)
        self._every = evaluator.every or spec.config.eval_every
        self._sign = -1.0 if evaluator.lower_is_better(self._metric) else 1.0
        # Two: the record of the new one is written before the old one goes.
        options = ocp.CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager((workdir / BEST).resolve(), options=options)

    def __enter__(self) -> "Best":
        return self

    def __exit__(self, *_) -> None:
        if self._manager is not None:
            self._manager.close()

    def offer(self, step: int, name: str, metrics: Mapping[str, float], state: TrainState) -> None:
        """Keeps the state's parameters if these metrics are the evaluator's, and better than all before."""
        if self._manager is None or name != self._name:
            return
        value, before = metrics[self._metric], self._best
        if not math.isfinite(value):
            what = (
                "keep_best: %s/%s is %s after step %d, which is no best; is the split empty of one class, or constant?"
            )
            _log.warning(what, self._name, self._metric, value, step)
            return
        if before is not None and self._sign * (value - before["value"]) <= 0:
            return
        if step not in self._manager.all_steps():
            self._manager.save(step, args=contents({"params": state.params, "frozen": state.frozen}))
        self._best = {"step": step, "metric": f"{self._name}/{self._metric}", "value": value}
        if is_primary():
            write_json(self._record, self._best)
        wait_for_all(f"keeping the best model of step {step}")

    def is_over(self, step: int) -> bool:
        """Whether the run ends early at `step`, whose evaluations are done; the same on every process.

        The best step is later than `step` in a run that was killed after an evaluation and resumed from before it; it
        went past `step` then, and does again.
        """
        if not self._patience:
            return False
        best = 0 if self._best is None else self._best["step"]
        return step // self._every - best // self._every >= self._patience

    def step(self, state: TrainState) -> int:
        """The step of whose parameters `restore` gives the state."""
        return int(state.step) if self._best is None else self._best["step"]

    def restore(self, state: TrainState) -> TrainState:
        """The state with the parameters of the best step; the state itself if none was kept.

        Raises:
          IntegrityError: the kept parameters cannot be read.
        """
        best = self._best
        if self._manager is None or best is None:
            return state
        folder, error = epath.Path(self._record.parent.resolve() / BEST / str(best["step"])), None
        kept: Any = {}
        try:
            kept = read_state(folder, {"params": state.params, "frozen": state.frozen})
        except Exception as caught:  # Orbax raises whatever its storage layers raise
            error = caught
        if others := failures("reading the best step", error is not None):
            raise IntegrityError(
                f"{folder}, the best step by {best['metric']}, cannot be read ({error or f'by process {others[0]}'}); "
                f"delete {self._record}, and the same command exports the last step instead."
            ) from error
        _log.info("the best step by %s is %d (%.4g)", best["metric"], best["step"], best["value"])
        return state._replace(**kept)

    def _read(self) -> dict[str, Any] | None:
        if not self._record.exists():
            return None
        try:
            return json.loads(self._record.read_text())
        except ValueError as error:
            raise IntegrityError(
                f"{self._record} is damaged ({error}); delete it to start the search for the best again."
            ) from error

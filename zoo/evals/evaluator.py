# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The interface of an evaluator, and what it may ask of the run that it evaluates."""

import abc
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import numpy as np

from zoo.data.schema import Examples, Schema
from zoo.errors import ConfigError
from zoo.objectives import Objective

# Of (objective, module, batch); the same function object is compiled once a run.
Function = Callable[[Any, Any, Mapping[str, Any]], Any]


@runtime_checkable
class Evaluated(Protocol):
    """A model under evaluation, with its data, on its devices."""

    @property
    def objective(self) -> Objective: ...

    def examples(self, split: str) -> Examples:
        """The examples of a split, which may know more of themselves than a batch holds: ids, or texts of answers."""
        ...

    def batches(self, split: str, num_batches: int = 0) -> Iterable[Mapping[str, jax.Array]]:
        """One pass over a split in order, the same at every call, as the objective arranges it.

        The last batch is filled up with rows of segment 0. `num_batches` of 0 takes the whole split.
        """
        ...

    def losses(self, split: str, num_batches: int = 0) -> Iterator[Mapping[str, Any]]:
        """The objective's sums of each of these batches, without dropout, in host memory.

        What the objective carries from batch to batch, such as a memory, is empty at the first.
        """
        ...

    def compiled(self, function: Function) -> Callable[[Mapping[str, jax.Array]], Any]:
        """`function(objective, module, batch)` of a batch alone, without dropout; all results are on every process."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What an evaluator found of a model: its metrics and, in subclasses, what else belongs in a report."""

    metrics: dict[str, float]

    def write(self, folder: Path) -> str:
        """Writes its files into `folder`, which exists; one process does it. Touches no device.

        Returns: Markdown about them, whose links begin with the folder's name; "" without files.
        """
        del folder
        return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluator(abc.ABC):
    """An evaluator: its own group of a config, `config.evals.NAME`.

    Attributes:
      evaluates: the objectives that it suits.
      definitions: what its metrics are, in a sentence each, by their names.
      needs_labels: whether its split must have labels.
      split: of the run's data.
      every: steps between evaluations in training; 0 is the run's `eval_every`. It also happens at the last step.
      num_batches: batches in one evaluation; 0 takes the whole split.
    """

    evaluates: ClassVar[tuple[type[Objective], ...]] = (Objective,)
    definitions: ClassVar[Mapping[str, str]] = {}
    needs_labels: ClassVar[bool] = True
    split: str = "validation"
    every: int = 0
    num_batches: int = 0

    def __post_init__(self):
        for name in ("every", "num_batches"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{type(self).__name__}.{name} must be 0 or more; found {getattr(self, name)}.")

    def check(self, objective: Objective, schema: Schema) -> None:
        """ConfigError, before any device is touched, if it cannot evaluate this objective on these data."""
        del schema
        if not isinstance(objective, self.evaluates):
            raise ConfigError(
                f"The evaluator {type(self).__name__} needs the objective "
                f"{' or '.join(kind.__name__ for kind in self.evaluates)}; found {type(objective).__name__}. The "
                "evaluator loss suits every objective."
            )

    @abc.abstractmethod
    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        """The names of what `run` gives."""

    @abc.abstractmethod
    def run(self, model: Evaluated) -> dict[str, float]:
        """The metrics, over the whole split."""

    def examine(self, model: Evaluated) -> Findings:
        """The same metrics, with what a report of the finished model shows beside them; by default nothing.

        All processes take part. An evaluator with a report overrides this, and its `run` gives the metrics of it.
        """
        return Findings(metrics=self.run(model))

    def define(self, metric: str) -> str:
        """What a metric that `run` gives is, in a sentence; "" for one that nothing defines."""
        return self.definitions.get(metric, "")

    def lower_is_better(self, metric: str) -> bool:
        """Whether a model is better if this metric is smaller."""
        return metric.endswith(("loss", "perplexity", "bits_per_byte", "mean_squared_error"))


def results(model: Evaluated, function: Function, batches: Iterable[Any]) -> Iterator[Any]:
    """What a compiled function gives of each batch, in host memory."""
    return one_ahead(model.compiled(function), batches)


def one_ahead(call: Callable[[Any], Any], batches: Iterable[Any]) -> Iterator[Any]:
    """What a function on the devices gives of each batch, in host memory; one is read while the next one runs."""
    pending = None
    for batch in batches:
        dispatched = call(batch)
        if pending is not None:
            yield jax.device_get(pending)
        pending = dispatched
    if pending is not None:
        yield jax.device_get(pending)


def total(sums: Iterable[Mapping[str, Any]], names: Iterable[str]) -> dict[str, np.float64]:
    """Sums over batches, in float64: a float32 stops counting at 2**24."""
    found = dict.fromkeys(names, np.float64(0.0))
    for each in sums:
        found = {name: found[name] + np.float64(each[name]) for name in found}
    return found

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The config of a run: the groups of the packages that it uses, put together.

A config file is an `ml_collections.ConfigDict`: easy to write and to override. Past `RunConfig.from_dict` every field
exists, has the right type and fits its neighbours. Each group is a frozen dataclass of the package that reads it.
"""

import dataclasses
import logging
import math
from collections.abc import Mapping
from typing import Any

from zoo import checks
from zoo.data import DATASETS, DatasetConfig
from zoo.errors import ConfigError
from zoo.evals import EVALUATORS, Evaluator
from zoo.files import sha256_of_json
from zoo.models.config import ModelConfig
from zoo.models.registry import ENTRIES
from zoo.objectives import OBJECTIVES, Objective
from zoo.optim.optimizers import OPTIMIZERS, OptimizerConfig
from zoo.text.train import USUAL_SPECIAL

# Fields that may change if no learning rate so far depends on them (`zoo.train.workdir`).
_SCHEDULE = ("schedule", "end_fraction", "decay_steps", "decay_fraction", "decay_shape")
LATER = ("num_steps", *(f"optimizer.{name}" for name in _SCHEDULE))
# Fields that may change between two starts of one experiment: they move no parameter by design.
_FREE = ("checkpoint_every", "early_stopping", "keep_checkpoints", "mesh", "rules", "xla_options")

UNKNOWN_EPOCH = 1000  # steps
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One experiment.

    Attributes:
      objective: a type of `zoo.objectives.OBJECTIVES` and its fields.
      data: a type of `zoo.data.DATASETS` and its fields.
      model: `name` in the registry, and fields of `TransformerConfig` that differ from it.
      optimizer: a type of `zoo.optim.optimizers.OPTIMIZERS`, AdamW if none is given, and its fields.
      init_from: a registry name, a Hub folder or the workdir of another run to start from; "" is random weights.
      evals: evaluators by name, each a type of `zoo.evals.EVALUATORS` and its fields.
      keep_best: "EVALUATOR/METRIC", by which the best model of the run is kept, and exported at its end; "" exports the
        last one.
      early_stopping: evaluations by `keep_best` without a new best after which the run ends; 0 is never.
      batch_size: sequences in one optimizer step, over all devices and micro-batches.
      grad_accum_steps: micro-batches in one step.
      batch_warmup_steps: over so many steps the batch grows from one micro-batch to `batch_size`, by one micro-batch at
        a time in equal stages, for each of which a step is compiled (arXiv:2005.14165, appendix B); 0 is none.
      num_steps: optimizer steps in the run; 0 is as many as `num_epochs` passes over the training examples take.
      num_epochs: see `num_steps`.
      eval_every, checkpoint_every: in steps; 0 is once an epoch. log_every: in steps. All of them also happen at the
        last step.
      keep_checkpoints: how many of the latest stay.
      max_skipped: steps in a row without a finite gradient before the run gives up.
      mesh: axes and sizes, such as "data:-1,fsdp:1". rules: the preset of `zoo.sharding.rules`.
      xla_options: "name=value,name=value", over those of the chip in `zoo.train.compiler`; "name=" leaves one out.
    """

    objective: Objective = dataclasses.field(metadata=checks.types(lambda: OBJECTIVES))
    data: DatasetConfig = dataclasses.field(metadata=checks.types(lambda: DATASETS))
    model: ModelConfig
    optimizer: OptimizerConfig = dataclasses.field(metadata=checks.types(lambda: OPTIMIZERS, default="adamw"))
    batch_size: int
    num_steps: int = 0
    num_epochs: float = 0.0
    init_from: str = ""
    evals: dict[str, Evaluator] = dataclasses.field(default_factory=dict, metadata=checks.types(lambda: EVALUATORS))
    keep_best: str = ""
    early_stopping: int = 0
    grad_accum_steps: int = 1
    batch_warmup_steps: int = 0
    eval_every: int = 1000
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2
    log_every: int = 100
    max_skipped: int = 20
    seed: int = 0
    mesh: str = "data:-1"
    rules: str = "dp"
    xla_options: str = ""

    def __post_init__(self):
        for name in ("batch_size", "grad_accum_steps", "log_every", "keep_checkpoints", "max_skipped"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be 1 or more; found {getattr(self, name)}.")
        for name in (
            "num_steps",
            "num_epochs",
            "eval_every",
            "checkpoint_every",
            "early_stopping",
            "batch_warmup_steps",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more; found {getattr(self, name)}.")
        if not self.num_steps and not self.num_epochs:
            raise ConfigError("num_steps and num_epochs are both 0; one of them says how long the run is.")
        if self.early_stopping and not self.keep_best:
            raise ConfigError(
                f"early_stopping is {self.early_stopping} and keep_best is empty, so that no metric decides when to "
                "stop; set keep_best to EVALUATOR/METRIC, or early_stopping to 0."
            )
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed must be between 0 and {2**32 - 1}; found {self.seed}.")
        if self.batch_size % self.grad_accum_steps:
            raise ConfigError(
                f"batch_size {self.batch_size} is not divisible by grad_accum_steps {self.grad_accum_steps}; change "
                "one of them."
            )
        self._check_batch_warmup()
        if self.optimizer.warmup_steps > self.num_steps > 0:
            raise ConfigError(
                f"optimizer.warmup_steps {self.optimizer.warmup_steps} exceeds num_steps {self.num_steps}; lower "
                f"it, such as to {self.num_steps // 10}."
            )
        self._check_decay()
        if not self.model.name and not self.init_from:
            raise ConfigError(
                "model.name and init_from are both empty; set init_from to start from a checkpoint, or model.name to a "
                "registry name."
            )
        for name in self.evals:
            if not name or name in ("train",) or set(name) & set("/."):
                raise ConfigError(f"An evaluator is called {name!r}; use another name, without '/' and '.'.")

    def _check_batch_warmup(self) -> None:
        if not self.batch_warmup_steps:
            return
        if self.grad_accum_steps == 1:
            raise ConfigError(
                f"batch_warmup_steps is {self.batch_warmup_steps}, and a batch that is one micro-batch cannot grow; "
                "set grad_accum_steps to the number of stages, such as 8, or batch_warmup_steps to 0."
            )
        if not self.num_steps:
            raise ConfigError(
                "batch_warmup_steps makes the first epoch longer than the others; give the length of the run as "
                "num_steps."
            )
        if self.batch_warmup_steps > self.num_steps:
            raise ConfigError(
                f"batch_warmup_steps {self.batch_warmup_steps} exceeds num_steps {self.num_steps}; lower it."
            )

    def _check_decay(self) -> None:
        optimizer = self.optimizer
        if optimizer.schedule != "wsd" or not self.num_steps:
            return
        decay = optimizer.decay_length(self.num_steps)
        if optimizer.warmup_steps + decay > self.num_steps:
            raise ConfigError(
                f"optimizer.warmup_steps {optimizer.warmup_steps} and the decay of {decay} steps exceed num_steps "
                f"{self.num_steps}; lower optimizer.decay_steps or warmup_steps."
            )

    @property
    def model_name(self) -> str:
        """What the model is called: in the registry, or the checkpoint that it starts from."""
        return self.model.name or self.init_from

    @classmethod
    def from_dict(cls, values: Any) -> "RunConfig":
        """From a `ConfigDict` or a dict. An unknown or missing key, or a wrong type, is a ConfigError.

        A tokenizer to train gets the special tokens that the model's family needs, unless the config names others.
        """
        config = checks.build(cls, values.to_dict() if hasattr(values, "to_dict") else values, "config")
        entry, tokenizer = ENTRIES.get(config.model.name), config.data.tokenizer
        if entry is None or config.init_from or tokenizer.path or tokenizer.special:
            return config
        if (special := entry.family.special_tokens) == USUAL_SPECIAL[tokenizer.kind]:
            return config
        tokenizer = dataclasses.replace(tokenizer, special=special)
        return dataclasses.replace(config, data=dataclasses.replace(config.data, tokenizer=tokenizer))

    def in_steps(self, examples: int | None) -> "RunConfig":
        """The same run with its length, its warm-up and its periods in steps.

        Args:
          examples: for training; None is unknown, as where steps are compiled ahead of time. `UNKNOWN_EPOCH` steps then
            stand for an epoch, on which nothing but the values of the learning rate depends.
        """
        if self.num_steps and self.num_epochs:
            what = "num_steps is %d, so that num_epochs %g has no effect; num_steps=0 would use it."
            _log.info(what, self.num_steps, self.num_epochs)
        if self.optimizer.warmup_steps and self.optimizer.warmup_fraction:
            what = (
                "optimizer.warmup_steps is %d, so that warmup_fraction %g has no effect; warmup_steps=0 would use it."
            )
            _log.info(what, self.optimizer.warmup_steps, self.optimizer.warmup_fraction)
        epoch = UNKNOWN_EPOCH if examples is None else max(1, round(examples / self.batch_size))
        passes = self.num_epochs * (UNKNOWN_EPOCH if examples is None else examples / self.batch_size)
        num_steps = self.num_steps or max(1, math.ceil(passes))
        return dataclasses.replace(
            self,
            num_steps=num_steps,
            eval_every=self.eval_every or epoch,
            checkpoint_every=self.checkpoint_every or epoch,
            optimizer=self.optimizer.in_steps(num_steps),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain, nested, ready for JSON."""
        return checks.plain(self)

    def identity(self) -> dict[str, Any]:
        """What makes this experiment itself: every leaf by its dotted path, save those that may change on a restart."""
        return {path: value for path, value in _leaves(self.to_dict()) if path not in _FREE}

    def digest(self) -> str:
        """SHA-256 of the identity, in hex."""
        return sha256_of_json(self.identity())


def _leaves(tree: Mapping[str, Any], prefix: str = ""):
    for key, value in sorted(tree.items()):
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The one door from a config file to the frozen dataclasses that the package works with.

A config file is an `ml_collections.ConfigDict`: easy to write and to override. Past `RunConfig.from_dict` every field
exists, has the right type and fits its neighbours.
"""

import dataclasses
import difflib
import hashlib
import json
import typing
from collections.abc import Mapping
from typing import Any, Literal

from zoo.checks import check_fields
from zoo.data.config import DataConfig
from zoo.errors import ConfigError

# Fields that may change between two starts of one experiment: they move no parameter by design.
_FREE = ("checkpoint_every", "keep_checkpoints", "mesh", "rules", "xla_options")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW and its schedule.

    Attributes:
      learning_rate: the highest, reached after `warmup_steps` of linear growth from 0.
      schedule: the fall from there to `end_fraction` of it, at the last step.
      clip_norm: largest global norm of a gradient; 0 clips nothing.
    """

    learning_rate: float
    warmup_steps: int
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    end_fraction: float = 0.0
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01
    clip_norm: float = 1.0

    def __post_init__(self):
        if self.warmup_steps < 0:
            raise ConfigError(f"optimizer.warmup_steps must be 0 or more; found {self.warmup_steps}.")
        for name in ("learning_rate", "weight_decay", "clip_norm"):
            if getattr(self, name) < 0:
                raise ConfigError(f"optimizer.{name} must be 0 or more; found {getattr(self, name)!r}.")
        if self.eps <= 0:
            raise ConfigError(f"optimizer.eps must be above 0; found {self.eps!r}.")
        if not 0 <= self.end_fraction <= 1:
            raise ConfigError(f"optimizer.end_fraction must lie between 0 and 1; found {self.end_fraction!r}.")
        for name in ("b1", "b2"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"optimizer.{name} must be at least 0 and below 1; found {getattr(self, name)!r}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One experiment.

    Attributes:
      task: `name` (see `zoo.objectives`) and the options of its class.
      model: `name` in the registry, and fields of `TransformerConfig` that differ from it.
      batch_size: rows in one optimizer step, over all devices and micro-batches.
      grad_accum_steps: micro-batches in one step.
      num_steps: optimizer steps in the run.
      eval_every, checkpoint_every, log_every: in steps; all of them also happen at the last step.
      eval_batches: batches in one evaluation; 0 takes the whole validation split.
      keep_checkpoints: how many of the latest stay.
      max_skipped: steps in a row without a finite gradient before the run gives up.
      mesh: axes and sizes, such as "data:-1,fsdp:1". rules: the preset of `zoo.sharding.rules`.
      xla_options: "name=value,name=value", over those of the chip in `zoo.train.compiler`; "name=" leaves one out.
    """

    task: dict
    model: dict
    data: DataConfig
    optimizer: OptimizerConfig
    batch_size: int
    num_steps: int
    grad_accum_steps: int = 1
    eval_every: int = 1000
    eval_batches: int = 0
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2
    log_every: int = 100
    max_skipped: int = 20
    seed: int = 0
    mesh: str = "data:-1"
    rules: str = "dp"
    xla_options: str = ""

    def __post_init__(self):
        positive = ("batch_size", "num_steps", "grad_accum_steps", "eval_every", "checkpoint_every", "log_every")
        for name in (*positive, "keep_checkpoints", "max_skipped"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be 1 or more; found {getattr(self, name)}.")
        if self.eval_batches < 0:
            raise ConfigError(f"eval_batches must be 0 (all) or more; found {self.eval_batches}.")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed must lie between 0 and {2**32 - 1}; found {self.seed}.")
        if self.batch_size % self.grad_accum_steps:
            raise ConfigError(f"batch_size {self.batch_size} does not divide by accumulation {self.grad_accum_steps}.")
        if self.optimizer.warmup_steps > self.num_steps:
            raise ConfigError(
                f"optimizer.warmup_steps {self.optimizer.warmup_steps} exceeds num_steps {self.num_steps}; lower it."
            )
        for name in ("task", "model"):
            if not isinstance(getattr(self, name).get("name"), str):
                raise ConfigError(f"{name}.name must be text; found {getattr(self, name).get('name')!r}.")

    @classmethod
    def from_dict(cls, values: Any) -> "RunConfig":
        """From a `ConfigDict` or a dict. An unknown or missing key, or a wrong type, is a ConfigError."""
        return _build(cls, values.to_dict() if hasattr(values, "to_dict") else values, "config")

    def to_dict(self) -> dict[str, Any]:
        """Plain, nested, ready for JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def identity(self) -> dict[str, Any]:
        """What makes this experiment itself: every leaf by its dotted path, save those that may change on a restart."""
        return {path: value for path, value in _leaves(self.to_dict()) if path not in _FREE}

    def digest(self) -> str:
        """SHA-256 of the identity, in hex."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()


def _build(cls: type, values: Any, path: str) -> Any:
    """An instance of the dataclass `cls`, with its nested dataclasses; `path` is for messages."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} must be a group of fields; found {values!r}.")
    kinds = typing.get_type_hints(cls)
    for key in values:
        if key not in kinds:
            near = difflib.get_close_matches(str(key), kinds, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(kinds)}."
            raise ConfigError(f"{path} has no field {key!r}; {hint}")
    for field in dataclasses.fields(cls):
        if field.default is dataclasses.MISSING and field.name not in values:
            raise ConfigError(f"{path} lacks the field {field.name!r}; add it to the config file.")
    fields = {key: _convert(kinds[key], value, f"{path}.{key}") for key, value in values.items()}
    _check_types(cls, fields)
    return cls(**fields)


def _convert(kind: Any, value: Any, path: str) -> Any:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _build(kind, value, path)
    return float(value) if kind is float and type(value) is int else value


def _check_types(cls: type, fields: Mapping[str, Any]) -> None:
    """Before `__init__`, whose range checks compare numbers and must find numbers."""
    draft = object.__new__(cls)
    for field in dataclasses.fields(cls):
        object.__setattr__(draft, field.name, fields.get(field.name, field.default))
    check_fields(draft)


def _leaves(tree: Mapping[str, Any], prefix: str = ""):
    for key, value in sorted(tree.items()):
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

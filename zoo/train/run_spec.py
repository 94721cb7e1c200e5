# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What of a run is decided before any device is touched: its objective, bound to the data, and its model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

import zoo
from zoo.cost import flops
from zoo.data.random import Key
from zoo.data.schema import DataInfo
from zoo.errors import ConfigError, ZooError
from zoo.evals import Evaluator
from zoo.hub.model_config import hub_config
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.objectives import Objective
from zoo.sharding.mesh import parse_mesh
from zoo.sharding.rules import preset
from zoo.text.tokenizer import Tokenizer
from zoo.train.compiler import parse_options
from zoo.train.config import RunConfig
from zoo.train.workdir import CHECKPOINTS, MODEL

_DRAWN = {"init", "init_std", "init_depth_scaled"}  # fields of a model that only random parameters depend on


class RunSpec(NamedTuple):
    """A run's config, its objective for its data, and its model's config.

    Attributes:
      config: as given, with its length in steps.
      source: the registry name or folder whose weights the run starts from; "" is random ones.
    """

    config: RunConfig
    objective: Objective
    model: TransformerConfig
    source: str

    @classmethod
    def create(cls, config: RunConfig, info: DataInfo) -> "RunSpec":
        """Checks what a config file cannot know alone: names, and sizes against the data's.

        Raises:
          ConfigError: for anything that would fail later.
        """
        config = config.in_steps(info.splits.get("train"))
        objective = config.objective.bind(info)
        source = source_of(config.init_from)
        model = objective.configure(model_config(config, info, source))
        hub_config(model, objective.head)  # refused now if a Hub folder could not hold the trained model
        check_evals(config, objective, info)
        return cls(config, objective, model, source)

    def build(self, *, rngs: nnx.Rngs) -> nnx.Module:
        """What is trained, with random parameters."""
        return self.objective.build(self.model, rngs=rngs)

    def batch_shapes(self, rows: int) -> dict[str, jax.ShapeDtypeStruct]:
        """A batch of so many sequences, each as long as the data's longest, as the step reads it."""
        key = Key(seed=0, stream=0, step=0, rows=np.arange(1))
        batch = self.objective.arrange(self.objective.data.placeholder(1), key)
        return {name: jax.ShapeDtypeStruct((rows, *value.shape[1:]), value.dtype) for name, value in batch.items()}

    def carry(self, rows: int) -> Mapping[str, jax.ShapeDtypeStruct]:
        """What the objective hands from batch to batch of so many rows, as shapes; all of it is zero at first."""
        return self.objective.carry(self.model, rows)

    def forward_flops(self, rows: int) -> int:
        """Operations of a loss over so many of the data's longest sequences."""
        return self.batch_flops(self.batch_shapes(rows))

    def batch_flops(self, batch: Mapping[str, jax.ShapeDtypeStruct]) -> int:
        """Operations of the loss of a batch, by `zoo.cost.flops`; whatever modules the objective trains."""
        model = flops.plain(self.model)
        module = nnx.eval_shape(lambda: self.objective.build(model, rngs=nnx.Rngs(jax.random.key(0))))
        graphdef, params = nnx.split(module)

        def loss(params: Any, batch: Any) -> Any:
            return self.objective.loss(nnx.merge(graphdef, params), batch)

        return flops.count(loss, params, dict(batch))


def check_names(config: RunConfig) -> None:
    """ConfigError for a mesh, preset or model that does not exist, or invalid options."""
    parse_mesh(config.mesh)
    parse_options(config.xla_options)
    preset(config.rules)
    source = source_of(config.init_from)
    if source and (drawn := sorted(_DRAWN & {*config.model.changes})):
        raise ConfigError(
            f"model.{drawn[0]} is set and init_from is {source!r}: it decides random parameters, and these come from "
            "the checkpoint; leave it out."
        )
    if config.model.name:
        registry.lookup(config.model.name)
        if source:
            raise ConfigError(
                f"model.name is {config.model.name!r} and init_from is {source!r}, which decides the model by itself; "
                "leave one of them empty (model.name='' keeps the other fields of the model as overrides)."
            )


def source_of(init_from: str) -> str:
    """The registry name or folder that `init_from` means: of a run's workdir, the model that it exported.

    Raises:
      ConfigError: a workdir whose run has not ended.
    """
    folder = Path(init_from).expanduser()
    if not init_from or not (folder / CHECKPOINTS).is_dir():
        return str(folder) if init_from and folder.exists() else init_from
    if not (folder / MODEL).is_dir():
        raise ConfigError(
            f"init_from {init_from!r} is the workdir of a run that has not ended, so that it holds no {MODEL}/; "
            "train it to its end first."
        )
    return str(folder / MODEL)


def check_vocabulary(config: RunConfig, tokenizer: Tokenizer) -> None:
    """ConfigError if the data's tokenizer gives ids that mean other tokens to the model that the run starts from."""
    source = source_of(config.init_from)
    if not source or not config.data.tokenizer.path:
        return
    try:
        own = zoo.tokenizer(source)
    except ZooError:
        return  # a model without a tokenizer of its own, or a run resumed where its source is gone
    for index in range(min(own.vocab_size, tokenizer.vocab_size)):
        ours, theirs = (each.backend.id_to_token(index) for each in (tokenizer, own))
        if ours != theirs:
            raise ConfigError(
                f"data.tokenizer.path {config.data.tokenizer.path!r} has another vocabulary than init_from {source!r}: "
                f"id {index} is {ours!r} in the first and {theirs!r} in the second. Leave data.tokenizer.path empty to "
                "use the model's own tokenizer."
            )


def base_config(config: RunConfig) -> TransformerConfig:
    """The config of the registry, or of the checkpoint that the run starts from, without the run's overrides."""
    source = source_of(config.init_from)
    return zoo.config(source) if source else registry.config(config.model.name)


def model_config(config: RunConfig, info: DataInfo, source: str) -> TransformerConfig:
    """The config of the registry or of the checkpoint, with the run's overrides and the tokenizer's special ids.

    Raises:
      ConfigError: fewer embeddings than tokens, or sequences that are longer than the model takes.
    """
    base = base_config(config)
    vocabulary = info.vocabulary
    if not source:
        ids = {name: getattr(vocabulary, name) for name in ("pad_id", "bos_id", "eos_id")}
        base = base.replace(vocab_size=vocabulary.vocab_size, **ids)
    model = config.model.apply(base)
    if model.vocab_size < vocabulary.vocab_size:
        raise ConfigError(
            f"The model has embeddings for {model.vocab_size} tokens and the tokenizer has {vocabulary.vocab_size}; "
            + ("use the tokenizer of the model." if source else "raise model.vocab_size.")
        )
    if info.seq_len > model.max_length and model.positions in ("learned", "sinusoidal"):
        raise ConfigError(
            f"data.seq_len {info.seq_len} exceeds the model's max_length {model.max_length}; lower it"
            + ("." if source else ", or raise model.max_length.")
        )
    return model


def check_evals(config: RunConfig, objective: Objective, info: DataInfo) -> None:
    """ConfigError for an evaluator that does not suit the objective, or a `keep_best` that no evaluator gives."""
    for name, evaluator in config.evals.items():
        if info.splits and evaluator.split not in info.splits:
            raise ConfigError(
                f"evals.{name}.split is {evaluator.split!r}, which the data lack; they have {', '.join(info.splits)}."
            )
        if evaluator.split in info.unlabelled and evaluator.needs_labels:
            raise ConfigError(
                f"evals.{name} evaluates the split {evaluator.split!r}, which has no labels; remove the evaluator, and "
                "predict that split with launch.predict."
            )
        evaluator.check(objective, info.schema)
    if config.keep_best:
        best_by(config, objective)


def best_by(config: RunConfig, objective: Objective) -> tuple[str, str, Evaluator]:
    """The evaluator's name, the metric and the evaluator that `keep_best` names.

    Raises:
      ConfigError: there is none.
    """
    name, _, metric = config.keep_best.partition("/")
    evaluator = config.evals.get(name)
    known = [f"{each}/{one}" for each, found in config.evals.items() for one in found.metric_names(objective)]
    if evaluator is None or f"{name}/{metric}" not in known:
        given = f"available: {', '.join(known)}" if known else "config.evals is empty"
        raise ConfigError(
            f"keep_best is {config.keep_best!r}, which no evaluator reports; {given}. Name one of "
            "these, or '' to keep the last model."
        )
    return name, metric, evaluator

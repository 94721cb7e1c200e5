# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From a config to the parts of a run: first what needs no device, then what does."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding

import zoo
from zoo import objectives
from zoo.cost import flops
from zoo.data.pipeline import Sharding
from zoo.errors import ConfigError
from zoo.hub.model_config import hub_config
from zoo.models import registry
from zoo.multihost.processes import batch_blocks
from zoo.nn.config import TransformerConfig
from zoo.objectives import Task
from zoo.sharding.memory import describe, footprint
from zoo.sharding.mesh import make_mesh, parse_mesh
from zoo.sharding.rules import batch_sharding, partitioned, preset, replicated, shardings, ways
from zoo.train.compiler import Options, compiler_options, parse_options
from zoo.train.config import RunConfig
from zoo.train.optim import make_optimizer
from zoo.train.state import TrainState
from zoo.train.step import Batch, EvalStep, TrainStep, make_eval_step, make_train_step


class Plan(NamedTuple):
    """What is decided before any device is touched."""

    config: RunConfig
    task: Task
    model: TransformerConfig

    @classmethod
    def create(cls, config: RunConfig, tokenizer) -> "Plan":
        """Checks what a config file cannot know alone: names, and sizes against the tokenizer's.

        Raises:
          ConfigError: for anything that would fail later.
        """
        task = make_task(config, tokenizer)
        model = model_config(config, tokenizer, task.head)
        hub_config(model, task.head)  # refused now if the torch library's format could not hold the trained model
        return cls(config, task, model)

    def forward_flops(self, rows: int) -> int:
        """Operations of a forward pass over so many rows, by `zoo.cost.flops`."""
        predictions = getattr(self.task, "max_predictions", None)
        length = self.config.data.seq_len
        return flops.forward(self.model, head=self.task.head, batch=rows, length=length, predictions=predictions)


def check_names(config: RunConfig) -> None:
    """ConfigError for a mesh, preset, task or model that does not exist, or options that are none."""
    parse_mesh(config.mesh)
    parse_options(config.xla_options)
    preset(config.rules)
    objectives.find(config.task["name"])
    registry.lookup(config.model["name"])


class Machine(NamedTuple):
    """The model and its optimizer, laid out on the devices.

    Attributes:
      rules: preset of `zoo.sharding.rules`. abstract: the training state as shapes, dtypes and shardings.
      options: of the compiler, for steps on these devices.
    """

    mesh: Mesh
    rules: str
    graphdef: nnx.GraphDef
    optimizer: optax.GradientTransformation
    abstract: TrainState
    shardings: TrainState
    options: Options

    @classmethod
    def create(cls, plan: Plan, devices: Sequence[Any] | None = None) -> "Machine":
        """Lays everything out on the devices, None being all that there are; allocates nothing yet."""
        config = plan.config
        mesh = make_mesh(config.mesh, None if devices is None else list(devices))
        options = compiler_options(mesh, config.xla_options)
        _check_batch(config, mesh)
        family = registry.family_of(plan.model)
        graphdef, params = nnx.split(family.abstract(plan.model, head=plan.task.head))
        places = nnx.to_pure_dict(shardings(params, mesh, config.rules))
        optimizer = make_optimizer(config.optimizer, config.num_steps)
        shapes = jax.eval_shape(lambda p: TrainState.create(p, optimizer, config.seed), nnx.to_pure_dict(params))
        where = _state_shardings(shapes, places, optimizer, replicated(mesh))
        abstract = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, where)
        return cls(mesh, config.rules, graphdef, optimizer, abstract, where, options)

    def initial_state(self, plan: Plan) -> TrainState:
        """Random parameters, each made where it belongs."""

        def create() -> TrainState:
            model = zoo.create(plan.model, head=plan.task.head, seed=plan.config.seed)
            return TrainState.create(nnx.to_pure_dict(nnx.state(model)), self.optimizer, plan.config.seed)

        return jax.jit(create, out_shardings=self.shardings)()

    def train_step(self, plan: Plan) -> TrainStep:
        """One optimizer step of the plan's task."""
        return make_train_step(
            self.graphdef,
            plan.task,
            self.optimizer,
            plan.config.grad_accum_steps,
            self.shardings,
            self.context,
            self.options,
        )

    def eval_step(self, plan: Plan, graphdef: nnx.GraphDef | None = None) -> EvalStep:
        """The plan's task without dropout or gradients, of this model, or of another that lies on the same mesh."""
        return make_eval_step(graphdef or self.graphdef, plan.task, self.context, self.options)

    def describe(self) -> str:
        """What each device holds of it."""
        return describe(footprint(self.abstract.params, self.abstract.opt_state), self.mesh, self.rules)

    def context(self) -> contextlib.AbstractContextManager[None]:
        """That in which steps are traced."""
        return partitioned(self.mesh, self.rules)

    @property
    def share(self) -> Sharding:
        """The rows of a batch that this process's devices hold; processes that hold the same rows each load them."""
        return Sharding(**batch_blocks(batch_sharding(self.mesh), jax.process_index())._asdict())

    def put(self, batch: Mapping[str, np.ndarray]) -> Batch:
        """This process's share of the rows as a part of the global batch on the devices."""
        sharding, share = batch_sharding(self.mesh), self.share
        return {name: _put(rows, sharding, share) for name, rows in batch.items()}


def make_task(config: RunConfig, tokenizer) -> Task:
    """The objective that `config.task` names, with its options."""
    options = dict(config.task)
    name = options.pop("name")
    kind = objectives.find(name)
    try:
        return kind.create(tokenizer, config.data.seq_len, **options)
    except TypeError as error:
        fields = ", ".join(field.name for field in dataclasses.fields(kind))
        raise ConfigError(f"task {name!r} does not take these options ({error}); its fields are {fields}.") from error


def model_config(config: RunConfig, tokenizer, head: str) -> TransformerConfig:
    """The registry's config with the overrides of `config.model` and the tokenizer's vocabulary and special ids."""
    overrides: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config.model.items()}
    base = registry.config(overrides.pop("name"))
    if "attention" in overrides:
        overrides["attention"] = dataclasses.replace(base.attention, **overrides["attention"])
    ids = {name: getattr(tokenizer, name) for name in ("pad_id", "bos_id", "eos_id")}
    model = base.replace(**{"vocab_size": tokenizer.vocab_size, **ids, **overrides})
    if model.vocab_size < tokenizer.vocab_size:
        raise ConfigError(
            f"model.vocab_size {model.vocab_size} is below the tokenizer's {tokenizer.vocab_size}; raise it."
        )
    if config.data.seq_len > model.max_length:
        raise ConfigError(
            f"data.seq_len {config.data.seq_len} exceeds the model's max_length {model.max_length}; lower it, or "
            "raise model.max_length."
        )
    family = registry.family_of(model)
    if head not in family.heads:
        raise ConfigError(
            f"task {config.task['name']!r} needs a {head} head, which {model.family} lacks (it has "
            f"{', '.join(family.heads)})."
        )
    return family.suit(model, head)


def _check_batch(config: RunConfig, mesh: Mesh) -> None:
    rows, spread = config.batch_size // config.grad_accum_steps, ways(mesh.shape, config.rules, "batch")
    if rows % spread:
        whole = spread * config.grad_accum_steps
        nearest = [whole * count for count in (config.batch_size // whole, config.batch_size // whole + 1) if count]
        raise ConfigError(
            f"batch_size {config.batch_size} / grad_accum_steps {config.grad_accum_steps} = {rows} rows are not "
            f"divisible by the {spread} devices of mesh {config.mesh!r} over which a batch is spread; change one of "
            f"them. The nearest batch_size that is divisible is {' or '.join(map(str, nearest))}."
        )
    tokens, spread = config.data.seq_len, ways(mesh.shape, config.rules, "length")
    if tokens % spread:
        raise ConfigError(
            f"rows of {tokens} tokens do not divide by the mesh's context:{spread}, over which {config.rules} spreads "
            f"them; set data.seq_len to {tokens // spread * spread or spread}, or change the mesh."
        )


def _put(rows: np.ndarray, sharding: NamedSharding, share: Sharding) -> jax.Array:
    size = len(rows) // len(share.blocks)

    def read(index: Any) -> np.ndarray:
        start = share.blocks.index((index[0].start or 0) // size) * size
        return rows[(slice(start, start + size), *index[1:])]

    return jax.make_array_from_callback((size * share.count, *rows.shape[1:]), sharding, read)


def _state_shardings(
    shapes: TrainState, params: Any, optimizer: optax.GradientTransformation, whole: NamedSharding
) -> TrainState:
    """Moments lie where their parameters lie; counters are whole everywhere."""
    moments = optax.tree.map_params(
        optimizer, lambda _, place: place, shapes.opt_state, params, transform_non_params=lambda _: whole
    )
    places: Any = (whole, whole, params, moments, whole)  # a state of shardings, not of arrays
    return TrainState(*places)

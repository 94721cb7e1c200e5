# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a step updates, on the devices: trainable and frozen parameters, the optimizer, and their shardings."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding

from zoo.data.pipeline import Shard
from zoo.errors import ConfigError
from zoo.evals.evaluator import Function
from zoo.multihost.processes import batch_blocks
from zoo.objectives import Objective
from zoo.optim.chain import describe_rules, make_optimizer
from zoo.optim.parameters import Axes, logical_axes, map_state
from zoo.sharding.memory import describe, memory_per_device
from zoo.sharding.mesh import make_mesh
from zoo.sharding.rules import batch_sharding, param_sharding, partitioned, replicated, shardings, ways
from zoo.train.compiler import Options, compiler_options
from zoo.train.run_spec import RunSpec
from zoo.train.state import TrainState
from zoo.train.step import Batch, EvalStep, TrainStep, make_eval_step, make_train_step

_READY = 2  # batches that wait on the devices


class Learner(NamedTuple):
    """A run's modules and optimizer on a mesh.

    Attributes:
      rules: preset of `zoo.sharding.rules`. axes: of the parameters that train, by the names that lead to them.
      abstract: the training state as shapes, dtypes and shardings. options: the compiler's, for steps on these devices.
    """

    spec: RunSpec
    mesh: Mesh
    rules: str
    graphdef: nnx.GraphDef
    optimizer: optax.GradientTransformation
    axes: Axes
    abstract: TrainState
    shardings: TrainState
    options: Options

    @classmethod
    def create(cls, spec: RunSpec, devices: Sequence[Any] | None = None) -> "Learner":
        """Lays everything out on the devices, None being all that there are; allocates nothing yet.

        Raises:
          ConfigError: a mesh, batch, preset or option that does not fit the devices.
        """
        config = spec.config
        mesh = make_mesh(config.mesh, None if devices is None else list(devices))
        options = compiler_options(mesh, config.xla_options)
        _check_batch(spec, mesh)
        module = nnx.eval_shape(lambda: spec.build(rngs=nnx.Rngs(jax.random.key(0))))
        graphdef, params, frozen = nnx.split(module, spec.objective.trainable, ...)
        where, fixed = (nnx.to_pure_dict(shardings(part, mesh, config.rules)) for part in (params, frozen))
        axes = logical_axes(params)
        params, frozen = nnx.to_pure_dict(params), nnx.to_pure_dict(frozen)
        if not params:
            raise ConfigError(f"{type(spec.objective).__name__} leaves no parameter to train; check its filter.")
        optimizer = make_optimizer(config.optimizer, config.num_steps, frozen, axes)
        shapes = jax.eval_shape(
            lambda p, f, c: TrainState.create(p, f, optimizer, config.seed, c),
            params,
            frozen,
            spec.carry(config.batch_size),
        )
        whole = replicated(mesh)
        moments = map_state(
            lambda names, leaf: param_sharding(names, leaf.shape, mesh, config.rules), shapes.opt_state, params, axes
        )
        rows = jax.tree.map(lambda _: batch_sharding(mesh), shapes.carry)
        fields: Any = (whole, whole, where, fixed, moments, whole, rows)  # a state of shardings, not of arrays
        by_leaf = TrainState(*fields)
        abstract = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, by_leaf)
        return cls(spec, mesh, config.rules, graphdef, optimizer, axes, abstract, by_leaf, options)

    def initial_state(self) -> TrainState:
        """The state before the first step: random parameters, or those of the checkpoint that the run starts from.

        Raises:
          ZooError: a checkpoint that cannot be loaded, or that holds another model.
        """
        seed = self.spec.config.seed
        if not self.spec.source:
            return jax.jit(self._random, out_shardings=self.shardings)(jax.random.key(seed))
        module = self.spec.objective.load(
            self.spec.source, self.spec.model, mesh=self.mesh, rules=self.rules, seed=seed
        )
        params, frozen = self._split(module)
        _check_shapes(self.spec.source, self.abstract, params, frozen)
        return jax.jit(self._first, out_shardings=self.shardings)(params, frozen)

    @property
    def modules(self) -> tuple[Any, Any]:
        """The trainable and the frozen parameters, as shapes with shardings."""
        return self.abstract.params, self.abstract.frozen

    def module(self, state: TrainState) -> nnx.Module:
        """What is trained, with the state's parameters."""
        return nnx.merge(self.graphdef, state.params, state.frozen)

    def train_step(self) -> TrainStep:
        """One optimizer step of the objective."""
        config = self.spec.config
        return make_train_step(
            self.graphdef,
            self.spec.objective,
            self.optimizer,
            config.grad_accum_steps,
            config.batch_size if config.batch_warmup_steps else None,
            self.shardings,
            self.context,
            self.options,
        )

    def eval_step(self, function: Function, graphdef: nnx.GraphDef | None = None) -> EvalStep:
        """A function of the objective, a module and a batch, without dropout or gradients.

        Args:
          graphdef: of another module on the same mesh; None is the run's own.
        """
        return make_eval_step(
            graphdef or self.graphdef,
            self.spec.objective,
            function,
            self.context,
            self.options,
            replicated(self.mesh),
        )

    def loss_step(self, graphdef: nnx.GraphDef | None = None) -> EvalStep:
        """`step(params, frozen, batch, carry)`: the objective's sums and what it carries on, without dropout."""
        return make_eval_step(
            graphdef or self.graphdef,
            self.spec.objective,
            _loss_and_carry,
            self.context,
            self.options,
            (replicated(self.mesh), batch_sharding(self.mesh)),
        )

    def empty_carry(self, rows: int) -> Any:
        """What the objective carries to the first of some batches of so many rows, on the devices."""

        def zeros() -> Any:
            return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), self.spec.carry(rows))

        return jax.jit(zeros, out_shardings=batch_sharding(self.mesh))()

    def describe(self) -> str:
        """What each device holds of it."""
        held = memory_per_device(self.modules, self.abstract.opt_state)
        return describe(held, self.mesh, self.rules)

    def describe_optimizer(self) -> str:
        """Which parameters each rule of the optimizer touches."""
        return describe_rules(self.spec.config.optimizer, self.abstract.params, self.axes, self.abstract.frozen)

    def context(self) -> contextlib.AbstractContextManager[None]:
        """The context in which steps are traced."""
        return partitioned(self.mesh, self.rules)

    @property
    def shard(self) -> Shard:
        """The rows of a batch that this process's devices hold; processes that hold the same rows each load them."""
        return Shard(**batch_blocks(batch_sharding(self.mesh), jax.process_index())._asdict())

    def put(self, batch: Mapping[str, np.ndarray]) -> Batch:
        """This process's rows as a part of the global batch on the devices."""
        sharding, shard = batch_sharding(self.mesh), self.shard
        return {name: _put(rows, sharding, shard) for name, rows in batch.items()}

    def prefetched(self, batches: grain.IterDataset) -> grain.DatasetIterator:
        """The batches on the devices, a few ahead of the step; the iterator's state is that of the last one used."""
        ready = grain.experimental.ThreadPrefetchIterDataset(batches.map(self.put), prefetch_buffer_size=_READY)
        return iter(ready)

    def _random(self, key: jax.Array) -> TrainState:
        return self._first(*self._split(self.spec.build(rngs=nnx.Rngs(key))))

    def _first(self, params: Any, frozen: Any) -> TrainState:
        config = self.spec.config
        carry = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), self.spec.carry(config.batch_size))
        return TrainState.create(params, frozen, self.optimizer, config.seed, carry)

    def _split(self, module: nnx.Module) -> tuple[Any, Any]:
        _, params, frozen = nnx.split(module, self.spec.objective.trainable, ...)
        return nnx.to_pure_dict(params), nnx.to_pure_dict(frozen)


def _loss_and_carry(objective: Objective, module: Any, batch: Batch, carry: Any) -> Any:
    return objective.loss_and_carry(module, batch, carry)


def _check_shapes(source: str, abstract: TrainState, params: Any, frozen: Any) -> None:
    """ConfigError that lists the parameters of a checkpoint which do not fit the run's model."""

    def shapes(*trees: Any) -> dict[str, tuple[int, ...]]:
        leaves = [leaf for tree in trees for leaf in jax.tree.leaves_with_path(tree)]
        return {jax.tree_util.keystr(path, simple=True, separator="."): leaf.shape for path, leaf in leaves}

    there, here = shapes(params, frozen), shapes(abstract.params, abstract.frozen)
    differing = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
    if differing:
        lines = (
            f"\n  {name}: {there.get(name, 'absent')} there, {here.get(name, 'absent')} here" for name in differing
        )
        raise ConfigError(
            f"{source} holds another model than the config's:{''.join(lines)}\nLeave out the fields of config.model "
            "that change its sizes."
        )


def _check_batch(spec: RunSpec, mesh: Mesh) -> None:
    config = spec.config
    rows, spread = config.batch_size // config.grad_accum_steps, ways(mesh.shape, config.rules, "batch")
    if rows % spread:
        whole = spread * config.grad_accum_steps
        nearest = [whole * count for count in (config.batch_size // whole, config.batch_size // whole + 1) if count]
        raise ConfigError(
            f"batch_size {config.batch_size} / grad_accum_steps {config.grad_accum_steps} = {rows} sequences are not "
            f"divisible by the {spread} devices of mesh {config.mesh!r} over which a batch is spread; change one of "
            f"them. The nearest batch_size that is divisible is {' or '.join(map(str, nearest))}."
        )
    spread = ways(mesh.shape, config.rules, "length")
    for field, tokens in spec.objective.sequence_lengths.items():
        if tokens % spread:
            shorter, longer = tokens // spread * spread, -(-tokens // spread) * spread
            fitting = shorter if field == "data.seq_len" and shorter else longer
            raise ConfigError(
                f"Sequences of {tokens} tokens are not divisible by the mesh's context:{spread}, over which "
                f"{config.rules} spreads them; set {field} to {fitting}, or change the mesh."
            )


def _put(rows: np.ndarray, sharding: NamedSharding, shard: Shard) -> jax.Array:
    size = len(rows) // len(shard.blocks)

    def read(index: Any) -> np.ndarray:
        start = shard.blocks.index((index[0].start or 0) // size) * size
        return rows[(slice(start, start + size), *index[1:])]

    return jax.make_array_from_callback((size * shard.count, *rows.shape[1:]), sharding, read)

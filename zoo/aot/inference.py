# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Prefill and decode as functions of shapes: prompts fill half of a row, what is generated the other half."""

import contextlib
import dataclasses
import functools
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array

from zoo import registry
from zoo.generation import Prefilled, advance, prefill
from zoo.nn.transformer import Transformer
from zoo.parallel.rules import batch_sharding, preset, replicated, shardings
from zoo.train.build import Machine, Plan
from zoo.train.step import Context


@dataclasses.dataclass(frozen=True)
class Inference:
    """A model and its inputs as shapes. Attributes: new: tokens to generate. context: in which it is traced."""

    graphdef: nnx.GraphDef
    params: Any
    tokens: jax.ShapeDtypeStruct
    new: int
    context: Context

    @classmethod
    def on(cls, plan: Plan, machine: Machine) -> "Inference":
        """Laid out for inference on the devices, rows spread like a batch's."""
        with machine.context():
            model: Transformer = nnx.eval_shape(lambda: _built(plan).for_inference())
        graphdef, params = nnx.split(model)
        places = shardings(params, machine.mesh, machine.rules)
        params = jax.tree.map(lambda x, at: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=at), params, places)
        return cls(graphdef, params, *_inputs(plan, batch_sharding(machine.mesh)), machine.context)

    @classmethod
    def plain(cls, plan: Plan) -> "Inference":
        """To count operations: the same model as it is written, for one device."""
        attention = dataclasses.replace(plan.model.attention, implementation=None)
        plan = plan._replace(model=plan.model.replace(stack="loop", attention=attention))
        graphdef, params = nnx.split(nnx.eval_shape(lambda: _built(plan)))
        return cls(graphdef, params, *_inputs(plan, None), contextlib.nullcontext)

    def prefill(self, params, tokens, segments) -> list[Array]:
        """Reads the prompts; gives the leaves of a `Prefilled`."""
        return jax.tree.leaves(self._read(params, tokens, segments))

    def decode(self, params, token, begun: list[Array]) -> tuple[Array, list[Array]]:
        """Reads one token more of each row; gives logits and the leaves of the cache."""
        _, tree = self._begun
        found = jax.tree.unflatten(tree, begun)
        with self.context():
            out = advance(nnx.merge(self.graphdef, params), token, found.position, found.cache, found.source)
        return cast(Array, out.logits), jax.tree.leaves(out.cache)

    @property
    def prefill_arguments(self) -> tuple:
        """As shapes."""
        return self.params, self.tokens, self.tokens

    @property
    def decode_arguments(self) -> tuple:
        """As shapes; what a prefill gives has no sharding yet."""
        rows = self.tokens.shape[0]
        token = jax.ShapeDtypeStruct((rows,), jnp.int32, sharding=self.tokens.sharding)
        return self.params, token, self._begun[0]

    @functools.cached_property
    def _begun(self) -> tuple[list[jax.ShapeDtypeStruct], Any]:
        """What a prefill gives: its leaves as shapes, and their tree."""
        trees = []

        def read(*arguments):
            leaves, tree = jax.tree.flatten(self._read(*arguments))
            trees.append(tree)
            return leaves

        return jax.eval_shape(read, *self.prefill_arguments), trees[0]

    def _read(self, params, tokens, segments) -> Prefilled:
        with self.context():
            return prefill(nnx.merge(self.graphdef, params), tokens, segments, self.new)


def placed(begun: list[jax.ShapeDtypeStruct], plan: Plan, machine: Machine) -> list[jax.ShapeDtypeStruct]:
    """With shardings: rows like a batch's, heads of a cache like those of the model."""
    rows = plan.config.batch_size // plan.config.accumulation
    spread, heads = batch_sharding(machine.mesh), preset(machine.rules)["heads"]

    def place(leaf):
        sharding = spread if leaf.shape[:1] == (rows,) else replicated(machine.mesh)
        if leaf.ndim == 4 and sharding is spread:
            sharding = NamedSharding(machine.mesh, PartitionSpec(*spread.spec, heads or None))
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return [place(leaf) for leaf in begun]


def _built(plan: Plan) -> Transformer:
    return registry.family_of(plan.model).build(plan.model, head=plan.task.head, rngs=nnx.Rngs(0))


def _inputs(plan: Plan, sharding: NamedSharding | None) -> tuple[jax.ShapeDtypeStruct, int]:
    rows, length = plan.config.batch_size // plan.config.accumulation, plan.config.data.row_length
    return jax.ShapeDtypeStruct((rows, length // 2), jnp.int32, sharding=sharding), length - length // 2

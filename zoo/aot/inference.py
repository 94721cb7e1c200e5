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
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from zoo.cost import flops
from zoo.generation import Prefilled, advance, prefill
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.nn.transformer import Transformer
from zoo.sharding.rules import batch_sharding, partitioned, preset, replicated, shardings
from zoo.train.learner import Learner
from zoo.train.run_spec import RunSpec


@dataclasses.dataclass(frozen=True)
class Inference:
    """A model and its inputs as shapes.

    Attributes:
      new: tokens to generate. mesh, rules: where all of it lies; None is one device that is not named.
    """

    graphdef: nnx.GraphDef
    params: Any
    tokens: jax.ShapeDtypeStruct
    new: int
    mesh: Mesh | None = None
    rules: str = "dp"

    @classmethod
    def on(cls, spec: RunSpec, learner: Learner) -> "Inference":
        """A spec's, laid out for inference on the devices."""
        return cls.laid_out(spec.model, spec.objective.head, *_size(spec), learner.mesh, learner.rules)

    @classmethod
    def laid_out(
        cls, config: TransformerConfig, head: str, rows: int, length: int, mesh: Mesh, rules: str
    ) -> "Inference":
        """A model and `rows` of `length` tokens, spread like a batch."""
        with partitioned(mesh, rules):
            model: Transformer = nnx.eval_shape(lambda: _built(config, head).for_inference())
        graphdef, params = nnx.split(model)
        places = shardings(params, mesh, rules)
        params = jax.tree.map(lambda x, at: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=at), params, places)
        return cls(graphdef, params, *_inputs(rows, length, batch_sharding(mesh)), mesh, rules)

    @classmethod
    def plain(cls, spec: RunSpec) -> "Inference":
        """To count operations: the same model as it is written, for one device."""
        config = flops.plain(spec.model).replace(stack="loop")
        graphdef, params = nnx.split(nnx.eval_shape(lambda: _built(config, spec.objective.head)))
        return cls(graphdef, params, *_inputs(*_size(spec), None))

    def prefill(self, params, tokens, segments) -> list[Array]:
        """Reads the prompts; gives the leaves of a `Prefilled`."""
        return jax.tree.leaves(self._read(params, tokens, segments))

    def decode(self, params, token, begun: list[Array]) -> tuple[Array, list[Array]]:
        """Reads one token more of each row; gives logits and the leaves of the cache."""
        _, tree = self._begun
        found = jax.tree.unflatten(tree, begun)
        with self._partitioned():
            out = advance(nnx.merge(self.graphdef, params), token, found.position, found.cache, found.source)
        return cast(Array, out.logits), jax.tree.leaves(out.cache)

    @property
    def prefill_arguments(self) -> tuple:
        """As shapes."""
        return self.params, self.tokens, self.tokens

    @property
    def decode_arguments(self) -> tuple:
        """As shapes; what a prefill gives lies where its rows and heads do."""
        rows = self.tokens.shape[0]
        token = jax.ShapeDtypeStruct((rows,), jnp.int32, sharding=self.tokens.sharding)
        begun, _ = self._begun
        if self.mesh is not None:
            begun = [_placed(leaf, rows, self.mesh, self.rules) for leaf in begun]
        return self.params, token, begun

    @functools.cached_property
    def _begun(self) -> tuple[list[jax.ShapeDtypeStruct], Any]:
        """What a prefill gives: its leaves as shapes, and their tree."""
        trees = []

        def read(*arguments):
            leaves, tree = jax.tree.flatten(self._read(*arguments))
            trees.append(tree)
            return leaves

        return jax.eval_shape(read, *self.prefill_arguments), trees[0]

    def _partitioned(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self.mesh is None else partitioned(self.mesh, self.rules)

    def _read(self, params, tokens, segments) -> Prefilled:
        with self._partitioned():
            return prefill(nnx.merge(self.graphdef, params), tokens, segments, self.new)


def _placed(leaf: jax.ShapeDtypeStruct, rows: int, mesh: Mesh, rules: str) -> jax.ShapeDtypeStruct:
    """With a sharding: rows like a batch's, heads of a cache like those of the model."""
    spread, heads = batch_sharding(mesh), preset(rules)["heads"]
    sharding = spread if leaf.shape[:1] == (rows,) else replicated(mesh)
    if leaf.ndim == 4 and sharding is spread:
        sharding = NamedSharding(mesh, PartitionSpec(*spread.spec, heads or None))
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _built(config: TransformerConfig, head: str) -> Transformer:
    return registry.family_of(config).build(config, head=head, rngs=nnx.Rngs(0))


def _size(spec: RunSpec) -> tuple[int, int]:
    """Rows at a time, and tokens of a row."""
    return spec.config.batch_size // spec.config.grad_accum_steps, spec.config.data.seq_len


def _inputs(rows: int, length: int, sharding: NamedSharding | None) -> tuple[jax.ShapeDtypeStruct, int]:
    return jax.ShapeDtypeStruct((rows, length // 2), jnp.int32, sharding=sharding), length - length // 2

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Prefill and decode steps from shapes: prompts are the first half of a sequence, generated tokens the second."""

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
      new: tokens to generate. mesh, rules: how everything is sharded; None is one device that is not named.
    """

    graphdef: nnx.GraphDef
    params: Any
    tokens: jax.ShapeDtypeStruct
    new: int
    mesh: Mesh | None = None
    rules: str = "dp"

    @classmethod
    def on(cls, spec: RunSpec, learner: Learner) -> "Inference":
        """A run's model, sharded over the learner's devices."""
        return cls.sharded(spec.model, spec.objective.head, *_size(spec), learner.mesh, learner.rules)

    @classmethod
    def sharded(
        cls, config: TransformerConfig, head: str, batch: int, length: int, mesh: Mesh, rules: str
    ) -> "Inference":
        """A model and `batch` sequences of `length` tokens, sharded like a batch."""
        with partitioned(mesh, rules):
            model: Transformer = nnx.eval_shape(lambda: _built(config, head).for_inference())
        graphdef, params = nnx.split(model)
        params = jax.tree.map(
            lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
            params,
            shardings(params, mesh, rules),
        )
        return cls(graphdef, params, *_inputs(batch, length, batch_sharding(mesh)), mesh, rules)

    @classmethod
    def plain(cls, spec: RunSpec) -> "Inference":
        """To count operations: the same model without kernels or scans, for one device."""
        config = flops.plain(spec.model).replace(stack="loop")
        graphdef, params = nnx.split(nnx.eval_shape(lambda: _built(config, spec.objective.head)))
        return cls(graphdef, params, *_inputs(*_size(spec), None))

    def prefill(self, params, tokens, segments) -> list[Array]:
        """Reads the prompts; returns the leaves of a `Prefilled`."""
        return jax.tree.leaves(self._read(params, tokens, segments))

    def decode(self, params, token, prefilled: list[Array]) -> tuple[Array, list[Array]]:
        """Reads one more token of each sequence; returns logits and the leaves of the cache."""
        _, tree = self._prefilled
        found = jax.tree.unflatten(tree, prefilled)
        with self._partitioned():
            out = advance(nnx.merge(self.graphdef, params), token, found.position, found.cache, found.source)
        return cast(Array, out.logits), jax.tree.leaves(out.cache)

    @property
    def prefill_arguments(self) -> tuple:
        """As shapes."""
        return self.params, self.tokens, self.tokens

    @property
    def decode_arguments(self) -> tuple:
        """As shapes; the result of the prefill is sharded as its sequences and heads are."""
        batch = self.tokens.shape[0]
        token = jax.ShapeDtypeStruct((batch,), jnp.int32, sharding=self.tokens.sharding)
        prefilled, _ = self._prefilled
        if self.mesh is not None:
            prefilled = [_sharded(leaf, batch, self.mesh, self.rules) for leaf in prefilled]
        return self.params, token, prefilled

    @functools.cached_property
    def _prefilled(self) -> tuple[list[jax.ShapeDtypeStruct], Any]:
        """The result of a prefill: its leaves as shapes, and their tree."""
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


def _sharded(leaf: jax.ShapeDtypeStruct, batch: int, mesh: Mesh, rules: str) -> jax.ShapeDtypeStruct:
    """The leaf with a sharding: sequences like those of a batch, heads of a cache like those of the model."""
    by_batch, heads = batch_sharding(mesh), preset(rules)["heads"]
    sharding = by_batch if leaf.shape[:1] == (batch,) else replicated(mesh)
    if leaf.ndim == 4 and sharding is by_batch:
        sharding = NamedSharding(mesh, PartitionSpec(*by_batch.spec, heads or None))
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _built(config: TransformerConfig, head: str) -> Transformer:
    return registry.family_of(config).build(config, head=head, rngs=nnx.Rngs(0))


def _size(spec: RunSpec) -> tuple[int, int]:
    """Sequences of a micro-batch, and tokens of a sequence."""
    return spec.config.batch_size // spec.config.grad_accum_steps, spec.config.data.seq_len


def _inputs(batch: int, length: int, sharding: NamedSharding | None) -> tuple[jax.ShapeDtypeStruct, int]:
    return jax.ShapeDtypeStruct((batch, length // 2), jnp.int32, sharding=sharding), length - length // 2

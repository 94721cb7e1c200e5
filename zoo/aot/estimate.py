# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Estimates of a train step's memory and time from sizes alone, in microseconds, to choose which layouts to compile.

Memory is the bytes of one device at the fuller of two moments:

* always: parameters and the optimizer's state, of AdamW two moments, in float32, as they are sharded and padded to a
  TPU's tiles; the layers' parameters once more in the dtype of the computation, since XLA casts them once for all
  layers; and the activations that the remat policy saves for every layer (`SizeModel.saved`);
* always, where a device's shard of the width does not fill a TPU's lanes: the vocabulary's table and its gradient in
  float32, for which libtpu replaces gathers and scatters by all-reduces of the whole;
* while the loss is differentiated: that table and its gradient, in float32 where positions are processed in parts;
* while the layers are: gradients in float32, and their sum where micro-batches are accumulated; the parameters of the
  layers that are gathered at a time; so many vectors of the model's width per token, less what stays in VMEM.

Time is the products at a fraction of the peak, plus what is read and written between them, plus collectives, none of
which is assumed to overlap. The few constants are fitted to the compiled programs in benchmarks/records/plan.md.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cost import flops
from zoo.cost.chips import Chip
from zoo.kernels.softmax_xent import pallas_tpu
from zoo.nn.config import TransformerConfig
from zoo.optim.chain import make_optimizer
from zoo.optim.parameters import logical_axes, map_state
from zoo.sharding.rules import part, preset, ways
from zoo.train.run_spec import RunSpec

# Vectors of the width that a layer holds for each token while its backward pass runs, by remat policy.
WORKING = {"none": 17, "cheap": 17, "mlp": 24, "full": 24}
_LANES = 128
FAST = 1.75  # times VMEM: how much of the working set is not in the main memory
PASSED = 60  # vectors of the width that a layer's operations read or write for each token, both passes together
GATHERED = 3  # layers whose gathered parameters are held at a time: this one, the next, and a gradient
MATRIX = 0.8  # fraction of the peak that products reach, those with short sides included
UPDATE_BYTES = 24  # read and written for each parameter by an update; the optimizer's state is both as well


class Layout(NamedTuple):
    """How a train step is laid out on devices.

    Attributes:
      sequences: of one device in a micro-batch. remat: the policy.
    """

    rules: str
    mesh: Mapping[str, int]
    sequences: int
    grad_accum_steps: int
    remat: str

    def ways(self, axis: str) -> int:
        """How many devices a logical axis is sharded over."""
        return ways(self.mesh, self.rules, axis)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """The estimate of a step on one device.

    Attributes:
      memory: peak, in bytes. collective_seconds: the part of `seconds` that collectives take.
    """

    memory: int
    seconds: float
    collective_seconds: float


class Leaf(NamedTuple):
    """A parameter's logical axes and shape."""

    axes: tuple[str, ...]
    shape: tuple[int, ...]

    def part(self, rules: str, mesh: Mapping[str, int], *, gathered: bool = False) -> tuple[int, ...]:
        """The shape of one device's shard, or of what it holds while the layer runs (`gathered`).

        Raises:
          ConfigError: the shape is not divisible by the mesh.
        """
        axes = tuple("width" if gathered and axis == "embed" else axis for axis in self.axes)
        return part(axes, self.shape, mesh, rules)


def padded_size(shape: tuple[int, ...]) -> int:
    """Elements once the best two axes are padded to the 8 and 128 of a tile; a vector is not padded."""
    whole = math.prod(shape)
    pairs = itertools.permutations(shape, 2)
    return min((whole * -(-a // 8) * 8 // a * -(-b // 128) * 128 // b for a, b in pairs), default=whole)


@dataclasses.dataclass(frozen=True)
class SizeModel:
    """The sizes of a model and its objective that estimates are made from.

    Attributes:
      leaves: the parameters. moments: the optimizer's state. forward: operations of a forward pass of one sequence.
      length: tokens of a sequence.
      predictions: positions of a sequence at which a token is predicted; None is all.
    """

    config: TransformerConfig
    leaves: tuple[Leaf, ...]
    moments: tuple[Leaf, ...]
    forward: int
    length: int
    predictions: int | None

    @classmethod
    def of(cls, spec: RunSpec) -> "SizeModel":
        """The sizes of a run."""
        params = nnx.state(nnx.eval_shape(lambda: spec.build(rngs=nnx.Rngs(jax.random.key(0)))))
        variables = jax.tree.leaves(params, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
        leaves = tuple(Leaf(leaf.get_metadata()["axes"], leaf.shape) for leaf in variables)
        axes, pure = logical_axes(params), nnx.to_pure_dict(params)
        state = jax.eval_shape(make_optimizer(spec.config.optimizer, spec.config.num_steps, axes=axes).init, pure)
        moments: list[Leaf] = []
        map_state(lambda names, leaf: moments.append(Leaf(names, leaf.shape)), state, pure, axes)
        length, predictions = spec.config.data.seq_len, spec.objective.predictions
        return cls(spec.model, leaves, tuple(moments), spec.forward_flops(1), length, predictions)

    def estimate(self, layout: Layout, chip: Chip) -> Estimate:
        """The estimate of a train step with this layout on such chips."""
        collectives = sum(_seconds(one, chip) for one in self._collectives(layout))
        return Estimate(
            memory=sum(self.memory(layout, chip).values()),
            seconds=self._own_seconds(layout, chip) + collectives,
            collective_seconds=collectives,
        )

    def memory(self, layout: Layout, chip: Chip) -> dict[str, int]:
        """Bytes of one device, by what they hold."""
        short, tokens = jnp.dtype(self.config.execution.dtype).itemsize, self._tokens(layout)
        own, layers = self._held(layout), self._held(layout, only="layers")
        whole = self._held(layout, only="layers", gathered=True)
        working = WORKING[layout.remat] * tokens * short * self.config.width - FAST * chip.vmem_bytes
        moments = {
            "loss": self._loss(layout, chip),
            "gradients": 4 * own * (2 if layout.grad_accum_steps > 1 else 1)
            + (short * layers if layout.grad_accum_steps > 1 else 0),
            "gathered": GATHERED * short * whole // self.config.layers_stored if whole > layers else 0,
            "working": max(int(working), 0),
        }
        loss = moments.pop("loss")
        return {
            "state": 4 * (own + self._moments(layout)),
            "table": 0 if self.fills_lanes(layout) else 8 * self._table(layout),
            "cast": short * layers if short < 4 else 0,
            "saved": self.config.num_layers * tokens * short * self.saved(layout),
            **(moments if sum(moments.values()) > loss else {"loss": loss}),
        }

    def _held(self, layout: Layout, *, only: str | None = None, gathered: bool = False) -> int:
        """Padded size of one device's parameters: of all, of those with an axis, or as they are gathered for use."""
        leaves = [leaf for leaf in self.leaves if only is None or only in leaf.axes]
        return sum(padded_size(leaf.part(layout.rules, layout.mesh, gathered=gathered)) for leaf in leaves)

    def _moments(self, layout: Layout) -> int:
        """Padded size of one device's part of the optimizer's state."""
        return sum(padded_size(leaf.part(layout.rules, layout.mesh)) for leaf in self.moments)

    def _loss(self, layout: Layout, chip: Chip) -> int:
        """Bytes of the vocabulary's table and its gradient while the loss kernel runs backwards."""
        table = self._table(layout)
        short, width = jnp.dtype(self.config.execution.dtype).itemsize, self.config.embedding_width
        blocks = pallas_tpu.choose(width, short)[1]
        positions = self._tokens(layout) if self.predictions is None else layout.sequences * self.predictions
        cores = pallas_tpu.cores(chip.kinds[0])
        parts = max(-(-positions // blocks.positions // pallas_tpu.held(blocks, width, short)), cores)
        return table * (short + 4 * cores + (4 if parts > cores else 0) if parts > 1 else 2 * short)

    def _table(self, layout: Layout) -> int:
        """Elements of one device's part of the vocabulary's table, gathered for use."""
        table = max((leaf for leaf in self.leaves if "vocab" in leaf.axes), key=lambda leaf: math.prod(leaf.shape))
        return math.prod(table.part(layout.rules, layout.mesh, gathered=True))

    def fills_lanes(self, layout: Layout) -> bool:
        """Whether a device's shard of the width fills a TPU's lanes; if not, libtpu replaces gathers by all-reduces."""
        split = layout.ways("embed")
        return split == 1 or self.config.width // split % _LANES == 0

    def saved(self, layout: Layout) -> int:
        """Numbers that a layer saves for each token for its backward pass (`zoo.nn.stack`)."""
        config, split = self.config, layout.ways("heads")
        heads = config.num_heads * config.head_width // split
        inner = config.mlp_width * (2 if config.mlp == "gated" else 1) // layout.ways("mlp")
        fed = config.width if config.norm_order == "post" else 0
        attention = 4 * heads + 2 * config.num_heads // split  # query, key, value, attended; a normalizer in float32
        if layout.remat == "full":
            return config.width
        if layout.remat == "mlp":
            return config.width + attention + fed
        if layout.remat == "cheap":
            return config.width + attention + inner + fed
        return 14 * config.width + attention + 6 * inner

    def recomputed(self, remat: str) -> float:
        """The fraction of a layer's forward operations that its backward pass recomputes."""
        config = self.config
        heads, inner = config.num_heads * config.head_width, config.mlp_width * (3 if config.mlp == "gated" else 2)
        layer = 4 * config.width * heads + 2 * self.length * heads + config.width * inner
        out, up = config.width * heads / layer, config.width * inner * (1 - config.mlp_width / inner) / layer
        return {"none": 0.0, "cheap": out, "mlp": out + up, "full": 1.0}[remat]

    def _tokens(self, layout: Layout) -> int:
        """Of one device, in a micro-batch."""
        return layout.sequences * self.length // layout.ways("length")

    def _own_seconds(self, layout: Layout, chip: Chip) -> float:
        """Without collectives."""
        peak, memory = chip.flops_per_second / chip.devices, chip.hbm_bytes_per_second / chip.devices
        split = layout.ways("length") * layout.ways("heads")
        passes = flops.TRAINING + self.recomputed(layout.remat)
        products = self.forward * layout.sequences * passes / split / peak / MATRIX
        vector = self.config.width * jnp.dtype(self.config.execution.dtype).itemsize
        moved = self.config.num_layers * passes / flops.TRAINING * self._tokens(layout) * PASSED * vector
        own = self._held(layout)
        return (
            layout.grad_accum_steps * (products + moved / memory)
            + (UPDATE_BYTES * own + 8 * self._moments(layout)) / memory
        )

    def _collectives(self, layout: Layout) -> Iterator["_Traffic"]:
        short, times = jnp.dtype(self.config.execution.dtype).itemsize, layout.grad_accum_steps
        own, whole = self._held(layout), self._held(layout, gathered=True)
        table, split = preset(layout.rules), layout.ways("embed")
        if split > 1:  # gathered forwards and backwards, and gradients scattered
            yield _Traffic(3 * times * short * whole, split)
        others = math.prod(layout.mesh.get(axis, 1) for axis in table["batch"] if axis not in table["embed"])
        if others > 1:
            yield _Traffic(2 * times * short * own, others)
        vectors = times * self.config.num_layers * self._tokens(layout) * self.config.width * short
        if layout.ways("heads") > 1:  # two all-reduces per layer each way, and recomputed ones
            yield _Traffic(2 * vectors * (4 + (2 if layout.remat == "full" else 1)), layout.ways("heads"))
        context = layout.ways("length")
        if context > 1:  # keys and values gathered twice, their gradients scattered
            yield _Traffic(3 * 2 * vectors * context, context)


class _Traffic(NamedTuple):
    """Collectives among `ways` devices, of which each gets out, or puts in, `size` bytes."""

    size: int
    ways: int


def _seconds(traffic: _Traffic, chip: Chip) -> float:
    """Over a ring of links, both ways."""
    return traffic.size * (traffic.ways - 1) / traffic.ways / (2 * chip.link_bytes_per_second)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The two `pallas_call`s: which blocks a grid step reads, and the order of the steps."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Array

from zoo.kernels.attention.pallas_tpu.backward import Sums, differentiate
from zoo.kernels.attention.pallas_tpu.forward import attend
from zoo.kernels.attention.pallas_tpu.spec import Spec
from zoo.kernels.attention.pallas_tpu.tile import Tiles

_VMEM = 48 * 2**20  # bytes, of the 63.94 MiB that v5p has: a kernel may really take somewhat more
INTERPRET = False  # whether kernels run in interpret mode, on any machine; for tests
_SCALARS = ("offset", "first_block", "last_block")
Arrays = dict[str, Array]


def forward(spec: Spec, inputs: Arrays) -> Arrays:
    """`out` [B, N, H, T] and `normalizer` [B, N, 1, T] in units of log 2.

    Args:
      inputs: `query` [B, N, H, T]; `key`, `value` [B, K, H, S]; and, if the call has them, `query_segments`
        [B, 1, T], `key_segments` [B, 1, S], `query_order` and `key_order` likewise, `bias`
        [B or 1, N or 1, S, T], `allowed` int8 [B or 1, S, T], `seeds`
        ([B, N, 1, T] for the hash, [B, N] for the hardware), `offset` [1], `first_block`, `last_block` [B, blocks];
        of relative terms `distance_query` [B, N, H, T], `distances` [1, N, H, T + S], and `same`, `other` [B, N, 1, T]
        with `differs` int8 [B, S, T].
    """
    query = inputs["query"]
    outputs = {
        "out": jax.ShapeDtypeStruct(query.shape, query.dtype),
        "normalizer": jax.ShapeDtypeStruct((*query.shape[:2], 1, query.shape[3]), jnp.float32),
    }
    grid = _Grid(spec, inputs)

    def kernel(inputs, outputs):
        attend(spec, grid.tiles(inputs), outputs)

    return grid.run(kernel, "attention_forward", inputs, outputs, {}, sequential=())


def backward(spec: Spec, inputs: Arrays) -> Arrays:
    """`dquery`, `dkey`, `dvalue`; in float32, `dbias` if the spec asks for it, and those of the relative terms.

    `inputs` also has the forward pass's outputs, and `dout`.
    """
    outputs = {
        f"d{name}": jax.ShapeDtypeStruct(inputs[name].shape, inputs[name].dtype) for name in ("query", "key", "value")
    }
    if "distances" in inputs:
        inputs = inputs | {"distances_backwards": inputs["distances"][..., ::-1]}
    summed = ["bias"] if spec.bias_gradient else []
    summed += [name for name in ("distance_query", "distances_backwards", "same", "other") if name in inputs]
    outputs |= {f"d{name}": jax.ShapeDtypeStruct(inputs[name].shape, jnp.float32) for name in summed}
    grid = _Grid(spec, inputs)
    width = inputs["key"].shape[2]
    whole = spec.queries == spec.blocks.step and spec.offset is not None
    names = () if whole else ("dkey", "dvalue")
    buffers = {name: pltpu.VMEM((spec.blocks.heads, width, spec.keys), jnp.float32) for name in names}

    def kernel(inputs, outputs, buffers=None):
        step, steps = grid.index("step"), spec.queries // spec.blocks.step
        if steps == 1:
            first = last = True
        else:
            first, last = step == 0, step == steps - 1
        fresh = True
        for axis in grid.shared_by_bias:
            fresh = fresh & (grid.index(axis) == 0)
        differentiate(
            spec, grid.tiles(inputs), outputs, Sums(spec, outputs, buffers or {}), first=first, last=last, fresh=fresh
        )

    sequential = ("step", *(grid.shared_by_bias if summed else ()))
    found = grid.run(kernel, "attention_backward", inputs, outputs, buffers, sequential=sequential)
    if "distances" in inputs:
        found["ddistances"] = found.pop("ddistances_backwards")[..., ::-1]
    return found


def _cost(spec: Spec, inputs: Arrays, outputs: dict[str, jax.ShapeDtypeStruct]) -> pl.CostEstimate:
    """The cost that the scheduler assumes. Tiles that causality or a window hides are neither run nor counted.

    A tile is two products forwards and five backwards; those with encoded distances, one and three, read a strip as
    long as both sides of the tile together.
    """
    batch, heads, width, _ = inputs["query"].shape
    is_backward = "dquery" in outputs
    scores = batch * heads * spec.scores()
    products: float = 5 if is_backward else 2
    if "distances" in inputs:
        products += (3 if is_backward else 1) * (1 + spec.blocks.queries / spec.blocks.keys)
    moved = sum(array.size * array.dtype.itemsize for array in (*inputs.values(), *outputs.values()))
    return pl.CostEstimate(flops=int(products * 2 * width * scores), transcendentals=scores, bytes_accessed=moved)


class _Grid:
    """Grid steps over batch, heads and queries; axes that share a bias come late, so that it is fetched once."""

    def __init__(self, spec: Spec, inputs: Arrays):
        self.spec = spec
        batch, heads = inputs["key"].shape[:2]
        self.sizes = {
            "batch": batch,
            "heads": heads // spec.blocks.heads,
            "step": spec.queries // spec.blocks.step,
        }
        self.hardware = spec.generator == "hardware"
        shape = inputs["bias" if "bias" in inputs else "distances" if "distances" in inputs else "query"].shape
        has_bias = "bias" in inputs or "distances" in inputs
        self.shared_by_bias = tuple(
            axis for axis, size in (("batch", shape[0]), ("heads", shape[1])) if has_bias and size == 1
        )
        alone = [axis for axis in ("batch", "heads") if axis not in self.shared_by_bias]
        self.axes = (*alone, *self.shared_by_bias, "step")

    def index(self, axis: str) -> Any:
        """The index of the step on an axis; static where the axis has one step."""
        return 0 if self.sizes[axis] == 1 else pl.program_id(self.axes.index(axis))

    def tiles(self, inputs: dict[str, Any]) -> Tiles:
        return Tiles(self.spec, inputs, batch=self.index("batch"), heads=self.index("heads"), step=self.index("step"))

    def run(self, kernel: Callable, name: str, inputs: Arrays, outputs: dict, scratch: dict, *, sequential) -> Arrays:
        semantics: list[Literal["arbitrary", "parallel"]] = [
            "arbitrary" if axis in sequential else "parallel" for axis in self.axes
        ]
        called = pl.pallas_call(
            kernel,
            out_shape=outputs,
            grid=tuple(self.sizes[axis] for axis in self.axes),
            in_specs=({key: self.block(key, array.shape) for key, array in inputs.items()},),
            out_specs={key: self.block(key, array.shape) for key, array in outputs.items()},
            scratch_shapes=(scratch,) if scratch else (),
            compiler_params=pltpu.CompilerParams(dimension_semantics=tuple(semantics), vmem_limit_bytes=_VMEM),
            cost_estimate=_cost(self.spec, inputs, outputs),
            interpret=INTERPRET,
            name=name,
        )
        return called(inputs)

    def block(self, name: str, shape: tuple[int, ...]) -> pl.BlockSpec:
        """The part of an array that a step reads."""
        if name in _SCALARS or (name == "seeds" and self.hardware):
            return pl.BlockSpec(memory_space=pltpu.SMEM)
        blocks, group = self.spec.blocks, self.spec.group
        of_keys, row = name in ("key", "value", "dkey", "dvalue", "key_segments", "key_order"), shape[-2] == 1
        whole = of_keys or "distances" in name
        last, axis = (shape[-1], None) if whole else (blocks.step, "step")
        by_axis: list[tuple[int | None, str | None]] = [(None, "batch" if shape[0] > 1 else None)]
        if len(shape) == 4:
            heads = blocks.heads * (1 if of_keys else group)
            by_axis.append((heads, "heads") if shape[1] > 1 else (1, None))
        by_axis += [(1 if row else shape[-2], None), (last, axis)]
        return pl.BlockSpec(
            tuple(size for size, _ in by_axis), functools.partial(self._at, tuple(a for _, a in by_axis))
        )

    def _at(self, axes: tuple[str | None, ...], *indices) -> tuple:
        found = dict(zip(self.axes, indices, strict=True))
        return tuple(0 if axis is None else found[axis] for axis in axes)

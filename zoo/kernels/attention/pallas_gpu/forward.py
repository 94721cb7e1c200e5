# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The forward Hopper kernel: a block of queries iterates over the keys, with an online softmax (arXiv:2205.14135)."""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jaxtyping import Array, Float

from zoo.kernels.attention.pallas_gpu import tiles
from zoo.kernels.attention.pallas_gpu.tiles import (
    KEY_SIDE,
    LOWEST,
    QUERY_SIDE,
    ROWS,
    STAGES,
    WORKERS,
    Spec,
    Tile,
    buffers,
    consume,
    feed,
    filled,
    line,
    mosaic,
    multiply,
    span,
)


def forward(
    spec: Spec, given: dict[str, jax.Array], columns: int
) -> tuple[Float[Array, "B T N H"], Float[Array, "B N T"], Float[Array, "B N T"]]:
    """Output, highest score of each query in powers of two, and the inverse of its weights' sum, from padded arrays.

    A log-sum-exp would combine both, but lose the sum where all keys have the same large bias. The inverse is 0 for a
    query that sees nothing.

    Args:
      columns: keys per step.
    """
    plgpu = mosaic()
    query, key = given["query"], given["key"]
    (batches, length, heads, width), keys = query.shape, key.shape[1]
    shared = heads // key.shape[2]

    def attention_forward(given, out_ref, high_ref, inverse_ref, q_smem, k_smem, v_smem, lines, q_ready, ready, free):
        batch, head, block = lax.axis_index("batch"), lax.axis_index("head"), lax.axis_index("block")
        worker = lax.axis_index("worker")
        start, steps = span(given, "key_blocks", batch, block, keys, columns)

        @pl.when(worker < WORKERS)
        def _():
            plgpu.set_max_registers(232, action="increase")
            first = (block * WORKERS + worker) * ROWS
            mine = (batch, pl.ds(first, ROWS), head)
            q_mine = q_smem.at[worker]
            plgpu.copy_gmem_to_smem(given["query"].at[mine], q_mine, q_ready.at[worker])
            whole = Tile(spec, given, batch, head, first, 0, (ROWS, columns), 0)
            held = {name: whole.of_queries(name) for name in QUERY_SIDE if name in given}
            plgpu.barrier_wait(q_ready.at[worker])

            def step(i, slot, carry):
                out, highest, total = carry
                near = held | {name: ref.at[slot] for name, ref in lines.items()}
                tile = dataclasses.replace(whole, key=(start + i) * columns, near=near)
                logits = tile.logits(multiply(q_mine, k_smem.at[slot].transpose((1, 0)), tile.shape))
                new = jnp.maximum(highest, logits.max(axis=1))
                shrink = jnp.exp2(highest - new)
                weights = jnp.exp2(logits - tile.over_queries(new))
                total = total * shrink + weights.sum(axis=1)
                out = out * lax.broadcast_in_dim(shrink, out.shape, [0])
                out = tiles.accumulate(out, tile.drop(weights)[0].astype(query.dtype), v_smem.at[slot])
                return out, new, total

            carry = filled((ROWS, width), 0.0), filled((ROWS,), LOWEST), filled((ROWS,), 0.0)
            out, highest, total = consume(steps, ready, free, lines, step, carry)
            seen = total > 0.0
            inverse = jnp.where(seen, 1.0 / jnp.where(seen, total, 1.0), 0.0)
            factor = inverse * (1.0 / (1.0 - spec.rate))
            q_mine[...] = (out * lax.broadcast_in_dim(factor, out.shape, [0])).astype(query.dtype)
            rows = (batch, head, pl.ds(first, ROWS))
            plgpu.store(high_ref.at[rows], highest, optimized=False)
            plgpu.store(inverse_ref.at[rows], inverse, optimized=False)
            plgpu.commit_smem()
            plgpu.copy_smem_to_gmem(q_mine, out_ref.at[mine])
            plgpu.wait_smem_to_gmem(0)

        @pl.when(worker == WORKERS)
        def _():
            plgpu.set_max_registers(40, action="decrease")

            def fetch(i, slot, barrier):
                theirs = (batch, pl.ds((start + i) * columns, columns), lax.div(head, jnp.int32(shared)))
                plgpu.copy_gmem_to_smem(given["key"].at[theirs], k_smem.at[slot], barrier)
                plgpu.copy_gmem_to_smem(given["value"].at[theirs], v_smem.at[slot], barrier)
                for name, ref in lines.items():
                    part = line(given[name], batch, head, (start + i) * columns, columns)
                    plgpu.copy_gmem_to_smem(part, ref.at[slot], barrier)

            feed(steps, ready, free, fetch)

    lines = buffers(given, KEY_SIDE, columns)
    loads = plgpu.SMEM((STAGES, columns, width), query.dtype)
    out, highest, inverse = plgpu.kernel(
        attention_forward,
        out_type=[
            jax.ShapeDtypeStruct(query.shape, query.dtype),
            *[jax.ShapeDtypeStruct((batches, heads, length), jnp.float32)] * 2,
        ],
        scratch_types=[
            plgpu.SMEM((WORKERS, ROWS, width), query.dtype),
            loads,
            loads,
            lines,
            plgpu.Barrier(num_barriers=WORKERS),
            plgpu.Barrier(num_arrivals=2 + len(lines), num_barriers=STAGES),
            plgpu.Barrier(num_arrivals=WORKERS, num_barriers=STAGES),
        ],
        grid=(heads, length // (WORKERS * ROWS), batches),
        grid_names=("head", "block", "batch"),
        num_threads=WORKERS + 1,
        thread_name="worker",
        compiler_params=plgpu.CompilerParams(approx_math=True),
    )(given)
    return out, highest, inverse

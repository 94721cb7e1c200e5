# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The backward Hopper kernels: weights are recomputed from the forward pass's sums (arXiv:2205.14135, appendix B).

Three kernels and no atomic sums, so that gradients are deterministic: a block of queries iterates over the keys, a
block of keys over the queries of all heads that share it, a tile of the bias over what shares it.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jaxtyping import Array, Float

from zoo.kernels.attention.pallas_gpu import tiles
from zoo.kernels.attention.pallas_gpu.tiles import (
    COLUMNS,
    KEY_SIDE,
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


def query_gradient(spec: Spec, given: dict[str, jax.Array]) -> Float[Array, "B T N H"]:
    """Gradient of `query`.

    Args:
      given: the forward's arrays, `out_gradient` [B, T, N, H], and [B, N, T] each: `highest` and `inverse` of
        the forward, `delta`, the product of the output and its gradient.
    """
    plgpu = mosaic()
    query, key = given["query"], given["key"]
    (batches, length, heads, width), keys = query.shape, key.shape[1]
    shared = heads // key.shape[2]

    def attention_query_gradient(given, dq_ref, q_smem, do_smem, k_smem, v_smem, lines, mine_ready, ready, free):
        batch, head, block = lax.axis_index("batch"), lax.axis_index("head"), lax.axis_index("block")
        worker = lax.axis_index("worker")
        start, steps = span(given, "key_blocks", batch, block, keys, COLUMNS)

        @pl.when(worker < WORKERS)
        def _():
            plgpu.set_max_registers(232, action="increase")
            first = (block * WORKERS + worker) * ROWS
            mine = (batch, pl.ds(first, ROWS), head)
            q_mine, do_mine = q_smem.at[worker], do_smem.at[worker]
            plgpu.copy_gmem_to_smem(given["query"].at[mine], q_mine, mine_ready.at[worker])
            plgpu.copy_gmem_to_smem(given["out_gradient"].at[mine], do_mine, mine_ready.at[worker])
            whole = Tile(spec, given, batch, head, first, 0, (ROWS, COLUMNS), 0)
            held = {name: whole.of_queries(name) for name in QUERY_SIDE if name in given}
            plgpu.barrier_wait(mine_ready.at[worker])

            def step(i, slot, dq):
                near = held | {name: ref.at[slot] for name, ref in lines.items()}
                tile = dataclasses.replace(whole, key=(start + i) * COLUMNS, near=near)
                products = multiply(q_mine, k_smem.at[slot].transpose((1, 0)), tile.shape)
                mixed = multiply(do_mine, v_smem.at[slot].transpose((1, 0)), tile.shape)
                _, ds = tile.gradients(products, mixed)
                return tiles.accumulate(dq, ds.astype(query.dtype), k_smem.at[slot])

            dq = consume(steps, ready, free, lines, step, filled((ROWS, width), 0.0))
            q_mine[...] = (dq * spec.scale).astype(query.dtype)
            plgpu.commit_smem()
            plgpu.copy_smem_to_gmem(q_mine, dq_ref.at[mine])
            plgpu.wait_smem_to_gmem(0)

        @pl.when(worker == WORKERS)
        def _():
            plgpu.set_max_registers(40, action="decrease")

            def fetch(i, slot, barrier):
                theirs = (batch, pl.ds((start + i) * COLUMNS, COLUMNS), lax.div(head, jnp.int32(shared)))
                plgpu.copy_gmem_to_smem(given["key"].at[theirs], k_smem.at[slot], barrier)
                plgpu.copy_gmem_to_smem(given["value"].at[theirs], v_smem.at[slot], barrier)
                for name, ref in lines.items():
                    part = line(given[name], batch, head, (start + i) * COLUMNS, COLUMNS)
                    plgpu.copy_gmem_to_smem(part, ref.at[slot], barrier)

            feed(steps, ready, free, fetch)

    lines = buffers(given, KEY_SIDE, COLUMNS)
    own, loads = (plgpu.SMEM((n, ROWS, width), query.dtype) for n in (WORKERS, STAGES))
    return plgpu.kernel(
        attention_query_gradient,
        out_type=jax.ShapeDtypeStruct(query.shape, query.dtype),
        scratch_types=[own, own, loads, loads, lines, *_barriers(mine=2, theirs=2 + len(lines))],
        grid=(heads, length // (WORKERS * ROWS), batches),
        grid_names=("head", "block", "batch"),
        num_threads=WORKERS + 1,
        thread_name="worker",
        compiler_params=plgpu.CompilerParams(approx_math=True),
    )(given)


def key_gradients(spec: Spec, given: dict[str, jax.Array]) -> tuple[Float[Array, "B S K H"], Float[Array, "B S K H"]]:
    """Gradients of `key` and `value`; `given` as in `query_gradient`, but the bias is [.., S, T]."""
    plgpu = mosaic()
    query, key = given["query"], given["key"]
    (batches, length, heads, width), keys = query.shape, key.shape[1]
    shared = heads // key.shape[2]

    def attention_key_gradients(given, dk_ref, dv_ref, k_smem, v_smem, q_smem, do_smem, lines, mine_ready, ready, free):
        batch, group, block = lax.axis_index("batch"), lax.axis_index("group"), lax.axis_index("block")
        worker = lax.axis_index("worker")
        start, count = span(given, "query_blocks", batch, block, length, COLUMNS)
        steps = count * shared

        def at_step(i):
            return group * shared + lax.div(i, count), (start + lax.rem(i, count)) * COLUMNS

        @pl.when(worker < WORKERS)
        def _():
            plgpu.set_max_registers(232, action="increase")
            first = (block * WORKERS + worker) * ROWS
            mine = (batch, pl.ds(first, ROWS), group)
            k_mine, v_mine = k_smem.at[worker], v_smem.at[worker]
            plgpu.copy_gmem_to_smem(given["key"].at[mine], k_mine, mine_ready.at[worker])
            plgpu.copy_gmem_to_smem(given["value"].at[mine], v_mine, mine_ready.at[worker])
            whole = Tile(spec, given, batch, group, 0, first, (ROWS, COLUMNS), 1)
            held = {name: whole.of_keys(name) for name in KEY_SIDE if name in given}
            plgpu.barrier_wait(mine_ready.at[worker])

            def step(i, slot, carry):
                dk, dv = carry
                head, at = at_step(i)
                near = held | {name: ref.at[slot] for name, ref in lines.items()}
                tile = dataclasses.replace(whole, head=head, query=at, near=near)
                products = multiply(k_mine, q_smem.at[slot].transpose((1, 0)), tile.shape)
                mixed = multiply(v_mine, do_smem.at[slot].transpose((1, 0)), tile.shape)
                weights, ds = tile.gradients(products, mixed)
                dv = tiles.accumulate(dv, weights.astype(query.dtype), do_smem.at[slot])
                return tiles.accumulate(dk, ds.astype(query.dtype), q_smem.at[slot]), dv

            dk, dv = consume(steps, ready, free, lines, step, (filled((ROWS, width), 0.0), filled((ROWS, width), 0.0)))
            k_mine[...] = (dk * spec.scale).astype(query.dtype)
            v_mine[...] = (dv * (1.0 / (1.0 - spec.rate))).astype(query.dtype)
            plgpu.commit_smem()
            plgpu.copy_smem_to_gmem(k_mine, dk_ref.at[mine])
            plgpu.copy_smem_to_gmem(v_mine, dv_ref.at[mine])
            plgpu.wait_smem_to_gmem(0)

        @pl.when(worker == WORKERS)
        def _():
            plgpu.set_max_registers(40, action="decrease")

            def fetch(i, slot, barrier):
                head, at = at_step(i)
                theirs = (batch, pl.ds(at, COLUMNS), head)
                plgpu.copy_gmem_to_smem(given["query"].at[theirs], q_smem.at[slot], barrier)
                plgpu.copy_gmem_to_smem(given["out_gradient"].at[theirs], do_smem.at[slot], barrier)
                for name, ref in lines.items():
                    part = line(given[name], batch, head, at, COLUMNS)
                    plgpu.copy_gmem_to_smem(part, ref.at[slot], barrier)

            feed(steps, ready, free, fetch)

    lines = buffers(given, QUERY_SIDE, COLUMNS)
    own, loads = (plgpu.SMEM((n, ROWS, width), query.dtype) for n in (WORKERS, STAGES))
    dk, dv = plgpu.kernel(
        attention_key_gradients,
        out_type=[jax.ShapeDtypeStruct(key.shape, key.dtype)] * 2,
        scratch_types=[own, own, loads, loads, lines, *_barriers(mine=2, theirs=2 + len(lines))],
        grid=(key.shape[2], keys // (WORKERS * ROWS), batches),
        grid_names=("group", "block", "batch"),
        num_threads=WORKERS + 1,
        thread_name="worker",
        compiler_params=plgpu.CompilerParams(approx_math=True),
    )(given)
    return dk, dv


def bias_gradient(spec: Spec, given: dict[str, jax.Array]) -> Float[Array, "#B #N T S"]:
    """Gradient of `bias` in float32, summed over what shares it; `given` as in `query_gradient`."""
    plgpu = mosaic()
    query, key, bias = given["query"], given["key"], given["bias"]
    width, shared = query.shape[3], query.shape[2] // key.shape[2]
    batches, heads = (  # that share an element of the bias
        whole if own == 1 else 1 for whole, own in zip((query.shape[0], query.shape[2]), bias.shape[:2], strict=True)
    )

    def attention_bias_gradient(given, db_ref, q_smem, do_smem, k_smem, v_smem, lines, key_lines, ready, free):
        own, block, column = lax.axis_index("own"), lax.axis_index("block"), lax.axis_index("column")
        own_batch, own_head = lax.div(own, jnp.int32(bias.shape[1])), lax.rem(own, jnp.int32(bias.shape[1]))
        worker = lax.axis_index("worker")
        steps = jnp.int32(batches * heads)

        def at_step(i):
            return own_batch + lax.div(i, jnp.int32(heads)), own_head + lax.rem(i, jnp.int32(heads))

        @pl.when(worker < WORKERS)
        def _():
            plgpu.set_max_registers(232, action="increase")
            first = (block * WORKERS + worker) * ROWS

            def step(i, slot, total):
                batch, head = at_step(i)
                near = {name: ref.at[slot, pl.ds(worker * ROWS, ROWS)] for name, ref in lines.items()}
                near |= {name: ref.at[slot] for name, ref in key_lines.items()}
                tile = Tile(spec, given, batch, head, first, column * COLUMNS, (ROWS, COLUMNS), 0, near)
                products = multiply(q_smem.at[slot, worker], k_smem.at[slot].transpose((1, 0)), tile.shape)
                mixed = multiply(do_smem.at[slot, worker], v_smem.at[slot].transpose((1, 0)), tile.shape)
                return total + tile.gradients(products, mixed)[1]

            total = consume(steps, ready, free, lines | key_lines, step, filled((ROWS, COLUMNS), 0.0))
            out_index = (own_batch, own_head, pl.ds(first, ROWS), pl.ds(column * COLUMNS, COLUMNS))
            plgpu.store(db_ref.at[out_index], total, optimized=False)

        @pl.when(worker == WORKERS)
        def _():
            plgpu.set_max_registers(40, action="decrease")

            def fetch(i, slot, barrier):
                batch, head = at_step(i)
                for part in range(WORKERS):
                    rows = (batch, pl.ds((block * WORKERS + part) * ROWS, ROWS), head)
                    plgpu.copy_gmem_to_smem(given["query"].at[rows], q_smem.at[slot, part], barrier)
                    plgpu.copy_gmem_to_smem(given["out_gradient"].at[rows], do_smem.at[slot, part], barrier)
                rows = (batch, pl.ds(column * COLUMNS, COLUMNS), lax.div(head, jnp.int32(shared)))
                plgpu.copy_gmem_to_smem(given["key"].at[rows], k_smem.at[slot], barrier)
                plgpu.copy_gmem_to_smem(given["value"].at[rows], v_smem.at[slot], barrier)
                for name, ref in lines.items():
                    part = line(given[name], batch, head, block * WORKERS * ROWS, WORKERS * ROWS)
                    plgpu.copy_gmem_to_smem(part, ref.at[slot], barrier)
                for name, ref in key_lines.items():
                    part = line(given[name], batch, head, column * COLUMNS, COLUMNS)
                    plgpu.copy_gmem_to_smem(part, ref.at[slot], barrier)

            feed(steps, ready, free, fetch)

    lines, key_lines = buffers(given, QUERY_SIDE, WORKERS * ROWS), buffers(given, KEY_SIDE, COLUMNS)
    copies = 2 * WORKERS + 2 + len(lines) + len(key_lines)
    queries = plgpu.SMEM((STAGES, WORKERS, ROWS, width), query.dtype)
    keys = plgpu.SMEM((STAGES, COLUMNS, width), query.dtype)
    return plgpu.kernel(
        attention_bias_gradient,
        out_type=jax.ShapeDtypeStruct(bias.shape, jnp.float32),
        scratch_types=[queries, queries, keys, keys, lines, key_lines, *_barriers(mine=0, theirs=copies)],
        grid=(bias.shape[3] // COLUMNS, bias.shape[2] // (WORKERS * ROWS), bias.shape[0] * bias.shape[1]),
        grid_names=("column", "block", "own"),
        num_threads=WORKERS + 1,
        thread_name="worker",
        compiler_params=plgpu.CompilerParams(approx_math=True),
    )(given)


def _barriers(*, mine: int, theirs: int) -> list:
    """Barriers for a worker's own loads (if any), for the operands of a step, and for released slots."""
    plgpu = mosaic()
    own = [plgpu.Barrier(num_arrivals=mine, num_barriers=WORKERS)] if mine else []
    ready = plgpu.Barrier(num_arrivals=theirs, num_barriers=STAGES)
    return [*own, ready, plgpu.Barrier(num_arrivals=WORKERS, num_barriers=STAGES)]

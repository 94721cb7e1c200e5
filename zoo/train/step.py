# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""One optimizer step, as a pure function."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from zoo.objectives import Objective, Sums
from zoo.objectives.loss import reciprocal
from zoo.train.compiler import Options
from zoo.train.state import TrainState

Batch = Mapping[str, jax.Array]
Context = Callable[[], contextlib.AbstractContextManager[None]]
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Sums]]
EvalStep = Callable[..., Any]


def make_train_step(
    graphdef: nnx.GraphDef,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    grad_accum_steps: int = 1,
    batch_size: int | None = None,
    shardings: TrainState | None = None,
    context: Context = contextlib.nullcontext,
    options: Options | None = None,
) -> TrainStep:
    """A jitted `step(state, batch) -> (state, sums)`. The old state is donated: its buffers become the new one's.

    With `grad_accum_steps` A, rows `i::A` of the batch form micro-batch `i`, which keeps every row on its device.
    Losses and gradients are summed over predictions and divided once, so the result is that of the whole batch even
    where micro-batches hold different numbers of predictions. Where a full batch has `batch_size` rows, one with fewer
    has fewer micro-batches of the same size.

    A gradient that is not finite changes nothing but the counters: parameters, moments and what is carried stay.
    `shardings` pin where the new state lives; None leaves it to the compiler. `context` is entered while the step is
    traced: `zoo.sharding.rules.partitioned` lets kernels know the mesh. `options` are the compiler's
    (`zoo.train.compiler`). `sums` are the objective's, with `grad_norm` (before clipping) and `skipped` (steps so far).
    """

    def summed_loss(params, frozen, scales, batch, carry, key):
        options = {"scales": scales} if scales else {}
        module = nnx.merge(graphdef, params, frozen)
        sums, carry = objective.loss_and_carry(module, batch, carry, dropout_key=key, **options)
        return sums["loss"], (sums, carry)

    gradients = jax.grad(summed_loss, has_aux=True)

    def update(state: TrainState, batch: Batch) -> tuple[TrainState, Sums]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        of_batch = functools.partial(gradients, state.params, state.frozen, objective.scales(batch))
        micro_batches = grad_accum_steps
        if batch_size is not None:
            micro_batches = jax.tree.leaves(batch)[0].shape[0] * grad_accum_steps // batch_size
        if micro_batches == 1:
            grads, (sums, carry) = of_batch(batch, state.carry, key)
        else:
            grads, sums, carry = _accumulate(of_batch, batch, state.carry, key, micro_batches)
        scale = reciprocal(sums["weight"])
        grads = jax.tree.map(lambda grad: grad * scale.astype(grad.dtype), grads)
        grad_norm = optax.tree.norm(grads)
        finite = jnp.isfinite(grad_norm) & jnp.isfinite(sums["loss"])
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        updated = (optax.apply_updates(state.params, updates), opt_state, carry)
        kept = (state.params, state.opt_state, state.carry)
        params, opt_state, carry = jax.tree.map(lambda new, old: jnp.where(finite, new, old), updated, kept)
        skipped = state.skipped + (~finite).astype(jnp.int32)
        state = TrainState(state.step + 1, skipped, params, state.frozen, opt_state, state.key, carry)
        return state, {**sums, "grad_norm": grad_norm, "skipped": skipped}

    @functools.partial(jax.jit, donate_argnums=0, out_shardings=(shardings, None), compiler_options=options)
    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Sums]:
        with context():
            return update(state, batch)

    return train_step


def make_eval_step(
    graphdef: nnx.GraphDef,
    objective: Objective,
    function: Callable[..., Any],
    context: Context = contextlib.nullcontext,
    options: Options | None = None,
    sharding: Any = None,
) -> EvalStep:
    """A jitted `step(params, frozen, *args) -> function(objective, module, *args)`, without dropout; `args` is a batch.

    `context` and `options` are those of `make_train_step`; `sharding` is that of all results.
    """

    @functools.partial(jax.jit, out_shardings=sharding, compiler_options=options)
    def eval_step(params, frozen, *args: Any) -> Any:
        with context():
            return function(objective, nnx.merge(graphdef, params, frozen), *args)

    return eval_step


def _accumulate(gradients: Callable, batch: Batch, carry: Any, key: jax.Array, grad_accum_steps: int):
    """Gradients and sums of `gradients(micro_batch, carry, key)`, added up, and what each carries, in its rows."""

    def split(rows):
        return jnp.swapaxes(rows.reshape(-1, grad_accum_steps, *rows.shape[1:]), 0, 1)

    def join(parts):
        return jnp.swapaxes(parts, 0, 1).reshape(-1, *parts.shape[2:])

    def of(inputs):
        grads, (sums, carry) = gradients(*inputs)
        return (grads, sums), carry

    def add(total, inputs):
        found, carry = of(inputs)
        return jax.tree.map(jnp.add, total, found), carry

    micro_batches = (*jax.tree.map(split, (batch, carry)), jax.random.split(key, grad_accum_steps))
    shapes, _ = jax.eval_shape(of, jax.tree.map(lambda x: x[0], micro_batches))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    (grads, sums), carry = jax.lax.scan(add, zeros, micro_batches)
    return grads, sums, jax.tree.map(join, carry)

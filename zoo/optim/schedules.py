# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The learning rate by step."""

from typing import Any

import jax.numpy as jnp
import optax

from zoo.optim.optimizers import OptimizerConfig


def make_schedule(config: OptimizerConfig, num_steps: int) -> optax.Schedule:
    """Learning rate by step: the warm-up, then the schedule, whose decay ends at `num_steps`."""
    peak, end = config.learning_rate, config.learning_rate * config.end_fraction
    decay_steps = max(1, num_steps - config.warmup_steps)
    if config.schedule == "wsd":
        decay_steps = max(1, config.decay_length(num_steps))
    decay = {
        "linear": lambda: optax.linear_schedule(peak, end, decay_steps),
        "cosine": lambda: optax.cosine_decay_schedule(peak, decay_steps, alpha=config.end_fraction),
        "constant": lambda: optax.constant_schedule(peak),
        "inverse_sqrt": lambda: _inverse_sqrt(peak, max(1, config.warmup_steps)),
        "wsd": lambda: (
            _sqrt(peak, end, decay_steps)
            if config.decay_shape == "sqrt"
            else optax.linear_schedule(peak, end, decay_steps)
        ),
    }[config.schedule]()
    if config.warmup == "constant":
        warmup = optax.constant_schedule(peak)
    else:
        warmup = optax.linear_schedule(0.0, peak, max(1, config.warmup_steps))
    if config.schedule == "wsd":
        stable, start = optax.constant_schedule(peak), num_steps - config.decay_length(num_steps)
        return optax.join_schedules([warmup, stable, decay], [config.warmup_steps, start])
    return optax.join_schedules([warmup, decay], [config.warmup_steps])


def taken(config: OptimizerConfig, num_steps: int, steps: int) -> tuple[Any, ...]:
    """What the learning rates of the first `steps` steps depend on: equal tuples mean equal rates."""
    config = config.in_steps(num_steps)
    warmup = (config.learning_rate, config.warmup, config.warmup_steps)
    if steps <= config.warmup_steps and config.warmup_steps:
        return warmup
    if config.schedule == "constant":
        return (*warmup, "constant")
    if config.schedule == "wsd" and steps <= num_steps - config.decay_length(num_steps):
        return (*warmup, "constant")
    if config.schedule == "inverse_sqrt":
        return (*warmup, "inverse_sqrt")
    return (*warmup, config, num_steps)


def _inverse_sqrt(peak: float, warmup_steps: int) -> optax.Schedule:
    """`peak * sqrt(warmup_steps / step)`, of the steps after the warm-up (arXiv:1706.03762, section 5.3)."""

    def schedule(count):
        return peak * jnp.sqrt(warmup_steps / (jnp.asarray(count, jnp.float32) + warmup_steps))

    return schedule


def _sqrt(peak: float, end: float, decay_steps: int) -> optax.Schedule:
    """From peak to end by `1 - sqrt(t)` (arXiv:2405.18392, equation 2)."""

    def schedule(count):
        done = jnp.clip(jnp.asarray(count, jnp.float32) / decay_steps, 0.0, 1.0)
        return end + (peak - end) * (1.0 - jnp.sqrt(done))

    return schedule

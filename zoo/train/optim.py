# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""AdamW (arXiv 1711.05101), its schedules, and which parameters decay."""

from typing import Any

import jax
import optax

from zoo.errors import ConfigError
from zoo.train.config import OptimizerConfig
from zoo.train.layer_decay import scale_by_layer

# By name and not by rank: stacked layers give a bias [L, N, H] three axes. One table serves every family, since weights
# are named for what they do; embeddings decay, as in the original BERT and GPT-2 optimizers.
_DECAYS = {"kernel": True, "embedding": True, "bias": False, "scale": False}
# XLNet's own: biases of queries, the embedding of "same segment or not", and that of a token to predict.
_DECAYS |= {"content_bias": False, "position_bias": False, "segment_bias": False, "segment": True, "unknown": True}


def make_schedule(config: OptimizerConfig, num_steps: int) -> optax.Schedule:
    """Learning rate by step: a linear warm-up from 0, then the schedule's decay to its end at `num_steps`."""
    peak, end = config.learning_rate, config.learning_rate * config.end_fraction
    decay_steps = max(1, num_steps - config.warmup_steps)
    decay = {
        "linear": lambda: optax.linear_schedule(peak, end, decay_steps),
        "cosine": lambda: optax.cosine_decay_schedule(peak, decay_steps, alpha=config.end_fraction),
        "constant": lambda: optax.constant_schedule(peak),
    }[config.schedule]()
    warmup = optax.linear_schedule(0.0, peak, max(1, config.warmup_steps))
    return optax.join_schedules([warmup, decay], [config.warmup_steps])


def make_optimizer(config: OptimizerConfig, num_steps: int, frozen: Any = None) -> optax.GradientTransformation:
    """Clipping by global norm, then AdamW with decoupled decay, then the layers' shares of the rate.

    Args:
      frozen: parameters that do not train, whose layers count for the depth of those that do.
    """
    adamw = optax.adamw(
        make_schedule(config, num_steps),
        b1=config.b1,
        b2=config.b2,
        eps=config.eps,
        weight_decay=config.weight_decay,
        mask=decay_mask,
    )
    clipping = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    layers = [] if config.layer_decay == 1.0 else [scale_by_layer(config.layer_decay, frozen)]
    return _permissive(optax.chain(*clipping, adamw, *layers))


def decay_mask(params: Any) -> Any:
    """True where weight decay applies. A parameter whose last name the table lacks is a ConfigError."""

    def decays(path, _) -> bool:
        name = str(path[-1].key)
        if name not in _DECAYS:
            where = ".".join(str(key.key) for key in path)
            raise ConfigError(f"no weight-decay rule for the parameter {where}; add {name!r} to zoo/train/optim.py.")
        return _DECAYS[name]

    return jax.tree.map_with_path(decays, params)


def _permissive(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Adam's bias correction raises a Python float to an integer count, which strict dtype promotion refuses."""

    def update(updates, state, params=None):
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(updates, state, params)

    return optax.GradientTransformation(optimizer.init, update)

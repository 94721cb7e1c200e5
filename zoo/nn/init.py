# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Random initial values, as in the papers."""

import math

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float

from zoo.nn.config import TransformerConfig


def kernel_init(config: TransformerConfig) -> Initializer:
    """For kernels (BERT: truncated at two standard deviations; GPT-2: not; T5 and the Transformer: by the fan)."""
    makers = {
        "normal": lambda: jax.nn.initializers.normal(config.init_std),
        "truncated_normal": lambda: jax.nn.initializers.truncated_normal(config.init_std),
        "fan_in": lambda: jax.nn.initializers.variance_scaling(config.init_std**2, "fan_in", "normal"),
        "fan_avg": lambda: jax.nn.initializers.variance_scaling(config.init_std**2, "fan_avg", "uniform"),
    }
    return makers[config.init]()


def classifier_init(config: TransformerConfig) -> Initializer:
    """For the layers of a head with labels: normal where other kernels are truncated, as Transformers draws them.

    Truncation leaves 0.88 of the standard deviation, so that the first logits, and the gradients behind them, would be
    smaller than there.
    """
    if config.init == "truncated_normal":
        return jax.nn.initializers.normal(config.init_std)
    return kernel_init(config)


def embedding_init(config: TransformerConfig) -> Initializer:
    """For tables: as kernels, or if those go by the fan, of variance 1 (T5) or 1/D (Transformer)."""
    if config.init == "fan_in":
        return jax.nn.initializers.normal(config.init_std)
    if config.init == "fan_avg":
        return jax.nn.initializers.normal(config.init_std / math.sqrt(config.width))
    return kernel_init(config)


def query_init(config: TransformerConfig) -> Initializer:
    """For the query: where scores are not scaled and kernels go by the fan, the query's is smaller instead (T5)."""
    if config.init == "fan_in" and config.attention.scale == 1.0:
        return kernel_init(config.replace(init_std=config.init_std / math.sqrt(config.head_width)))
    return kernel_init(config)


def residual_init(config: TransformerConfig) -> Initializer:
    """For the kernels that write to the residual stream; GPT-2 (section 2.3) scales them with depth."""
    if not config.init_depth_scaled:
        return kernel_init(config)
    return kernel_init(config.replace(init_std=config.init_std / math.sqrt(2 * config.num_layers)))


def init_kernel(
    config: TransformerConfig, init: Initializer | None, key: Array, inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> Float[Array, "..."]:
    """A kernel `[*inputs, *outputs]`, by `init` or else `kernel_init`.

    The initializer sees a matrix, so that fan-in and truncation do not depend on how an axis is split.
    """
    shape = (math.prod(inputs), math.prod(outputs))
    matrix = (init or kernel_init(config))(key, shape, jnp.dtype(config.execution.param_dtype))
    return matrix.reshape(*inputs, *outputs)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Random initial values, as the papers drew them."""

import math

import jax
from jax.nn.initializers import Initializer

from zoo.nn.config import TransformerConfig


def kernel_init(config: TransformerConfig) -> Initializer:
    """For kernels and embeddings (BERT: truncated at two standard deviations; GPT-2: not)."""
    makers = {"normal": jax.nn.initializers.normal, "truncated_normal": jax.nn.initializers.truncated_normal}
    return makers[config.init](config.init_std)


def residual_init(config: TransformerConfig) -> Initializer:
    """For the kernels that write to the residual stream; GPT-2 (section 2.3) scales them with depth."""
    if not config.init_depth_scaled:
        return kernel_init(config)
    return kernel_init(config.replace(init_std=config.init_std / math.sqrt(2 * config.num_layers)))

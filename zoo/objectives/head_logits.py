# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The logits of a fine-tuned head for a batch of examples."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zoo.objectives.objective import Batch


def head_logits(module: Any, batch: Batch, *, dropout_key: jax.Array | None = None) -> Float[Array, "B ..."]:
    """What the head answers, in float32; token types are given to the models that have them."""
    types = batch.get("token_types") if module.config.num_token_types > 1 else None
    out = module(batch["tokens"], token_types=types, segments=batch["segments"], dropout_key=dropout_key)
    return out.logits.astype(jnp.float32)

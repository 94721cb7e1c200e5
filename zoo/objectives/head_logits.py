# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The logits of a fine-tuned head for a batch of examples, one a row or packed, and which examples count."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from zoo.data.packing import WEIGHTS
from zoo.objectives.objective import Batch


def head_logits(module: Any, batch: Batch, *, dropout_key: jax.Array | None = None) -> Float[Array, "B ..."]:
    """What the head answers, in float32; token types are given to the models that have them.

    For packed rows the answers of a sequence are those of each place in a row, [R, K, ...] in place of [B, ...].
    """
    types = batch.get("token_types") if module.config.num_token_types > 1 else None
    options = {"token_types": types, "segments": batch["segments"], "dropout_key": dropout_key}
    if (places := num_places(batch)) is not None:
        options |= {"positions": batch["positions"], "num_segments": places}
    return module(batch["tokens"], **options).logits.astype(jnp.float32)


def num_places(batch: Batch) -> int | None:
    """K, the most examples in a row of a packed batch; None for a batch with one example a row."""
    return batch[WEIGHTS].shape[1] if WEIGHTS in batch else None


def is_example(batch: Batch) -> Bool[Array, "*B"]:
    """Whether there is an example, of each row [B] or of each place of packed rows [R, K]; the others weigh 0."""
    if WEIGHTS in batch:
        return batch[WEIGHTS] > 0
    segments = batch["segments"]
    return jnp.any(segments > 0, axis=tuple(range(1, segments.ndim)))

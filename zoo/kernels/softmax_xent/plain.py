# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Cross entropy from all logits at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def softmax_xent(
    x: Float[Array, "B M D"],
    table: Float[Array, "V D"],
    targets: Int[Array, "B M"],
    *,
    bias: Float[Array, "V"] | None = None,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
) -> tuple[Float[Array, "B M"], Int[Array, "B M"], Float[Array, "B M"]]:
    """See `zoo.kernels.softmax_xent.softmax_xent`; gives losses, predicted ids and negative log-likelihoods."""
    logits = jnp.einsum("BMD,VD->BMV", x, table, preferred_element_type=jnp.float32)
    if bias is not None:
        logits = logits + bias.astype(jnp.float32)[None, None]
    known = (targets >= 0) & (targets < table.shape[0])
    normalizer = jax.nn.logsumexp(logits, axis=-1)
    at_target = jnp.take_along_axis(logits, jnp.where(known, targets, 0)[:, :, None], axis=-1).squeeze(-1)
    loss = normalizer - (1.0 - label_smoothing) * at_target + z_loss * normalizer**2
    if label_smoothing:
        loss = loss - label_smoothing * jnp.mean(logits, axis=-1)
    loss, nll = (jnp.where(known, each, jnp.nan) for each in (loss, jax.lax.stop_gradient(normalizer - at_target)))
    return loss, jnp.argmax(logits, axis=-1).astype(jnp.int32), nll

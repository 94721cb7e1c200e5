# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From token ids to vectors: token, position and token-type embeddings, summed; and back to the vocabulary."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from zoo.kernels import partition
from zoo.kernels.partition import LETTERS, gather
from zoo.nn.config import TransformerConfig
from zoo.nn.constrain import constrain
from zoo.nn.dropout import dropout
from zoo.nn.init import embedding_init
from zoo.nn.linear import Linear
from zoo.nn.norm import Norm
from zoo.nn.positions import sinusoids
from zoo.nn.product import multiply_rows


class Embedding(nnx.Module):
    """A table of vectors. An id outside it gives NaN where a host check cannot see it, never a neighbour's vector."""

    def __init__(self, size: int, axis: str, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.dtype = jnp.dtype(config.execution.dtype)
        self.tuned: Literal["cpu"] | None = None
        shape = (size, config.embedding_width)
        table = embedding_init(config)(rngs.params(), shape, jnp.dtype(config.execution.param_dtype))
        self.embedding = nnx.Param(table, axes=(axis, "embed"))
        self.letters = LETTERS.get(axis, "_") + LETTERS["embed"]

    def __call__(self, ids: Int[Array, "B T"]) -> Float[Array, "B T E"]:
        # Not cast, since the gradients of frequent tokens are long sums, which are formed whole before they are split.
        table = partition.constrain(gather(self.embedding[...], self.letters, "W"), self.letters.replace("W", "_"))
        # Negative ids would count from the end; sent past the end they are filled as well.
        ids = jnp.where(ids < 0, table.shape[0], ids)
        return jnp.take(table, ids, axis=0, mode="fill", fill_value=jnp.nan).astype(self.dtype)

    def attend(self, x: Float[Array, "*B E"]) -> Float[Array, "*B V"]:
        """The product with every row of the table: logits of a tied output layer."""
        x, table = x.astype(self.dtype), self.rows()
        return multiply_rows(x, table) if self.tuned == "cpu" else jnp.einsum("...E,VE->...V", x, table)

    def rows(self) -> Float[Array, "V E"]:
        """The table in the dtype of the computation, gathered where the mesh keeps it in parts."""
        return gather(self.embedding[...].astype(self.dtype), self.letters, "W")

    def tune_for_cpu(self) -> None:
        """Switches to the product that is fastest on a CPU: see `zoo.nn.product`."""
        self.tuned = "cpu"


class Embedder(nnx.Module):
    """The input layer; its parts are there only if the config has them."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        learned = config.positions == "learned"
        rows = config.max_length + config.position_offset
        self.token = Embedding(config.vocab_size, "vocab", config, rngs=rngs)
        self.position = Embedding(rows, "positions", config, rngs=rngs) if learned else None
        self.token_type = (
            Embedding(config.num_token_types, "types", config, rngs=rngs) if config.num_token_types else None
        )
        self.norm = Norm(config.embedding_width, config) if config.embed_norm else None
        self.projection = (
            None
            if config.embed_width is None
            else Linear({"features": config.embed_width}, {"embed": config.width}, config, rngs=rngs)
        )

    def __call__(
        self,
        tokens: Int[Array, "B T"],
        token_types: Int[Array, "B T"] | None,
        positions: Int[Array, "B T"],
        *,
        dropout_key: Array | None = None,
    ) -> Float[Array, "B T D"]:
        pad_id = self.config.pad_id
        partition.check(dict(zip("BT", tokens.shape, strict=True)))
        x = self._train_except(self.token(tokens), None if pad_id is None else tokens == pad_id)
        if self.config.embed_scale == "sqrt_width":
            x = x * jnp.sqrt(self.config.embedding_width).astype(x.dtype)
        if self.token_type is not None:
            x = x + self.token_type(jnp.zeros_like(tokens) if token_types is None else token_types)
        if self.position is not None:
            x = x + self._train_except(self.position(positions + self.config.position_offset), positions < 0)
        elif self.config.positions == "sinusoidal":
            table = sinusoids(self.config.max_length, self.config.embedding_width)
            x = x + jnp.take(jnp.asarray(table, x.dtype), positions, axis=0, mode="fill", fill_value=jnp.nan)
        x = constrain(x, "embedded", "BTE")
        if self.norm is not None:
            x = self.norm(x)
        x = dropout(x, self.config.embed_dropout, dropout_key)
        return x if self.projection is None else self.projection(x)

    def _train_except(self, x: Float[Array, "B T E"], padding: Bool[Array, "B T"] | None) -> Float[Array, "B T E"]:
        """The vectors looked up, without the gradient of those at padding if the config drops it."""
        if self.config.pad_embedding == "trained" or padding is None:
            return x
        return jnp.where(padding[:, :, None], jax.lax.stop_gradient(x), x)

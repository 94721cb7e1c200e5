# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The Transformer (arXiv:1706.03762): the encoder-decoder that the other families descend from.

Base and big are those of table 3, with the 37,000 subword tokens of section 5.1 in one table for both sides and the
output; no weights were released. Attention has no biases there. Marian's translators (arXiv:1804.00344) are the same
with biases, Swish and a fixed bias of the logits.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from zoo.models.family import Family
from zoo.nn import heads
from zoo.nn.config import AttentionConfig, TransformerConfig


def config(num_layers: int, width: int, num_heads: int, mlp_width: int, **changes) -> TransformerConfig:
    """A Transformer with encoder and decoder of the given depth (section 3)."""
    fields: dict[str, Any] = dict(
        family="transformer",
        vocab_size=37000,
        width=width,
        num_layers=num_layers,
        decoder_layers=num_layers,
        num_heads=num_heads,
        mlp_width=mlp_width,
        max_length=512,
        norm_eps=1e-6,
        positions="sinusoidal",
        embed_scale="sqrt_width",
        activation="relu",
        attention=AttentionConfig(bias="none"),
        embed_dropout=0.1,
        hidden_dropout=0.1,
        init="fan_avg",
        init_std=1.0,
        pad_id=0,
        eos_id=1,
        decoder_start_id=0,
    )
    return TransformerConfig(**(fields | changes))


def marian_config(num_layers: int, width: int, num_heads: int, mlp_width: int, **changes) -> TransformerConfig:
    """A Marian translator; padding is the last token of its vocabulary."""
    fields: dict[str, Any] = dict(
        family="marian",
        vocab_size=58101,
        norm_eps=1e-5,
        activation="silu",
        attention=AttentionConfig(),
        pad_embedding="frozen",
        init="normal",
        init_std=0.02,
        pad_id=58100,
        eos_id=0,
        decoder_start_id=58100,
    )
    return config(num_layers, width, num_heads, mlp_width, **(fields | changes))


class FixedBiasLMHead(heads.CausalLMHead):
    """With a bias of the logits that no training changes."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(config, rngs=rngs)
        self.bias = nnx.Param(
            jnp.zeros((1, config.vocab_size), jnp.dtype(config.execution.param_dtype)), axes=("types", "vocab")
        )

    def logits_bias(self) -> Float[Array, "V"]:
        return jax.lax.stop_gradient(self.bias[0])


FAMILY = Family(
    name="transformer",
    sizes={
        "transformer-base": config(6, 512, 8, 2048),
        "transformer-big": config(6, 1024, 16, 4096, embed_dropout=0.3, hidden_dropout=0.3),
    },
    heads={"seq2seq_lm": heads.CausalLMHead},
)
MARIAN = Family(
    name="marian",
    sizes={"opus-mt-en-de": marian_config(6, 512, 8, 2048)},
    heads={"seq2seq_lm": FixedBiasLMHead},
    organisation="Helsinki-NLP",
    licence="Apache-2.0",
)

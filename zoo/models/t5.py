# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""T5 (arXiv:1910.10683): an encoder-decoder whose tasks are all text to text, with biases of distance for positions.

Sizes are those released at github.com/google-research/text-to-text-transfer-transformer: version 1.0 (paper, section
3.7), and 1.1, which gates its GELU and has an output table of its own (released_checkpoints.md). The norm has no mean
and no bias, no product has a bias, scores are not scaled, and the tied output is scaled instead.
"""

from typing import Any

from jaxtyping import Array, Float

from zoo.models.family import Family, Release
from zoo.nn import heads
from zoo.nn.config import AttentionConfig, TransformerConfig


def config(num_layers: int, width: int, num_heads: int, mlp_width: int, **changes) -> TransformerConfig:
    """A T5 version 1.0 with encoder and decoder of the given depth."""
    fields: dict[str, Any] = dict(
        family="t5",
        vocab_size=32128,
        width=width,
        num_layers=num_layers,
        decoder_layers=num_layers,
        num_heads=num_heads,
        kv_width=64,
        mlp_width=mlp_width,
        max_length=512,
        norm_order="pre",
        norm="rms",
        norm_eps=1e-6,
        positions="buckets",
        activation="relu",
        mlp_bias="none",
        attention=AttentionConfig(scale=1.0, bias="none"),
        logits_scale="inverse_sqrt_width",
        embed_dropout=0.1,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        mlp_dropout=0.1,
        output_dropout=0.1,
        classifier_dropout=0.0,
        init="fan_in",
        init_std=1.0,
        pad_id=0,
        eos_id=1,
        decoder_start_id=0,
    )
    return TransformerConfig(**(fields | changes))


def _version_1_1(num_layers: int, width: int, num_heads: int, mlp_width: int) -> TransformerConfig:
    changes: dict[str, Any] = dict(mlp="gated", activation="gelu_tanh", tie_embeddings=False, logits_scale="none")
    return config(num_layers, width, num_heads, mlp_width, **changes)


SIZES = {
    "t5-small": config(6, 512, 8, 2048),
    "t5-base": config(12, 768, 12, 3072),
    "t5-large": config(24, 1024, 16, 4096),
    "t5-3b": config(24, 1024, 32, 16384, kv_width=128),
    "t5-11b": config(24, 1024, 128, 65536, kv_width=128),
    "t5-v1_1-small": _version_1_1(8, 512, 6, 1024),
    "t5-v1_1-base": _version_1_1(12, 768, 12, 2048),
    "t5-v1_1-large": _version_1_1(24, 1024, 16, 2816),
    "t5-v1_1-xl": _version_1_1(24, 2048, 32, 5120),
    "t5-v1_1-xxl": _version_1_1(24, 4096, 64, 10240),
}


class EndClassifier(heads.DenseClassifier):
    """One label a sequence, from the decoder's vector at the last end token."""

    def __init__(self, config: TransformerConfig, *, rngs):
        super().__init__(config, rngs=rngs)
        self.eos_id = config.eos_id

    def read(self, features: heads.Features) -> Float[Array, "*B D"]:
        return features.at_last_of(features.inputs.tokens == self.eos_id)


HEADS = {
    "seq2seq_lm": heads.CausalLMHead,
    "sequence_classification": EndClassifier,
    "token_classification": heads.TokenClassifier,
    "question_answering": heads.SpanHead,
    "encoder": heads.EncoderHead,
}

FAMILY = Family(
    name="t5",
    sizes=SIZES,
    heads=HEADS,
    encoder_heads=("token_classification", "encoder"),
    organisation="google",
    special_tokens="t5",
    licence="Apache-2.0",
    releases={name: Release(f"google-t5/{name}", "Apache-2.0") for name in SIZES if not name.startswith("t5-v1_1")},
)

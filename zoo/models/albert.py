# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""ALBERT (arXiv:1909.11942): BERT with one layer run over and over, a narrow embedding, and sentence order.

Sizes are those released at github.com/google-research/albert. Version 2 trained for longer, on more text, without
dropout. As the Hub has them, version 1 computes GELU by erf and version 2 by its tanh approximation.
"""

from typing import Any

from zoo.models.family import Family
from zoo.nn import heads
from zoo.nn.config import TransformerConfig


def config(num_layers: int, width: int, **changes) -> TransformerConfig:
    """An ALBERT of the given depth and width: 64-wide heads, feed-forward four times the width (table 1)."""
    fields: dict[str, Any] = dict(
        family="albert",
        vocab_size=30000,
        width=width,
        num_layers=num_layers,
        num_heads=width // 64,
        mlp_width=4 * width,
        max_length=512,
        embed_width=128,
        num_token_types=2,
        embed_norm=True,
        pad_embedding="frozen",
        unique_layers=1,
        activation="gelu_tanh",
        classifier_dropout=0.1,
        init="truncated_normal",
        pad_id=0,
        bos_id=2,
        eos_id=3,
    )
    return TransformerConfig(**(fields | changes))


_V1 = dict(activation="gelu", embed_dropout=0.1, hidden_dropout=0.1, attention_dropout=0.1)

SIZES = {
    "albert-base-v1": config(12, 768, **_V1),
    "albert-large-v1": config(24, 1024, **_V1),
    "albert-xlarge-v1": config(24, 2048, num_heads=16, **_V1),
    "albert-xxlarge-v1": config(12, 4096, activation="gelu"),
    "albert-base-v2": config(12, 768),
    "albert-large-v2": config(24, 1024),
    "albert-xlarge-v2": config(24, 2048, num_heads=16),
    "albert-xxlarge-v2": config(12, 4096),
}


class PretrainingHead(heads.PretrainingHead):
    """Masked tokens, and whether two sentences are in order (section 3.1); class 0 means that they are."""

    pooled_dropout = "config"


class SentenceOrderHead(heads.PairHead):
    """Only the order of two sentences."""

    pooled_dropout = "config"


HEADS = {
    "pretraining": PretrainingHead,
    "masked_lm": heads.MaskedLMHead,
    "sentence_order": SentenceOrderHead,
    "sequence_classification": heads.PooledClassifier,
    "token_classification": heads.TokenClassifier,
    "question_answering": heads.SpanHead,
    "multiple_choice": heads.PooledChoice,
}

FAMILY = Family(
    name="albert",
    sizes=SIZES,
    heads=HEADS,
    add_pooling_layer=True,
    special_tokens="bert",
    organisation="albert",
    licence="Apache-2.0",
)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""BERT (arXiv:1810.04805): a bidirectional encoder pretrained on masked tokens and sentence pairs.

Sizes are those released at github.com/google-research/bert: base and large (2018), whole-word masking (2019) and the
24 smaller models (arXiv:1908.08962), of which tiny, mini, small and medium have names. The paper's GELU is computed by
its tanh approximation in the original release and by erf in the Hub's checkpoints; the latter is what loads here.
"""

from typing import Any

from zoo.models.family import Family, Release
from zoo.nn import heads
from zoo.nn.config import TransformerConfig

UNCASED, CASED, MULTILINGUAL, CHINESE = 30522, 28996, 119547, 21128


def config(num_layers: int, width: int, vocab_size: int = UNCASED, **changes) -> TransformerConfig:
    """A BERT of the given depth and width: 64-wide heads, feed-forward four times the width (section 3)."""
    fields: dict[str, Any] = dict(
        family="bert",
        vocab_size=vocab_size,
        width=width,
        num_layers=num_layers,
        num_heads=width // 64,
        mlp_width=4 * width,
        max_length=512,
        num_token_types=2,
        embed_norm=True,
        pad_embedding="frozen",
        embed_dropout=0.1,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        init="truncated_normal",
        pad_id=0,
    )
    return TransformerConfig(**(fields | changes))


SIZES = {
    "bert-tiny": config(2, 128),
    "bert-mini": config(4, 256),
    "bert-small": config(4, 512),
    "bert-medium": config(8, 512),
    "bert-base-uncased": config(12, 768),
    "bert-base-cased": config(12, 768, CASED),
    "bert-base-multilingual-cased": config(12, 768, MULTILINGUAL),
    "bert-base-chinese": config(12, 768, CHINESE),
    "bert-large-uncased": config(24, 1024),
    "bert-large-cased": config(24, 1024, CASED),
    "bert-large-uncased-whole-word-masking": config(24, 1024),
    "bert-large-cased-whole-word-masking": config(24, 1024, CASED),
}

HEADS = {
    "pretraining": heads.PretrainingHead,
    "masked_lm": heads.MaskedLMHead,
    "causal_lm": heads.MaskedLMHead,
    "next_sentence": heads.PairHead,
    "sequence_classification": heads.PooledClassifier,
    "token_classification": heads.TokenClassifier,
    "question_answering": heads.SpanHead,
    "multiple_choice": heads.PooledChoice,
}

FAMILY = Family(
    name="bert",
    sizes=SIZES,
    heads=HEADS,
    add_pooling_layer=True,
    special_tokens="bert",
    organisation="google-bert",
    licence="Apache-2.0",
    releases={
        "bert-tiny": Release("google/bert_uncased_L-2_H-128_A-2", "Apache-2.0"),
        "bert-mini": Release("google/bert_uncased_L-4_H-256_A-4", "Apache-2.0"),
        "bert-small": Release("google/bert_uncased_L-4_H-512_A-8", "Apache-2.0"),
        "bert-medium": Release("google/bert_uncased_L-8_H-512_A-8", "Apache-2.0"),
    },
)

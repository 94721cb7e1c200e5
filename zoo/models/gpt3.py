# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT-3 (arXiv:2005.14165): GPT-2 in eight sizes, every other layer seeing only a band of the past.

Sizes are those of table 2.1, with 2048 positions and GPT-2's vocabulary; OpenAI released no weights. Where the table's
figures disagree, width and number of parameters are kept: XL's 24 heads of 128 make 3072, and its width of 2048 is 16
heads; 13B's width of 5140 is not divisible by 40 heads, and is 20 heads of 257 here. The paper leaves the band's width
open ("similar to the Sparse Transformer"); 256 tokens are GPT-Neo's, EleutherAI's public replication
(doi:10.5281/zenodo.5297715), whose checkpoints have no biases on query, key and value and do not scale the scores.
"""

from typing import Any

from zoo.models import gpt2
from zoo.models.family import Family
from zoo.nn import heads
from zoo.nn.config import AttentionConfig, TransformerConfig

WINDOW = 256
ATTENTION = AttentionConfig(causal=True, window=(None, WINDOW))
NEO_ATTENTION = AttentionConfig(causal=True, window=(None, WINDOW), scale=1.0, bias="out")


def config(num_layers: int, width: int, num_heads: int, **changes) -> TransformerConfig:
    """A GPT-3 of the given depth, width and number of heads (section 2.1)."""
    fields: dict[str, Any] = dict(
        family="gpt3",
        max_length=2048,
        attention=ATTENTION,
        embed_dropout=0.0,
        hidden_dropout=0.0,
        attention_dropout=0.0,
    )
    return gpt2.config(num_layers, width, num_heads, **(fields | changes))


def neo_config(num_layers: int, width: int, num_heads: int, **changes) -> TransformerConfig:
    """A GPT-Neo of the given depth, width and number of heads."""
    fields: dict[str, Any] = dict(
        family="gpt-neo", attention=NEO_ATTENTION, classifier_dropout=0.1, init_depth_scaled=False
    )
    return config(num_layers, width, num_heads, **(fields | changes))


SIZES = {
    "gpt3-125m": config(12, 768, 12),
    "gpt3-350m": config(24, 1024, 16),
    "gpt3-760m": config(24, 1536, 16),
    "gpt3-1.3b": config(24, 2048, 16),
    "gpt3-2.7b": config(32, 2560, 32),
    "gpt3-6.7b": config(32, 4096, 32),
    "gpt3-13b": config(40, 5140, 20),
    "gpt3-175b": config(96, 12288, 96),
}

NEO_SIZES = {
    "gpt-neo-125m": neo_config(12, 768, 12),
    "gpt-neo-1.3b": neo_config(24, 2048, 16),
    "gpt-neo-2.7b": neo_config(32, 2560, 20),
}

HEADS = {
    "causal_lm": heads.CausalLMHead,
    "sequence_classification": heads.LastTokenClassifier,
    "token_classification": heads.TokenClassifier,
    "question_answering": heads.SpanHead,
}

FAMILY = Family(name="gpt3", sizes=SIZES, heads=HEADS)
NEO = Family(name="gpt-neo", sizes=NEO_SIZES, heads=HEADS, organisation="EleutherAI", licence="MIT")

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"): a pre-norm causal decoder.

Sizes are those released at github.com/openai/gpt-2; the paper's table 2 counts the smallest two as 117M and 345M, the
released files hold 124M and 355M parameters. DistilGPT-2 (arXiv:1910.01108) keeps every other layer.
"""

from typing import Any

from zoo.models.family import Family, Release
from zoo.nn import heads
from zoo.nn.config import AttentionConfig, TransformerConfig


def config(num_layers: int, width: int, num_heads: int, **changes) -> TransformerConfig:
    """A GPT-2 of the given depth, width and number of heads (section 2.3)."""
    fields: dict[str, Any] = dict(
        family="gpt2",
        vocab_size=50257,
        width=width,
        num_layers=num_layers,
        num_heads=num_heads,
        mlp_width=4 * width,
        max_length=1024,
        norm_order="pre",
        norm_eps=1e-5,
        activation="gelu_tanh",
        attention=AttentionConfig(causal=True),
        embed_dropout=0.1,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        init_depth_scaled=True,
        bos_id=50256,
        eos_id=50256,
    )
    return TransformerConfig(**(fields | changes))


SIZES = {
    "gpt2": config(12, 768, 12),
    "gpt2-medium": config(24, 1024, 16),
    "gpt2-large": config(36, 1280, 20),
    "gpt2-xl": config(48, 1600, 25),
    "distilgpt2": config(6, 768, 12),
}

HEADS = {
    "causal_lm": heads.CausalLMHead,
    "sequence_classification": heads.LastTokenClassifier,
    "token_classification": heads.TokenClassifier,
    "question_answering": heads.SpanHead,
    "multiple_choice": heads.LastTokenChoice,
}

FAMILY = Family(
    name="gpt2",
    sizes=SIZES,
    heads=HEADS,
    organisation="openai-community",
    licence="MIT",
    releases={"distilgpt2": Release("distilbert/distilgpt2", "Apache-2.0")},
)

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT (Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training"): a post-norm causal decoder.

The one size is that released at github.com/openai/finetune-transformer-lm. Its GELU is the tanh approximation.
"""

from typing import Any

from zoo.models import gpt2
from zoo.models.family import Family
from zoo.nn import heads
from zoo.nn.config import TransformerConfig


def config(num_layers: int = 12, width: int = 768, num_heads: int = 12, **changes) -> TransformerConfig:
    """The GPT of section 4.1, or another of its kind."""
    fields: dict[str, Any] = dict(
        family="gpt",
        vocab_size=40478,
        max_length=512,
        norm_order="post",
        init_depth_scaled=False,
        bos_id=None,
        eos_id=None,
    )
    return gpt2.config(num_layers, width, num_heads, **(fields | changes))


HEADS = {
    "causal_lm": heads.CausalLMHead,
    "sequence_classification": heads.LastTokenClassifier,
    "token_classification": heads.TokenClassifier,
    "question_answering": heads.SpanHead,
    "multiple_choice": heads.LastTokenChoice,
}

FAMILY = Family(name="gpt", sizes={"openai-gpt": config()}, heads=HEADS, organisation="openai-community", licence="MIT")

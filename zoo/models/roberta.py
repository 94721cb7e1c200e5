# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""RoBERTa (arXiv:1907.11692): BERT pretrained for longer on more text, with dynamic masking and without sentence pairs.

Sizes are those released at github.com/facebookresearch/fairseq (examples/roberta), and by the same code XLM-R
(arXiv:1911.02116) and CamemBERT (arXiv:1911.03894); DistilRoBERTa is the Hub's (arXiv:1910.01108). Position 0 is row
`pad_id + 1` of the position table, and padding takes no position.
"""

import dataclasses
from typing import Any

from zoo.models.family import Family, Release
from zoo.nn import heads
from zoo.nn.config import TransformerConfig


def config(num_layers: int, width: int, vocab_size: int = 50265, *, pad_id: int = 1, **changes) -> TransformerConfig:
    """A RoBERTa of the given depth and width: BERT's proportions (section 3.1)."""
    fields: dict[str, Any] = dict(
        family="roberta",
        vocab_size=vocab_size,
        width=width,
        num_layers=num_layers,
        num_heads=width // 64,
        mlp_width=4 * width,
        max_length=512,
        num_token_types=1,
        norm_eps=1e-5,
        embed_norm=True,
        pad_positions="skipped",
        pad_embedding="frozen",
        embed_dropout=0.1,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        pad_id=pad_id,
        bos_id=0,
        eos_id=2,
    )
    return TransformerConfig(**(fields | changes))


HEADS = {
    "masked_lm": heads.GeluMaskedLMHead,
    "causal_lm": heads.GeluMaskedLMHead,
    "sequence_classification": heads.DenseClassifier,
    "token_classification": heads.TokenClassifier,
    "question_answering": heads.SpanHead,
    "multiple_choice": heads.PooledChoice,
}

FAMILY = Family(
    name="roberta",
    sizes={
        "roberta-base": config(12, 768),
        "roberta-large": config(24, 1024),
        "distilroberta-base": config(6, 768),
    },
    heads=HEADS,
    add_pooling_layer=True,
    special_tokens="roberta",
    organisation="FacebookAI",
    licence="MIT",
    releases={"distilroberta-base": Release("distilbert/distilroberta-base", "Apache-2.0")},
)


def _sibling(name: str, organisation: str, **sizes: TransformerConfig) -> Family:
    """The same model under a name of its own, with another vocabulary."""
    renamed = {size.replace("_", "-"): config.replace(family=name) for size, config in sizes.items()}
    return dataclasses.replace(FAMILY, name=name, sizes=renamed, organisation=organisation, releases={})


XLM_ROBERTA = _sibling(
    "xlm-roberta", "FacebookAI", xlm_roberta_base=config(12, 768, 250002), xlm_roberta_large=config(24, 1024, 250002)
)
CAMEMBERT = _sibling("camembert", "almanach", camembert_base=config(12, 768, 32005, bos_id=5, eos_id=6))

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""DistilBERT (arXiv:1910.01108): every other layer of BERT, without token types and pooler, distilled from it.

Sizes are those released with Hugging Face Transformers.
"""

from typing import Any

from zoo.models import bert
from zoo.models.family import Family
from zoo.nn import heads
from zoo.nn.config import TransformerConfig


def config(num_layers: int = 6, width: int = 768, vocab_size: int = bert.UNCASED, **changes) -> TransformerConfig:
    """A DistilBERT: BERT's base with half of the layers (section 3)."""
    fields: dict[str, Any] = dict(family="distilbert", num_token_types=0, init="normal")
    return bert.config(num_layers, width, vocab_size, **(fields | changes))


SIZES = {
    "distilbert-base-uncased": config(),
    "distilbert-base-cased": config(vocab_size=bert.CASED),
    "distilbert-base-multilingual-cased": config(vocab_size=bert.MULTILINGUAL),
}


class Classifier(heads.DenseClassifier):
    """One label a sequence, through a dense layer with a ReLU; dropout only after it."""

    activation = "relu"
    drops_input = False


class Choice(Classifier):
    """A score for each of the C sequences of `[B, C, T]`."""

    classes = 1


class SpanHead(heads.TokenClassifier):
    """Start and end logits of an answer, with dropout, which the other families do not have there."""

    classes = 2


HEADS = {
    "masked_lm": heads.MaskedLMHead,
    "sequence_classification": Classifier,
    "token_classification": heads.TokenClassifier,
    "question_answering": SpanHead,
    "multiple_choice": Choice,
}

FAMILY = Family(
    name="distilbert", sizes=SIZES, heads=HEADS, special_tokens="bert", organisation="distilbert", licence="Apache-2.0"
)

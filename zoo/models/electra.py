# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""ELECTRA (arXiv:2003.10555): a generator fills in masked tokens, a discriminator predicts which are not the original.

Both are BERTs without a pooler, with one embedding table in training. Sizes are those released at
github.com/google-research/electra (paper, table 6): the generator is a fraction of the discriminator, but for the
released small one, which is as large.
"""

from typing import Any

from zoo.models import bert
from zoo.models.family import Family
from zoo.nn import heads
from zoo.nn.config import TransformerConfig


def config(num_layers: int, width: int, embed_width: int | None = None, **changes) -> TransformerConfig:
    """An ELECTRA of the given depth and width; embeddings are projected only if their width is another."""
    fields: dict[str, Any] = dict(
        family="electra", num_heads=max(1, width // 64), embed_width=None if embed_width == width else embed_width
    )
    return bert.config(num_layers, width, **(fields | changes))


def generator(discriminator: TransformerConfig, multiplier: float) -> TransformerConfig:
    """The generator that trains with a discriminator: width times `multiplier`, embeddings the same (section 3.2)."""
    width = round(discriminator.width * multiplier)
    return discriminator.replace(
        width=width,
        num_heads=max(1, width // 64),
        mlp_width=4 * width,
        embed_width=None if width == discriminator.embedding_width else discriminator.embedding_width,
    )


SMALL, BASE, LARGE = config(12, 256, 128), config(12, 768), config(24, 1024)

SIZES = {
    "electra-small-discriminator": SMALL,
    "electra-small-generator": SMALL,
    "electra-base-discriminator": BASE,
    "electra-base-generator": generator(BASE, 1 / 3),
    "electra-large-discriminator": LARGE,
    "electra-large-generator": generator(LARGE, 1 / 4),
}


class Classifier(heads.DenseClassifier):
    """One label a sequence, through a dense layer with a GELU."""

    activation = "gelu"


class Choice(Classifier):
    """A score for each of the C sequences of `[B, C, T]`; dropout only after the dense layer."""

    drops_input = False
    classes = 1


HEADS = {
    "masked_lm": heads.GeluMaskedLMHead,
    "causal_lm": heads.GeluMaskedLMHead,
    "replaced_token_detection": heads.ReplacedTokenHead,
    "sequence_classification": Classifier,
    "token_classification": heads.TokenClassifier,
    "question_answering": heads.SpanHead,
    "multiple_choice": Choice,
}

FAMILY = Family(
    name="electra",
    sizes=SIZES,
    heads=HEADS,
    generator=generator,
    special_tokens="bert",
    organisation="google",
    licence="Apache-2.0",
)

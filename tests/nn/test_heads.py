# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Which vectors a head reads."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zoo.nn.config import TransformerConfig
from zoo.nn.embed import Embedding
from zoo.nn.heads import Features, LastTokenChoice, LastTokenClassifier

CONFIG = TransformerConfig(
    family="gpt2", vocab_size=11, width=6, num_layers=1, num_heads=2, mlp_width=5, max_length=7, num_labels=3
)
TOKENS = [[4, 0, 5, 0], [6, 7, 0, 8], [0, 0, 0, 0]]
MASK = [[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("head_type", "pad_id", "segments", "last"),
    [
        (LastTokenClassifier, None, None, [3, 3, 3]),
        (LastTokenClassifier, 0, None, [2, 3, 0]),
        (LastTokenClassifier, 0, MASK, [1, 3, 1]),
        (LastTokenChoice, 0, None, [3, 3, 3]),
        (LastTokenChoice, 0, MASK, [1, 3, 1]),
    ],
)
def test_the_last_token_is_that_before_the_padding(head_type, pad_id, segments, last):
    hidden = jnp.asarray(np.random.default_rng(0).standard_normal((3, 4, 6)), jnp.float32)
    head = head_type(CONFIG.replace(pad_id=pad_id), rngs=nnx.Rngs(0))
    features = Features(
        hidden=hidden,
        pooled=None,
        tokens=jnp.asarray(TOKENS, jnp.int32),
        segments=None if segments is None else jnp.asarray(segments, jnp.int32),
        token=Embedding(11, "vocab", CONFIG, rngs=nnx.Rngs(1)),
        logits_at=None,
        dropout_key=None,
    )
    expected = head.classifier(hidden[jnp.arange(3), jnp.asarray(last)])
    np.testing.assert_allclose(head(features)["logits"], expected, atol=1e-6)

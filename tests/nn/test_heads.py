# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Which vectors a head reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.nn.embed import Embedding
from zoo.nn.heads import LABEL_HEADS, Classifier, DenseClassifier, Features, LastTokenChoice, LastTokenClassifier
from zoo.nn.inputs import Inputs

CONFIG = TransformerConfig(
    family="gpt2", vocab_size=11, width=6, num_layers=1, num_heads=2, mlp_width=5, max_length=7, num_labels=3
)
TOKENS = [[4, 0, 5, 0], [6, 7, 0, 8], [0, 0, 0, 0]]
MASK = [[1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]]


def features(hidden, segments=None, dropout_key=None) -> Features:
    return Features(
        hidden=hidden,
        pooled=None,
        token=Embedding(11, "vocab", CONFIG, rngs=nnx.Rngs(1)),
        inputs=Inputs(
            tokens=jnp.asarray(TOKENS, jnp.int32)[: hidden.shape[0]], segments=segments, dropout_key=dropout_key
        ),
    )


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
    read = features(hidden, segments=None if segments is None else jnp.asarray(segments, jnp.int32))
    expected = head.classifier(hidden[jnp.arange(3), jnp.asarray(last)])
    np.testing.assert_allclose(head(read)["logits"], expected, atol=1e-6)


@pytest.mark.parametrize("drops_input", [True, False])
def test_a_dense_classifier_drops_twice_and_not_the_same(drops_input):
    """Through an identity one sees what was dropped: each place with its own chance, before the layer and behind it."""

    class Plain(DenseClassifier):
        activation = "relu"

    Plain.drops_input = drops_input
    config = CONFIG.replace(width=400, mlp_width=5, classifier_dropout=0.25, num_labels=400)
    head = Plain(config, rngs=nnx.Rngs(0))
    head.dense.kernel[...] = head.classifier.kernel[...] = jnp.eye(400)
    kept = [head(features(jnp.ones((1, 4, 400)), dropout_key=jax.random.key(seed)))["logits"] > 0 for seed in range(20)]
    assert abs(float(jnp.stack(kept).mean()) - (0.75**2 if drops_input else 0.75)) < 0.02


def test_the_heads_of_the_configs_labels_are_the_list_of_them():
    for family in registry.FAMILIES.values():
        for name, head in family.heads.items():
            assert (issubclass(head, Classifier) and head.classes is None) == (name in LABEL_HEADS), (family.name, name)


@pytest.mark.parametrize("head", ["sequence_classification", "token_classification", "question_answering"])
def test_a_head_with_labels_is_drawn_without_truncation(head):
    """As Transformers draws it; of the 2,000 numbers of a truncated one none would exceed two standard deviations."""
    config = zoo.config("bert-tiny").replace(
        width=1000, num_heads=10, num_labels=2, num_layers=1, mlp_width=8, vocab_size=9
    )
    model = zoo.create(config, head=head, seed=0)
    kernel = np.asarray(model.head.classifier.kernel[...])
    assert abs(kernel.std() / config.init_std - 1) < 0.05 and np.abs(kernel).max() > 2.5 * config.init_std
    others = np.asarray(model.stack.blocks.mlp.up.kernel[...])
    assert np.abs(others).max() <= 2 * config.init_std

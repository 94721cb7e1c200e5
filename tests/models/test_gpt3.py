# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT-3 is GPT-2 where it sees everything, and goes to a folder and back though Transformers has no such model."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from flax import nnx

import zoo
from zoo.errors import ConfigError
from zoo.hub.families.gpt3 import _decode_pattern
from zoo.nn.config import AttentionConfig

SIZES = dict(vocab_size=31, width=12, num_layers=4, num_heads=3, mlp_width=17, max_length=16)
TOKENS = np.random.default_rng(0).integers(0, 31, (2, 9)).astype(np.int32)


def model(name: str, **changes):
    return zoo.create(zoo.config(name, **(SIZES | changes)), head="causal_lm", seed=1)


def test_a_gpt3_that_sees_everything_is_a_gpt2():
    dense = model("gpt3-125m", attention=AttentionConfig(causal=True))
    gpt2 = model("gpt2")
    nnx.update(gpt2, nnx.state(dense))
    np.testing.assert_array_equal(dense(TOKENS).logits, gpt2(TOKENS).logits)
    banded = model("gpt3-125m", attention=AttentionConfig(causal=True, window=(None, 2)))
    nnx.update(banded, nnx.state(dense))
    assert float(abs(banded(TOKENS).logits - gpt2(TOKENS).logits).max()) > 1e-4


@pytest.mark.parametrize("head", ["causal_lm", "sequence_classification", "token_classification", "question_answering"])
def test_a_folder_and_back(head, tmp_path):
    attention = AttentionConfig(causal=True, window=(None, 3))
    saved = zoo.create(zoo.config("gpt3-125m", **SIZES, attention=attention), head=head)
    zoo.save(saved, tmp_path)
    loaded = zoo.load(tmp_path)
    assert loaded.config.replace(classifier_dropout=None) == saved.config and loaded.head_name == head
    jax.tree.map(np.testing.assert_array_equal, nnx.state(loaded), nnx.state(saved))
    assert json.loads((tmp_path / "config.json").read_text())["attention_types"] == [[["global", "local"], 2]]


def test_two_widths_of_the_band_have_no_key(tmp_path):
    attention = AttentionConfig(causal=True, window=(2, 3))
    with pytest.raises(ConfigError, match="one window for all layers"):
        zoo.save(model("gpt3-125m", attention=attention), tmp_path)
    neo = zoo.config("gpt-neo-125m", **SIZES)
    biased = neo.replace(attention=dataclasses.replace(neo.attention, bias="all"))
    with pytest.raises(ConfigError, match="attention is"):
        zoo.save(zoo.create(biased, head="causal_lm"), tmp_path)


@pytest.mark.parametrize(
    ("types", "layers", "pattern"),
    [
        ([[["global", "local"], 6]], 12, (None, 5)),
        ([[["global"], 3]], 3, (None,)),
        ([[["local"], 2], [["global"], 1]], 3, (5, 5, None)),
        ([[["global"], 1], [["local"], 1], [["global", "local"], 1]], 4, (None, 5)),
    ],
)
def test_patterns(types, layers, pattern):
    assert _decode_pattern(types, 5, layers) == pattern


@pytest.mark.parametrize("types", [[[["global"], 2]], [[["global"], 10**12]], [["global", 3]], [[["far"], 3]], [3], []])
def test_other_patterns_are_refused(types):
    with pytest.raises(ConfigError, match="'attention_types'"):
        _decode_pattern(types, 5, 3)


def test_weights_that_were_never_released_are_not_looked_for():
    with pytest.raises(ConfigError, match=r"never released; zoo.create\(zoo.config\('gpt3-175b'\)\)"):
        zoo.load("gpt3-175b")

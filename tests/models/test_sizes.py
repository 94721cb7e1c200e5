# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every published size has the published number of parameters, counted at true size without allocating any."""

import math

import jax
import pytest
from flax import nnx

from zoo import registry

# Parameters of the bare model and of the models with a head, as the torch library counts them.
COUNTS = {
    ("bert-tiny", None): 4_385_920,
    ("bert-mini", None): 11_170_560,
    ("bert-small", None): 28_763_648,
    ("bert-medium", None): 41_373_184,
    ("bert-base-uncased", None): 109_482_240,
    ("bert-base-uncased", "pretraining"): 110_106_428,
    ("bert-base-uncased", "masked_lm"): 109_514_298,
    ("bert-base-cased", None): 108_310_272,
    ("bert-base-multilingual-cased", None): 177_853_440,
    ("bert-base-chinese", None): 102_267_648,
    ("bert-large-uncased", None): 335_141_888,
    ("bert-large-uncased", "pretraining"): 336_226_108,
    ("bert-large-uncased", "masked_lm"): 335_174_458,
    ("bert-large-cased", None): 333_579_264,
    ("bert-large-uncased-whole-word-masking", None): 335_141_888,
    ("bert-large-cased-whole-word-masking", None): 333_579_264,
    ("gpt2", None): 124_439_808,
    ("gpt2", "causal_lm"): 124_439_808,
    ("gpt2-medium", "causal_lm"): 354_823_168,
    ("gpt2-large", "causal_lm"): 774_030_080,
    ("gpt2-xl", "causal_lm"): 1_557_611_200,
    ("distilgpt2", "causal_lm"): 81_912_576,
}

# What is left without the embeddings.
STACKS = {
    "bert-base-uncased": 85_054_464,
    "bert-large-uncased": 302_309_376,
    "gpt2": 85_056_000,
    "gpt2-medium": 302_311_424,
    "gpt2-large": 708_390_400,
    "gpt2-xl": 1_475_561_600,
}


def count(model, *parts: str) -> int:
    state = nnx.to_pure_dict(nnx.state(model))
    return sum(math.prod(leaf.shape) for part in parts or state for leaf in jax.tree.leaves(state.get(part, {})))


def abstract(name: str, head: str | None):
    entry = registry.lookup(name)
    return entry.family.abstract(entry.config, head=head)


def test_every_published_size_is_counted():
    assert {name for name, _ in COUNTS} == set(registry.ENTRIES)


@pytest.mark.parametrize(("name", "head"), COUNTS)
def test_parameter_count(name, head):
    assert count(abstract(name, head)) == COUNTS[name, head]


@pytest.mark.parametrize("name", STACKS)
def test_parameter_count_of_the_stack(name):
    assert count(abstract(name, None), "stack", "final_norm") == STACKS[name]

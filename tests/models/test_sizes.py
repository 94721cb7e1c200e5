# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every published size has the published number of parameters, counted at true size without allocating any."""

import math

import jax
import pytest
from flax import nnx

from zoo.models import registry

# Parameters of the bare model and of the models with a head, as Transformers counts them.
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
    ("roberta-base", None): 124_645_632,
    ("roberta-base", "masked_lm"): 124_697_433,
    ("roberta-base", "question_answering"): 124_055_040 + 2 * 768 + 2,  # no pooler
    ("roberta-large", None): 355_359_744,
    ("roberta-large", "masked_lm"): 355_412_057,
    ("distilroberta-base", None): 82_118_400,
    ("xlm-roberta-base", None): 278_043_648,
    ("xlm-roberta-large", None): 559_890_432,
    ("camembert-base", None): 110_621_952,
    ("albert-base-v1", None): 11_683_584,
    ("albert-large-v1", None): 17_683_968,
    ("albert-xlarge-v1", None): 58_724_864,
    ("albert-xxlarge-v1", None): 222_595_584,
    ("albert-base-v2", None): 11_683_584,
    ("albert-base-v2", "masked_lm"): 11_221_680,
    ("albert-base-v2", "pretraining"): 11_813_810,
    ("albert-large-v2", None): 17_683_968,
    ("albert-xlarge-v2", None): 58_724_864,
    ("albert-xxlarge-v2", None): 222_595_584,
    ("electra-small-discriminator", None): 13_483_008,
    ("electra-small-discriminator", "replaced_token_detection"): 13_549_057,
    ("electra-small-generator", "masked_lm"): 13_546_682,
    ("electra-base-discriminator", None): 108_891_648,
    ("electra-base-discriminator", "replaced_token_detection"): 109_483_009,
    ("electra-base-generator", None): 33_511_168,
    ("electra-large-discriminator", None): 334_092_288,
    ("electra-large-discriminator", "replaced_token_detection"): 335_142_913,
    ("electra-large-generator", None): 50_999_552,
    ("distilbert-base-uncased", None): 66_362_880,
    ("distilbert-base-cased", None): 65_190_912,
    ("distilbert-base-multilingual-cased", None): 134_734_080,
    ("openai-gpt", "causal_lm"): 116_534_784,
    ("xlnet-base-cased", None): 116_718_336,
    ("xlnet-base-cased", "permutation_lm"): 116_718_336 + 32_000,
    ("xlnet-large-cased", None): 360_268_800,
    ("transformer-base", "seq2seq_lm"): 63_045_632,
    ("transformer-big", "seq2seq_lm"): 214_171_648,
    ("opus-mt-en-de", None): 73_886_208,
    ("t5-small", "seq2seq_lm"): 60_506_624,
    ("t5-base", "seq2seq_lm"): 222_903_552,
    ("t5-large", "seq2seq_lm"): 737_668_096,
    ("t5-3b", "seq2seq_lm"): 2_851_598_336,
    ("t5-11b", "seq2seq_lm"): 11_307_321_344,
    ("t5-v1_1-small", "seq2seq_lm"): 76_961_152,
    ("t5-v1_1-base", "seq2seq_lm"): 247_577_856,
    ("t5-v1_1-large", "seq2seq_lm"): 783_150_080,
    ("t5-v1_1-xl", "seq2seq_lm"): 2_849_757_184,
    ("t5-v1_1-xxl", "seq2seq_lm"): 11_135_332_352,
    ("gpt3-125m", "causal_lm"): 125_226_240,
    ("gpt3-350m", "causal_lm"): 355_871_744,
    ("gpt3-760m", "causal_lm"): 760_300_032,
    ("gpt3-1.3b", "causal_lm"): 1_315_723_264,
    ("gpt3-2.7b", "causal_lm"): 2_651_553_280,
    ("gpt3-6.7b", "causal_lm"): 6_658_404_352,
    ("gpt3-13b", "causal_lm"): 12_952_938_780,
    ("gpt3-175b", "causal_lm"): 174_604_259_328,
    ("gpt-neo-125m", "causal_lm"): 125_198_592,
    ("gpt-neo-1.3b", "causal_lm"): 1_315_575_808,
    ("gpt-neo-2.7b", "causal_lm"): 2_651_307_520,
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

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Prompts that are read in both directions: what comes is what `model(tokens, prefix=)` gives without a cache."""

import jax
import numpy as np
import pytest

import zoo
from tests.generation.test_beam import plain_search
from zoo.errors import ConfigError
from zoo.nn.config import AttentionConfig

PROMPTS = [[5, 1, 7], [2], [9, 9, 3, 4, 8]]
LONGEST, ENDS = 24, (3, 15)
SIZES = dict(vocab_size=37, width=12, num_layers=2, num_heads=2, mlp_width=24, max_length=LONGEST, init_std=0.4)


CASES = [("gpt2", "loop", (None, 6)), ("openai-gpt", "scan", (None,))]  # family, stack, windows


@pytest.fixture(scope="module", params=CASES)
def model(request):
    family, stack, window = request.param
    attention = AttentionConfig(causal=True, window=window)
    config = zoo.config(family, **SIZES, eos_id=None, stack=stack, attention=attention)
    return zoo.create(config, head="causal_lm", seed=3)


@pytest.fixture(scope="module")
def log_probs(model):
    """The log probabilities of the token that follows a prompt and what was generated, in float64."""
    run = jax.jit(lambda tokens, prefix: jax.nn.log_softmax(model(tokens, prefix=prefix).logits[0]))

    def after(prompt: list[int]):
        def follow(tokens: list[int]) -> np.ndarray:
            padded, prefix = np.zeros((2, 1, LONGEST), np.int32)
            padded[0, : len(tokens)], prefix[0, : len(prompt)] = tokens, 1
            return np.asarray(run(padded, prefix))[len(tokens) - 1].astype(np.float64)

        return follow

    return after


def test_greedy_tokens_are_those_without_a_cache(model, log_probs):
    """Of prompts of any length in one batch, and not those of a causal reading."""
    out = zoo.generate(model, PROMPTS, max_new_tokens=9, prefix=True)
    for prompt, tokens in zip(PROMPTS, out.tokens, strict=True):
        text = list(prompt)
        for _ in range(9):
            text.append(int(np.argmax(log_probs(prompt)(text))))
        assert tokens == text[len(prompt) :]
    causal = zoo.generate(model, PROMPTS, max_new_tokens=9)
    alike = [ours == theirs for ours, theirs in zip(out.tokens, causal.tokens, strict=True)]
    assert alike == [False, True, False]  # a prompt of one token sees itself either way
    assert zoo.generate(model, PROMPTS, max_new_tokens=9, prefix=False) == causal


def test_a_beam_search_is_the_plain_one(model, log_probs):
    options = dict(num_beams=3, length_penalty=0.6)
    out = zoo.generate(model, PROMPTS, max_new_tokens=6, eos_id=ENDS, prefix=True, **options)
    best = [plain_search(log_probs(prompt), prompt, 6, options)[0] for prompt in PROMPTS]
    assert out.tokens == [new for _, new in best]
    np.testing.assert_allclose(out.scores, [score for score, _ in best], rtol=1e-5)


def test_refuses(unchecked_types, model):
    with pytest.raises(ConfigError, match="prefix must be True, to read prompts in both directions, or False; found 3"):
        zoo.generate(model, PROMPTS, prefix=3)
    sizes = SIZES | dict(decoder_layers=1, kv_width=6, init_std=0.02)
    answers = zoo.create(zoo.config("t5-small", **sizes), head="seq2seq_lm")
    with pytest.raises(ConfigError, match=r"this model's encoder does so without\. Leave prefix out"):
        zoo.generate(answers, PROMPTS, prefix=True)

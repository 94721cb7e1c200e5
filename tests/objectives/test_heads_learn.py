# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every family learns the rows that come with the package, by each head for which there is an objective."""

import functools
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from zoo.data import ChoicesConfig, QuestionsConfig, TableConfig, TaggingConfig
from zoo.data.config import TokenizerConfig
from zoo.models import registry
from zoo.objectives import MultipleChoice, QuestionAnswering, SequenceClassification, TokenClassification

FAST_COMPILE = {"xla_backend_optimization_level": 0}
SIZES = dict(width=32, num_heads=2, kv_width=16, mlp_width=64, num_layers=2, max_length=96, pad_id=0, stack="loop")
RATES = dict(embed_dropout=0.0, hidden_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.0)
EMBEDDED = dict(source="embedded", tokenizer=TokenizerConfig(kind="wordpiece", vocab_size=300, lower_case=True))
ROWS, STEPS = 32, 240
DATA = {
    "sequence_classification": TableConfig(seq_len=24, **EMBEDDED),
    "token_classification": TaggingConfig(seq_len=24, **EMBEDDED),
    "question_answering": QuestionsConfig(seq_len=64, stride=8, max_question_tokens=16, **EMBEDDED),
    "multiple_choice": ChoicesConfig(seq_len=24, options=tuple(f"ending{i}" for i in range(4)), **EMBEDDED),
}
OBJECTIVES = {
    kind.head: kind for kind in (SequenceClassification, TokenClassification, QuestionAnswering, MultipleChoice)
}
QUICK = (
    ("bert", "token_classification"),
    ("xlnet", "question_answering"),
    ("gpt2", "multiple_choice"),
    ("t5", "sequence_classification"),
)
CASES = [
    pytest.param(name, head, marks=[] if (name, head) in QUICK else [pytest.mark.slow])
    for name, family in registry.FAMILIES.items()
    for head in DATA
    if head in family.heads
]


@functools.cache
def opened(head: str):
    """The data of a head, and the batch that is learned."""
    data = DATA[head].open(cache_dir=Path())
    return data, jax.tree.map(jax.numpy.asarray, data.split("train").read(np.arange(ROWS)))


@pytest.mark.parametrize(("name", "head"), CASES)
def test_it_learns(name, head):
    data, batch = opened(head)
    objective = OBJECTIVES[head]().bind(data.info)
    family = registry.FAMILIES[name]
    published = next(iter(family.sizes.values()))
    ids = dict(vocab_size=data.tokenizer.vocab_size, eos_id=data.tokenizer.sep_id, bos_id=data.tokenizer.cls_id)
    decoder = {} if published.decoder_layers is None else dict(decoder_layers=2, decoder_start_id=0)
    sizes = SIZES | ids | decoder | RATES | dict(embed_width=published.embed_width and 16)
    config = objective.configure(published.replace(**sizes))
    graphdef, params = nnx.split(objective.build(config, rngs=nnx.Rngs(0)))
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.linear_schedule(3e-3, 0.0, STEPS)))

    def loss(params):
        sums = objective.loss(nnx.merge(graphdef, params), batch)
        return sums["loss"] / sums["weight"], sums["correct"] / sums["weight"]

    @functools.partial(jax.jit, compiler_options=FAST_COMPILE)
    def steps(params, state):
        def step(carry, _):
            params, state = carry
            (_, accuracy), grads = jax.value_and_grad(loss, has_aux=True)(params)
            updates, state = optimizer.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), accuracy

        return jax.lax.scan(step, (params, state), length=STEPS)[1]

    with jax.numpy_dtype_promotion("standard"):
        accuracy = np.asarray(steps(params, optimizer.init(params)))
    assert accuracy[0] < 0.9 and accuracy[-10:].min() >= 0.95

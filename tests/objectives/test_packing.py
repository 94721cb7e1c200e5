# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Packed rows give the loss and the gradients of rows with one example each, for every family and fine-tuned head."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.objectives.fakes import info
from zoo.data.choices import ChoiceExamples
from zoo.data.packing import PackedExamples
from zoo.data.ragged import SequenceExamples, join
from zoo.data.schema import Feature
from zoo.errors import ConfigError
from zoo.models import registry
from zoo.objectives import (
    CausalLM,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
)

FAST_COMPILE = {"xla_backend_optimization_level": 0}
SEQ_LEN, PLACES, PAD, EOS = 24, 4, 3, 2
COUNT, OPTIONS, CLASSES = 7, 2, ("a", "b", "c")
SIZES = dict(
    vocab_size=37,
    width=12,
    num_layers=1,
    num_heads=3,
    kv_width=4,
    mlp_width=17,
    max_length=SEQ_LEN,
    stack="loop",
    pad_id=PAD,
    bos_id=1,
    eos_id=EOS,
    decoder_start_id=4,
)
TOKENS = {name: Feature(kind="tokens") for name in ("tokens", "token_types", "segments")}
CHOICES = {name: Feature(kind="choices", num_choices=OPTIONS) for name in TOKENS}
LABEL, NUMBER = Feature(kind="class", classes=CLASSES), Feature(kind="float")
KINDS = {
    "sequence_classification": (
        SequenceClassification(class_weights=(1.0, 2.0, 0.5), label_smoothing=0.1),
        TOKENS | {"label": LABEL},
    ),
    "regression": (SequenceClassification(), TOKENS | {"label": NUMBER}),
    "token_classification": (TokenClassification(), TOKENS | {"tags": Feature(kind="tags", classes=CLASSES)}),
    "question_answering": (QuestionAnswering(), TOKENS | {"span": Feature(kind="span")}),
    "multiple_choice": (MultipleChoice(), CHOICES | {"label": Feature(kind="class", classes=("0", "1"))}),
}
QUICK = (  # each way to read a sequence, to count positions and to attend
    ("bert", "sequence_classification"),
    ("bert", "regression"),
    ("bert", "token_classification"),
    ("roberta", "question_answering"),
    ("albert", "multiple_choice"),
    ("distilbert", "sequence_classification"),
    ("xlnet", "multiple_choice"),
    ("xlnet", "question_answering"),
    ("t5", "sequence_classification"),
    ("t5", "question_answering"),
    ("gpt2", "multiple_choice"),
    ("gpt-neo", "sequence_classification"),
)
CASES = [
    pytest.param(name, kind, marks=[] if (name, kind) in QUICK else [pytest.mark.slow])
    for name, family in registry.FAMILIES.items()
    for kind, (objective, _) in KINDS.items()
    if objective.head in family.heads and (kind != "regression" or name == "bert")
]


@functools.cache
def examples(kind):
    """Sequences of 2 to 11 tokens with an end token each, and labels of that kind."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 12, COUNT * (OPTIONS if kind == "multiple_choice" else 1))
    ends, total = np.cumsum(lengths), lengths.sum()
    fields = {"tokens": rng.integers(5, 37, total).astype(np.int32), "token_types": rng.integers(0, 2, total, np.int32)}
    fields["tokens"][ends - 1] = EOS
    if kind == "token_classification":
        fields["tags"] = rng.integers(-1, 3, total).astype(np.int32)
    columns = {}
    if kind == "question_answering":
        spans = np.sort(rng.integers(0, lengths[:, None], (COUNT, 2)), axis=1)
        columns["span"] = np.append(spans, [[0, 0]], axis=0).astype(np.int32)
    elif kind == "regression":
        columns["label"] = rng.standard_normal(COUNT + 1).astype(np.float32)
    elif kind != "token_classification":
        columns["label"] = rng.integers(0, 2, COUNT + 1).astype(np.int32)
    if kind == "multiple_choice":
        sequences = SequenceExamples(join(fields, lengths), {}, SEQ_LEN, 1, PAD)
        return ChoiceExamples(sequences, OPTIONS, columns)
    return SequenceExamples(join(fields, lengths), columns, SEQ_LEN, 1, PAD)


def batches(kind):
    """All examples, one a row, and packed into rows of which one holds nothing."""
    padded, indices = examples(kind), np.arange(COUNT)
    packed = PackedExamples(padded, KINDS[kind][1], SEQ_LEN, PLACES)
    rows = packed.layout(indices, multiple=5)
    assert len(rows) == 5 and (rows >= 0).any(axis=1).sum() < 5
    return padded.read(indices), packed.read(rows)


def build(name, objective):
    """A small model with random values everywhere."""
    published = next(iter(registry.FAMILIES[name].sizes.values()))
    decoder = {} if published.decoder_layers is None else {"decoder_layers": 1}
    pad = {"pad_id": None} if published.pad_id is None else {}
    window = tuple(window and 3 for window in reversed(published.attention.window))  # so that the one layer has it
    attention = dataclasses.replace(published.attention, window=window)
    sizes = SIZES | decoder | pad | dict(embed_width=published.embed_width and 8, attention=attention)
    config = objective.configure(published.replace(**sizes))
    graphdef, shapes = nnx.split(registry.FAMILIES[name].abstract(config, head=objective.head))
    rng = np.random.default_rng(7)
    return graphdef, jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), leaf.dtype), shapes)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_loss_and_gradients_are_those_of_an_example_a_row(name, kind):
    objective, schema = KINDS[kind]
    objective = objective.bind(info(seq_len=SEQ_LEN, schema=schema))
    graphdef, params = build(name, objective)

    def mean(params, batch):
        sums = objective.loss(nnx.merge(graphdef, params), batch)
        return sums["loss"] / sums["weight"], sums

    step = jax.jit(jax.grad(mean, has_aux=True), compiler_options=FAST_COMPILE)
    (expected, sums), (found, packed_sums) = (step(params, jax.tree.map(jnp.asarray, b)) for b in batches(kind))
    assert sums["weight"] > 1
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5), packed_sums, sums)
    expected, found = (jax.tree.leaves_with_path(nnx.to_pure_dict(grads)) for grads in (expected, found))
    largest = max(float(jnp.abs(grad).max()) for _, grad in expected)
    assert largest > 1e-3
    for (path, one), (_, other) in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * largest, err_msg=str(path))


def test_an_objective_that_reads_one_example_a_row_is_refused():
    schema = {name: Feature(kind="tokens") for name in ("tokens", "segments", "positions")}
    with pytest.raises(ConfigError, match=r"data.packing is 4, and the objective CausalLM .* set\s*data.packing=0"):
        CausalLM().bind(dataclasses.replace(info(schema=schema), packing=4))

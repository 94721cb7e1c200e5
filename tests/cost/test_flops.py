# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Operations counted in programs, against formulas and against XLA."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.objectives.fakes import info
from zoo.cost import flops
from zoo.data.random import Key
from zoo.data.schema import Feature
from zoo.errors import InputError
from zoo.models import registry
from zoo.objectives import PermutationLM

B, T, M = 2, 64, 10


def small(name: str, **changes):
    config = zoo.config(name)
    layers = {} if config.decoder_layers is None else {"decoder_layers": 2}
    return config.replace(**(dict(num_layers=2, stack="loop", dtype="float32") | layers | changes))


def per_layer(config, queries: int = T, keys: int = T) -> int:
    """Of a row: four projections and the feed-forward network (two products), scores and sums of values."""
    width, inner = config.width, config.num_heads * config.head_width
    return 8 * queries * width * inner + 4 * queries * keys * inner + 4 * queries * width * config.mlp_width


def test_an_encoder_that_reads_some_positions():
    config = small("bert-base-uncased")
    head = 2 * M * config.width * (config.width + config.vocab_size)
    found = flops.forward(config, head="masked_lm", batch=B, length=T, predictions=M)
    assert found == B * (2 * per_layer(config) + head)


def test_a_decoder_that_reads_all_positions():
    config = small("gpt2")
    found = flops.forward(config, head="causal_lm", batch=B, length=T)
    assert found == B * (2 * per_layer(config) + 2 * T * config.width * config.vocab_size)


def test_shared_layers_count_each_time():
    config = small("albert-base-v2", num_layers=6)
    assert config.layers_stored == 1
    projection, pooler = 2 * T * config.embedding_width * config.width, 2 * config.width**2
    found = flops.forward(config, head=None, batch=B, length=T)
    assert found == B * (6 * per_layer(config) + projection + pooler)


def test_an_encoder_and_a_decoder():
    """The decoder's layers read the encoder, too."""
    config = small("t5-small")
    cross = per_layer(config) - 4 * T * config.width * config.mlp_width
    layers = 2 * per_layer(config) + 2 * (per_layer(config) + cross)
    found = flops.forward(config, head="seq2seq_lm", batch=B, length=T)
    assert found == B * (layers + 2 * T * config.width * config.vocab_size)


def test_two_streams():
    """Both meet 2 T distances; the second has M vectors, which stand at T places while they attend."""
    config = small("xlnet-base-cased")
    width = config.width
    near = 2 * T * 2 * T * width
    distances = 2 * 2 * T * width * width  # whatever the batch is
    first = per_layer(config) + near
    second = 4 * M * width * (width + config.mlp_width) + 4 * T * T * width + near
    words = 2 * M * width * config.vocab_size
    found = flops.forward(config, head="permutation_lm", batch=B, length=T, predictions=M)
    assert found == 2 * (B * (first + second) + distances) + B * words


@pytest.mark.parametrize("changes", [dict(stack="scan"), dict(remat="full"), dict(dtype="bfloat16")], ids=str)
def test_how_it_runs_changes_nothing(changes):
    plain, other = small("gpt2"), small("gpt2", **changes)
    assert flops.forward(plain, head="causal_lm", batch=B, length=T) == flops.forward(
        other, head="causal_lm", batch=B, length=T
    )


def test_training_takes_three_times_as_much():
    config = small("bert-base-uncased")
    graphdef, params = nnx.split(registry.family_of(config).abstract(config, head="masked_lm"))
    tokens = jax.ShapeDtypeStruct((B, T), jnp.int32)

    def loss(params, tokens):
        return nnx.merge(graphdef, params)(tokens).logits.sum()

    once = flops.forward(config, head="masked_lm", batch=B, length=T)
    assert flops.count(jax.grad(loss), params, tokens) == flops.TRAINING * once


@pytest.mark.parametrize(
    ("name", "head", "changes"),
    [
        ("bert-base-uncased", "masked_lm", dict(activation="relu")),  # XLA counts some 20 operations for a GELU
        ("gpt2", "causal_lm", {}),
        ("albert-base-v2", "masked_lm", {}),
        ("xlnet-base-cased", "permutation_lm", {}),
        ("t5-small", "seq2seq_lm", {}),
    ],
)
def test_equals_what_xla_counts(name, head, changes):
    """But for what is no product: sums, softmaxes, norms."""
    config = small(name, **changes)
    graphdef, params = nnx.split(registry.family_of(config).abstract(config, head=head))
    given = {"tokens": jax.ShapeDtypeStruct((B, T), jnp.int32)}
    if config.decoder_layers is not None:
        given["decoder_tokens"] = given["tokens"]
    lowered = jax.jit(lambda params, given: nnx.merge(graphdef, params)(**given).logits).lower(params, given)
    found = flops.forward(config, head=head, batch=B, length=T)
    assert found <= lowered.cost_analysis()["flops"] < 1.01 * found


def test_permutations_with_memory_equal_what_xla_counts():
    """The objective's loss: both streams over a memory, with predictions at some positions."""
    config = small("xlnet-base-cased")
    schema = {name: Feature(kind="tokens") for name in ("tokens", "segments", "word_starts")}
    ids = dict(vocab_size=config.vocab_size, special_ids=frozenset(range(9)), cls_id=3, sep_id=4)
    data = dataclasses.replace(
        info(seq_len=T, schema={**schema, "continues": Feature(kind="float")}, **ids), stride=T // 2
    )
    objective = PermutationLM(mem_len=48).bind(data)
    graphdef, params = nnx.split(registry.family_of(config).abstract(config, head="permutation_lm"))
    batch = objective.arrange(data.placeholder(B), Key(0, 0, 0, np.arange(B)))

    def loss(params, batch):
        return objective.loss(nnx.merge(graphdef, params), batch)["loss"]

    found = flops.count(loss, params, batch)
    keys = T + 48
    near, distances = 2 * T * (T + keys) * config.width, 2 * (T + keys) * config.width**2
    attention = 4 * T * keys * config.width + near + 4 * T * config.width  # the last are the terms of segments
    content = 4 * (T + keys) * config.width**2 + attention + 4 * T * config.width * config.mlp_width
    query = 4 * M * config.width**2 + attention + 4 * M * config.width * config.mlp_width
    assert found == 2 * (B * (content + query) + distances) + B * 2 * M * config.width * config.vocab_size

    def outputs(params, batch):
        """Logits, since XLA counts a loop over the vocabulary once, and what it would leave out: the last content."""
        inputs = {name: batch[name] for name in ("tokens", "token_types", "order", "target_positions")}
        memory = jnp.zeros((2, 48, B, config.width))
        out = nnx.merge(graphdef, params)(**inputs, memory=memory, return_hidden_states=True)
        return out.logits, out.hidden_states[-2]

    assert found <= jax.jit(outputs).lower(params, batch).cost_analysis()["flops"] < 1.02 * found


def test_loops_of_unknown_length_are_refused():
    def run(x):
        return jax.lax.while_loop(lambda x: x[0, 0] < 1.0, lambda x: x @ x, x)

    with pytest.raises(InputError, match="The products in a while cannot be counted"):
        flops.count(run, jnp.ones((2, 2)))
    assert flops.count(lambda x: jax.lax.fori_loop(0, 3, lambda _, x: x @ x, x), jnp.ones((2, 2))) == 3 * 16
    assert flops.count(lambda x: jax.lax.cond(x[0, 0] > 0, lambda x: x @ x, lambda x: x, x), jnp.ones((2, 2))) == 16

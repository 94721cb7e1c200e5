# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiles for a TPU that is not there and prints, as JSON, what the program holds. A process of its own for each chip.

Usage: python tests/kernels/compile_for_tpu.py TOPOLOGY PROGRAM..., each of
attention:CASE, loss:VOCAB:WIDTH:DTYPE, step:FAMILY:LAYERS
"""

import dataclasses
import json
import os
import re
import sys

from zoo.aot import topology

os.environ.update(topology.environment(), JAX_PLATFORMS="cpu")

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

import zoo
from zoo.kernels.attention import AttentionMask, Relative, attention, specs
from zoo.kernels.softmax_xent import softmax_xent
from zoo.models import registry
from zoo.objectives import CausalLM, MaskedLM
from zoo.sharding import rules
from zoo.sharding.mesh import make_mesh
from zoo.train.state import TrainState
from zoo.train.step import make_train_step

ROWS = 4  # a chip


def compile_attention(name: str, mesh) -> str:
    """Forward and backward of one row of the table of shapes."""
    case = dataclasses.replace(specs.case(name), B=ROWS)
    sharding = NamedSharding(mesh, PartitionSpec())

    def array(*shape, dtype=case.dtype):
        return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype), sharding=sharding)

    query, key = array(ROWS, case.T, case.N, case.H), array(ROWS, case.keys, case.key_heads, case.H)
    segments = array(ROWS, case.T, dtype="int32") if case.segments else None
    bias = case.bias_shape and array(*case.bias_shape)
    relative = case.relative_shapes and Relative(
        **{name: array(*field.shape, dtype=field.dtype) for name, field in case.relative_shapes.items()}
    )

    def run(query, key, value, bias, relative, segments, dout):
        def attend(query, key, value, bias, relative):
            return attention(
                query,
                key,
                value,
                mask=AttentionMask(
                    causal=case.causal, window=case.window, query_segments=segments, key_segments=segments
                ),
                bias=bias,
                relative=relative,
                dropout_rate=case.dropout,
                dropout_key=jax.random.key(0),
                dropout_bits=case.dropout_bits,
                implementation="pallas_tpu",
            )

        out, back = jax.vjp(attend, query, key, value, bias, relative)
        return out, back(dout)

    with rules.partitioned(mesh, "dp"):
        return jax.jit(run).lower(query, key, key, bias, relative, segments, query).compile().as_text()


def compile_loss(vocab: int, width: int, dtype: str, mesh) -> str:
    """Vocabulary loss of 4 x 500 positions and its gradients."""
    sharding = NamedSharding(mesh, PartitionSpec())
    x, table, bias = (
        jax.ShapeDtypeStruct(shape, dtype, sharding=sharding) for shape in ((4, 500, width), (vocab, width), (vocab,))
    )
    targets = jax.ShapeDtypeStruct((4, 500), jnp.int32, sharding=sharding)

    def run(x, table, bias, targets):
        out = softmax_xent(x, table, targets, bias=bias, label_smoothing=0.1, implementation="pallas_tpu")
        return jnp.sum(out.loss), out.predicted

    with rules.partitioned(mesh, "dp"):
        step = jax.value_and_grad(run, argnums=(0, 1, 2), has_aux=True)
        return jax.jit(step).lower(x, table, bias, targets).compile().as_text()


def compile_step(family: str, layers: int, mesh) -> str:
    """A whole train step, of BERT-base at T 512 or GPT-2 124M at T 1,024."""
    name, length = {"bert": ("bert-base-uncased", 512), "gpt2": ("gpt2", 1024)}[family]
    config = zoo.config(name, num_layers=layers, dtype="bfloat16", remat="full")
    head = "masked_lm" if family == "bert" else "causal_lm"
    rows = ROWS * mesh.size
    batch = {name: (rows, length) for name in ("tokens", "segments", "positions")}
    objective = CausalLM()
    if family == "bert":
        objective = MaskedLM(max_predictions=77)
        batch |= {name: (rows, 77) for name in ("mask_positions", "mask_targets", "mask_weights")}
    graphdef, params = nnx.split(registry.family_of(config).abstract(config, head=head))
    optimizer = optax.adamw(1e-4)
    whole, spread = rules.replicated(mesh), rules.batch_sharding(mesh)
    state = jax.eval_shape(lambda p: TrainState.create(p, {}, optimizer, 0), nnx.to_pure_dict(params))
    state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole), state)
    dtypes = {"mask_weights": jnp.float32}
    arrays = {
        name: jax.ShapeDtypeStruct(shape, dtypes.get(name, jnp.int32), sharding=spread) for name, shape in batch.items()
    }
    step = make_train_step(graphdef, objective, optimizer, context=lambda: rules.partitioned(mesh, "dp"))
    return step.lower(state, arrays).compile().as_text()


def describe(text: str) -> dict:
    """The kernels of a program, and every shape of a float32 or bfloat16 array in it."""
    found = set(re.findall(r"\b(f32|bf16|pred|s8)\[([\d,]+)\]", text))
    return {
        "kernels": sorted(set(re.findall(r"(?:attention|softmax_xent)_(?:forward|backward)", text))),
        "calls": text.count('custom_call_target="tpu_custom_call"'),
        "shapes": sorted([dtype, [int(size) for size in dims.split(",")]] for dtype, dims in found),
    }


def main(name: str, programs: list[str]) -> None:
    devices = topology.devices(name)
    for program in programs:
        kind, *words = program.split(":")
        if kind == "attention":
            text = compile_attention(words[0], make_mesh("data:-1", devices[:1]))
        elif kind == "loss":
            text = compile_loss(int(words[0]), int(words[1]), words[2], make_mesh("data:-1", devices[:1]))
        else:
            text = compile_step(words[0], int(words[1]), make_mesh("data:-1", devices))
        print(json.dumps({"program": program, **describe(text)}), flush=True)


if __name__ == "__main__":
    np.random.seed(0)
    main(sys.argv[1], sys.argv[2:])

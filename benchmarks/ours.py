# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Whole-model timings of the zoo, float32 on CPU: the same work, and the same JSON lines, as the peers' scripts.

python -m benchmarks.ours bert_fwd bert_train gpt2_train gpt2_gen       (no name runs them all)

bert_fwd    BERT-base encoder, 8 rows of 128 tokens
bert_train  masked LM with logits at every position, AdamW, no dropout, 8 x 128
bert_train_gathered  the same with logits at 20 positions a row, which is how the zoo trains
gpt2_train  124M, 4 rows of 256 tokens
gpt2_gen    greedy, 32 prompt tokens and 64 new ones, for 1 row and for 8
"""

import json
import statistics
import sys
import time
from collections.abc import Callable

import jax
import numpy as np
import optax
from flax import nnx

import zoo
from zoo.nn.transformer import Transformer
from zoo.objectives import CausalLM, MaskedLM, Objective
from zoo.train.state import TrainState
from zoo.train.step import make_train_step

_NO_DROPOUT = dict(embed_dropout=0.0, hidden_dropout=0.0, attention_dropout=0.0)
_RNG = np.random.default_rng(0)


def ids(model: Transformer, rows: int, length: int) -> np.ndarray:
    return _RNG.integers(0, model.config.vocab_size, (rows, length)).astype(np.int32)


def median(run: Callable, repeats: int) -> float:
    """Seconds of one run, after one that compiles."""
    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def emit(name: str, seconds: float, **more: float) -> None:
    print(json.dumps({"peer": "zoo", "name": name, "s": round(seconds, 4), **more}), flush=True)


def bert_fwd() -> None:
    model = zoo.create(zoo.config("bert-base-uncased")).for_inference()
    tokens = ids(model, 8, 128)
    graphdef, params = nnx.split(model)
    forward = jax.jit(lambda params, tokens: nnx.merge(graphdef, params)(tokens).hidden)
    emit("bert_fwd", median(lambda: forward(params, tokens), 5))


def train(name: str, model: Transformer, objective: Objective, batch: dict[str, np.ndarray]) -> None:
    graphdef, params = nnx.split(model)
    with jax.numpy_dtype_promotion("standard"):
        optimizer = optax.adamw(1e-4)
        step = make_train_step(graphdef, objective, optimizer)
        states = [TrainState.create(nnx.to_pure_dict(params), {}, optimizer, seed=0)]

        def run():
            states[0], sums = step(states[0], batch)
            return sums

        emit(name, median(run, 3))


def packed(tokens: np.ndarray) -> dict[str, np.ndarray]:
    """A batch of rows that hold one document each and no padding."""
    places = np.tile(np.arange(tokens.shape[1], dtype=np.int32), (len(tokens), 1))
    return {"tokens": tokens, "segments": np.ones_like(tokens), "positions": places}


def masked(batch: dict[str, np.ndarray], predictions: int) -> dict[str, np.ndarray]:
    """The batch with its first tokens to be predicted, so many a row."""
    tokens = batch["tokens"]
    return batch | {
        "mask_positions": np.tile(np.arange(predictions, dtype=np.int32), (len(tokens), 1)),
        "mask_targets": tokens[:, :predictions],
        "mask_weights": np.ones((len(tokens), predictions), np.float32),
    }


def bert_train(name: str = "bert_train", predictions: int = 128) -> None:
    model = zoo.create(zoo.config("bert-base-uncased", stack="loop", **_NO_DROPOUT), head="masked_lm")
    tokens = ids(model, 8, 128)
    train(name, model, MaskedLM(max_predictions=predictions), masked(packed(tokens), predictions))


def bert_train_gathered() -> None:
    bert_train("bert_train_gathered", predictions=20)


def gpt2_train() -> None:
    model = zoo.create(zoo.config("gpt2", stack="loop", **_NO_DROPOUT), head="causal_lm")
    train("gpt2_train", model, CausalLM(), packed(ids(model, 4, 256)))


def gpt2_gen() -> None:
    model = zoo.create(zoo.config("gpt2"), head="causal_lm")
    for rows in (1, 8):
        prompts = ids(model, rows, 32)
        seconds = median(lambda prompts=prompts: zoo.generate(model, prompts, max_new_tokens=64, eos_id=-1).tokens, 3)
        emit(f"gpt2_gen_b{rows}", seconds, tok_s=round(rows * 64 / seconds, 1))


BENCHMARKS = {run.__name__: run for run in (bert_fwd, bert_train, bert_train_gathered, gpt2_train, gpt2_gen)}


if __name__ == "__main__":
    for name in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[name]()

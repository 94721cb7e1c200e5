# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The training step on a model of a few hundred numbers: gradient accumulation, skipping, clipping, donation."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from tests.objectives.fakes import answer
from zoo.evals.evaluator import total
from zoo.evals.loss import loss_sums
from zoo.kernels import platform
from zoo.models import registry
from zoo.objectives import CausalLM
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import AdamW
from zoo.train.state import TrainState
from zoo.train.step import make_eval_step, make_train_step

VOCAB, WIDTH = 13, 5
OPTIMIZER = AdamW(learning_rate=1e-2, warmup_steps=0, schedule="constant")


class Bigram(nnx.Module):
    """Predicts the next token from this one alone."""

    def __init__(self, dtype=jnp.float32):
        keys = jax.random.split(jax.random.key(0))
        self.dtype = dtype
        self.embedding = nnx.Param(jax.random.normal(keys[0], (VOCAB, WIDTH)))
        self.kernel = nnx.Param(jax.random.normal(keys[1], (WIDTH, VOCAB)))
        self.bias = nnx.Param(jnp.zeros(VOCAB))

    def __call__(self, tokens, *, segments, positions, dropout_key, targets, loss_options):
        x = self.embedding[...].astype(self.dtype)[tokens]
        logits = x @ self.kernel[...].astype(self.dtype) + self.bias[...].astype(self.dtype)[None, None]
        return answer(logits, targets, loss_options)


def rows(count, length=7, seed=0):
    """Rows of very different numbers of predictions, one of them of none."""
    rng = np.random.default_rng(seed)
    used = rng.integers(1, length + 1, count)[:, None]
    places = np.broadcast_to(np.arange(length, dtype=np.int32), (count, length))
    segments = (places < used).astype(np.int32)
    segments[0] = 0
    return {
        "tokens": rng.integers(0, VOCAB, (count, length)).astype(np.int32),
        "segments": segments,
        "positions": places,
    }


@functools.cache
def graphdef_of(dtype=jnp.float32):
    return nnx.split(Bigram(dtype))[0]


def start(config=OPTIMIZER):
    optimizer = make_optimizer(config, 10)
    return optimizer, TrainState.create(nnx.to_pure_dict(nnx.state(Bigram())), {}, optimizer, 0)


def run(batches, grad_accum_steps=1, config=OPTIMIZER, dtype=jnp.float32):
    optimizer, state = start(config)
    step = make_train_step(graphdef_of(dtype), CausalLM(), optimizer, grad_accum_steps)
    for batch in batches:
        state, sums = step(state, batch)
    return jax.device_get((state, sums))


def assert_close(got, expected, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), got, expected)


@pytest.mark.parametrize("grad_accum_steps", [2, 3, 6])
def test_accumulation_equals_the_full_batch_where_token_counts_differ(grad_accum_steps):
    batch = rows(6)
    counts = batch["segments"].reshape(-1, grad_accum_steps, 7).sum((0, 2))
    assert len(set(counts)) > 1  # else a mean of means would pass
    whole, whole_sums = run([batch])
    split, split_sums = run([batch], grad_accum_steps)
    # Gradients, seen through Adam's first moment: Adam's own step hides their scale.
    assert_close(split.opt_state, whole.opt_state, rtol=1e-5, atol=1e-8)
    assert_close(split.params, whole.params, rtol=1e-5, atol=1e-6)
    assert_close(split_sums, whole_sums, rtol=1e-5)


def test_gradient_is_that_of_the_mean_loss():
    batch = rows(6)
    graphdef, params = nnx.split(Bigram())

    def mean(params):
        sums = CausalLM().loss(nnx.merge(graphdef, params), batch)
        return sums["loss"] / sums["weight"]

    grads = jax.grad(mean)(params)
    _, sums = run([batch])
    assert float(sums["grad_norm"]) == pytest.approx(float(optax.tree.norm(grads)), rel=1e-5)


def test_a_step_without_a_finite_gradient_changes_nothing_but_the_counters():
    good, bad = rows(4, seed=1), rows(4, seed=2)
    optimizer, state = start()
    step = make_train_step(graphdef_of(), CausalLM(), optimizer)
    state, _ = step(state, good)
    before = jax.device_get(state)
    poisoned = state._replace(params={**state.params, "bias": state.params["bias"].at[0].set(jnp.nan)})
    kept = jax.device_get(poisoned)
    after, sums = jax.device_get(step(poisoned, bad))
    assert int(after.step) == 2 and int(after.skipped) == int(sums["skipped"]) == 1
    jax.tree.map(np.testing.assert_array_equal, after.opt_state, before.opt_state)
    jax.tree.map(np.testing.assert_array_equal, after.params, kept.params)


def test_a_batch_without_predictions_is_finite():
    batch = {name: np.zeros_like(value) for name, value in rows(4).items()}
    state, sums = run([batch])
    assert float(sums["loss"]) == float(sums["weight"]) == float(sums["grad_norm"]) == 0.0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


def test_clipping_bounds_the_moments_and_reports_the_norm_before():
    clipped = AdamW(learning_rate=1e-2, warmup_steps=0, schedule="constant", clip_norm=1e-3)
    state, sums = run([rows(6)], config=clipped)
    moment = optax.tree.get(state.opt_state, "mu")
    assert float(sums["grad_norm"]) > 1e-2
    assert float(optax.tree.norm(moment)) == pytest.approx(0.1 * 1e-3, rel=1e-4)  # (1 - b1) * norm


def test_the_old_state_is_donated():
    optimizer, state = start()
    state = jax.tree.map(jnp.array, state)
    make_train_step(graphdef_of(), CausalLM(), optimizer)(state, rows(4))
    assert state.params["embedding"].is_deleted()


def test_bfloat16_compute_is_near_float32_and_keeps_float32_parameters():
    batches = [rows(6, seed=seed) for seed in range(3)]
    half, half_sums = run(batches, dtype=jnp.bfloat16)
    _, full_sums = run(batches)
    assert {leaf.dtype for leaf in jax.tree.leaves(half.params)} == {np.dtype("float32")}
    assert float(half_sums["loss"]) == pytest.approx(float(full_sums["loss"]), rel=2e-2)
    assert float(half_sums["loss"]) != float(full_sums["loss"])


def test_evaluation_does_not_depend_on_the_batch_size():
    data, params = rows(12), nnx.to_pure_dict(nnx.state(Bigram()))
    step = make_eval_step(graphdef_of(), CausalLM(), loss_sums)

    def metrics(size):
        padded = {name: np.pad(value, ((0, -len(value) % size), (0, 0))) for name, value in data.items()}
        batches = ({name: v[i : i + size] for name, v in padded.items()} for i in range(0, 12, size))
        return CausalLM().metrics(total((step(params, {}, batch) for batch in batches), CausalLM.sums))

    expected = metrics(12)
    assert expected["loss"] > 0
    for size in (1, 5, 7):
        assert metrics(size) == pytest.approx(expected, rel=1e-5)


def test_evaluation_of_nothing():
    assert CausalLM().metrics(total([], CausalLM.sums))["loss"] == 0.0


def test_frozen_parameters_stay_and_have_no_moments():
    graphdef, params, frozen = nnx.split(Bigram(), lambda path, _: path[-1] != "embedding", ...)
    params, frozen = nnx.to_pure_dict(params), nnx.to_pure_dict(frozen)
    optimizer, _ = start()
    state = TrainState.create(params, frozen, optimizer, 0)
    before = jax.device_get((params, frozen))
    after, _ = jax.device_get(make_train_step(graphdef, CausalLM(), optimizer)(state, rows(6)))
    jax.tree.map(np.testing.assert_array_equal, after.frozen, before[1])
    assert set(after.params) == {"kernel", "bias"} and set(after.frozen) == {"embedding"}
    assert (after.params["kernel"] != before[0]["kernel"]).any()
    moments = optax.tree.get(after.opt_state, "mu")
    assert set(moments) == {"kernel", "bias"}


def largest_array(logits: tuple[int, int, int]) -> int:
    """Elements of the largest array of a compiled training step of a small GPT-2 with logits of that shape."""
    _, length, vocab = logits
    sizes = dict(width=8, num_layers=1, num_heads=2, mlp_width=16, max_length=length, vocab_size=vocab)
    shapes = registry.FAMILIES["gpt2"].abstract(registry.config("gpt2").replace(**sizes), head="causal_lm")
    graphdef, params = nnx.split(shapes)
    optimizer = make_optimizer(OPTIMIZER, 10)
    state = jax.eval_shape(lambda params: TrainState.create(params, {}, optimizer, 0), nnx.to_pure_dict(params))
    batch = {name: jax.ShapeDtypeStruct(logits[:2], jnp.int32) for name in ("tokens", "segments", "positions")}
    text = make_train_step(graphdef, CausalLM(), optimizer).lower(state, batch).compile().as_text()
    return max(math.prod(map(int, shape.split(","))) for shape in re.findall(r"f32\[([\d,]+)\]", text))


def test_a_step_for_an_accelerator_never_holds_the_logits(monkeypatch):
    """Nor more than an eighth of them; one for a CPU does, which shows that the search sees them."""
    logits = (8, 32, 8000)
    assert largest_array(logits) == math.prod(logits)
    monkeypatch.setattr(platform, "platform", lambda: "tpu")
    assert largest_array(logits) <= math.prod(logits) // 8

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A step of ELECTRA's joint training beside its two parts: masked LM of the generator, and the discriminator alone.

python -m benchmarks.replaced_token_detection [--model=electra-small-discriminator] [--rows=32] [--rounds=7]

Rows of 128 tokens, 15 % hidden, dropout as trained, AdamW, float32. The steps take turns in one process, and medians
count; what is joint samples the replacements as well, which no part does.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import numpy as np
import optax
from flax import nnx

import zoo
from benchmarks.ours import ids, masked, packed
from zoo.objectives import MaskedLM, Objective, ReplacedTokenDetection
from zoo.objectives.loss import weighted_sums
from zoo.train.state import TrainState
from zoo.train.step import make_train_step

LENGTH, PREDICTIONS = 128, 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Discriminator(Objective):
    """The binary loss over all tokens, with `replaced` given."""

    head: ClassVar[str] = "replaced_token_detection"

    def loss(self, module: Any, batch, *, dropout_key=None):
        out = module(batch["tokens"], segments=batch["segments"], positions=batch["positions"], dropout_key=dropout_key)
        losses = optax.sigmoid_binary_cross_entropy(out.logits, batch["replaced"])
        return weighted_sums(losses, (out.logits > 0) == (batch["replaced"] > 0), (batch["segments"] > 0) * 1.0)


def stepper(model: nnx.Module, objective: Objective, batch: Mapping[str, Any]) -> Callable[[], float]:
    """What runs a step and gives its seconds."""
    graphdef, params = nnx.split(model)
    optimizer = optax.adamw(1e-4)
    step = make_train_step(graphdef, objective, optimizer)
    states = [TrainState.create(nnx.to_pure_dict(params), {}, optimizer, seed=0)]

    def run() -> float:
        start = time.perf_counter()
        states[0], sums = step(states[0], batch)
        jax.block_until_ready((states[0], sums))
        return time.perf_counter() - start

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="electra-small-discriminator")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    config = zoo.config(given.model, stack="loop")
    joint = ReplacedTokenDetection(max_predictions=PREDICTIONS)
    smaller = joint.generator_config(joint.configure(config))
    discriminator = zoo.create(config, head="replaced_token_detection")
    rng = np.random.default_rng(0)
    batch = masked(packed(ids(discriminator, given.rows, LENGTH)), PREDICTIONS)
    batch["sample_seeds"] = rng.integers(0, 2**31, batch["mask_targets"].shape).astype(np.int32)
    labels = {"replaced": (rng.random(batch["tokens"].shape) < 0.1).astype(np.float32)}
    with jax.numpy_dtype_promotion("standard"):
        steps = {
            "joint": stepper(joint.build(joint.configure(config), rngs=nnx.Rngs(jax.random.key(0))), joint, batch),
            "generator": stepper(zoo.create(smaller, head="masked_lm"), MaskedLM(max_predictions=PREDICTIONS), batch),
            "discriminator": stepper(discriminator, Discriminator(), batch | labels),
        }
        for run in steps.values():
            run()
        times = [{name: run() for name, run in steps.items()} for _ in range(given.rounds)]
    medians = {name: statistics.median(each[name] for each in times) for name in steps}
    parts = medians["generator"] + medians["discriminator"]
    print(", ".join(f"{name} {seconds:.4f} s" for name, seconds in medians.items()))
    print(f"joint / (generator + discriminator): {medians['joint'] / parts:.3f} (target: at most 1.1)")


if __name__ == "__main__":
    main()

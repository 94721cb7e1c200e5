# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What is advised: the compiler's words for too little memory, and what to change then."""

import re

import jax
import pytest

from tests.aot.configs import tiny
from zoo.aot import Target
from zoo.aot.advice import advise, overflowing, state_bytes

GIB = 2**30


@pytest.mark.parametrize(
    "message, sizes",
    [
        ("Ran out of memory in memory space hbm. Used 16.18G of 15.75G hbm. Exceeded hbm capacity by", (16.18, 15.75)),
        ("required for HLO temporaries (288.00G) exceeds available HBM (15.25G).", (288, 15.25)),
        ("Used 512.00M of 15.75G hbm", (0.5, 15.75)),
    ],
)
def test_the_compilers_messages(message, sizes):
    assert overflowing(message) == tuple(round(size * GIB) for size in sizes)


def test_other_messages():
    assert overflowing("Ran out of memory in memory space vmem. Used 20.00M of 16.00M vmem.") is None


def target(**changes) -> Target:
    return Target.create(tiny(**changes), "cpu:8")


def advised(found: Target, needed: float, step: str = "train", name: str = "v5e:2x4") -> list[str]:
    allowed = 15.75 * GIB
    return list(advise(found.spec, found.learner, name, step, round(needed * allowed), round(allowed)))


def test_everything_in_its_order():
    found = advised(target(batch_size=64), 1.5)
    assert [line.split(" ")[0].split(":")[0] for line in found] == [
        "model.remat=full",
        "grad_accum_steps=2",
        "rules=fsdp",
        "more",
    ]
    assert "4 of 8 sequences at a time, about 11.8" in found[1]
    assert found[3].endswith("about 1.5 times as many, such as v5e:4x4")


def test_an_evaluation_takes_the_whole_batch():
    found = advised(target(batch_size=64, grad_accum_steps=2), 1.5, "eval")[0]
    assert found.startswith("batch_size=32: 4 of 8 sequences at a time")
    found = advised(target(batch_size=64, grad_accum_steps=2), 1.5, "prefill")[0]
    assert found.startswith("grad_accum_steps=4: 2 of 4 sequences at a time")


def test_what_is_done_already_is_not_advised():
    found = target(mesh="fsdp:8", rules="fsdp", model=dict(remat="full"), batch_size=8)
    assert [line[:10] for line in advised(found, 3.0)] == ["more chips"]


def test_a_batch_that_cannot_be_made_small_enough():
    assert "not enough on its own" in advised(target(batch_size=16), 9.0)[1]


@pytest.mark.parametrize("short, factor", [(0, 2), (1, 4)])
def test_sums_of_gradients_are_held_in_addition_to_gradients(short, factor):
    found = target(batch_size=64)
    state, gradients = state_bytes(found.learner), state_bytes(found.learner, only="params")
    activations = 4 * gradients
    needed, allowed = state + gradients + activations, state + 2 * gradients + activations // 2 - short
    lines = advise(found.spec, found.learner, "v5e:2x4", "train", needed, allowed)
    assert any(line.startswith(f"grad_accum_steps={factor}:") and "not enough" not in line for line in lines)


def test_the_state_is_counted_as_it_is_split():
    whole, split = target(), target(mesh="fsdp:8", rules="fsdp")
    arrays = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(whole.learner.abstract.params))
    assert state_bytes(whole.learner, only="params") == arrays
    assert state_bytes(whole.learner) > 2.9 * arrays
    assert state_bytes(split.learner, only="params") < 0.3 * arrays


@pytest.mark.parametrize(
    ("mesh", "preset"),
    [
        ("data:8", "dp"),
        ("data:2,fsdp:4", "dp"),
        ("data:2,tensor:4", "tp"),
        ("data:4,tensor:2", "fsdp_tp"),
        ("data:4,context:2", "fsdp_cp"),
    ],
)
def test_the_advised_layout_runs(mesh, preset):
    target = Target.create(tiny(mesh=mesh, rules=preset), "cpu:8")
    lines = advise(target.spec, target.learner, "cpu:8", "train", 10 * GIB, GIB)
    found = [re.search(r"rules=(\w+) with mesh=(\S+):", line) for line in lines]
    (advised,) = [match for match in found if match]
    smaller = Target.create(tiny(mesh=advised[2], rules=advised[1]), "cpu:8")
    assert state_bytes(smaller.learner) < state_bytes(target.learner)

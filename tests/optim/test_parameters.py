# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Which parameters decay, and how the learning rate moves."""

import jax.numpy as jnp
import pytest
from flax import nnx

from zoo.errors import ConfigError
from zoo.models import registry
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import AdamW
from zoo.optim.parameters import decay_mask
from zoo.optim.schedules import make_schedule


def test_decay_by_name_not_by_rank():
    params = {
        "embed": {"token": {"embedding": jnp.ones((7, 4))}, "norm": {"scale": jnp.ones(4), "bias": jnp.ones(4)}},
        "stack": {
            "query": {"kernel": jnp.ones((3, 4, 2, 2)), "bias": jnp.ones((3, 2, 2))},
            "norm": {"scale": jnp.ones((3, 4))},
        },
    }
    assert decay_mask(params) == {
        "embed": {"token": {"embedding": True}, "norm": {"scale": False, "bias": False}},
        "stack": {"query": {"kernel": True, "bias": False}, "norm": {"scale": False}},
    }


def test_decay_reaches_the_kernel_alone():
    config = AdamW(learning_rate=0.1, warmup_steps=0, schedule="constant", weight_decay=0.5)
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones((2, 2))}
    optimizer = make_optimizer(config, 10)
    updates, _ = optimizer.update(
        {"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros((2, 2))}, optimizer.init(params), params
    )
    assert float(updates["kernel"][0, 0]) == pytest.approx(-0.05)
    assert float(updates["bias"][0, 0]) == 0.0


def test_a_parameter_without_a_rule_is_refused():
    with pytest.raises(ConfigError, match=r"block\.gate"):
        decay_mask({"block": {"gate": jnp.ones(3)}})


@pytest.mark.parametrize(
    ("schedule", "middle", "end"), [("linear", 0.55, 0.1), ("cosine", 0.55, 0.1), ("constant", 1, 1)]
)
def test_schedules(schedule, middle, end):
    config = AdamW(learning_rate=2.0, warmup_steps=10, schedule=schedule, end_fraction=0.1)
    rate = make_schedule(config, 110)
    assert float(rate(0)) == 0.0
    assert float(rate(5)) == pytest.approx(1.0)
    assert float(rate(10)) == pytest.approx(2.0)
    assert float(rate(60)) == pytest.approx(2.0 * middle)
    assert float(rate(110)) == float(rate(10_000)) == pytest.approx(2.0 * end)


def test_no_warmup():
    rate = make_schedule(AdamW(learning_rate=2.0, warmup_steps=0), 100)
    assert float(rate(0)) == pytest.approx(2.0)


@pytest.mark.parametrize("name", registry.FAMILIES)
def test_every_parameter_of_every_family_has_a_rule(name):
    family = registry.FAMILIES[name]
    for head in family.heads:
        config = family.suit(next(iter(family.sizes.values())), head)
        decay_mask(nnx.to_pure_dict(nnx.state(family.abstract(config, head=head))))


def test_what_decays_in_xlnet():
    family = registry.FAMILIES["xlnet"]
    config = next(iter(family.sizes.values()))
    mask = decay_mask(nnx.to_pure_dict(nnx.state(family.abstract(config, head=None))))
    attention = mask["stack"]["blocks"]["attention"]
    assert [name for name in attention if name.endswith("_bias") and attention[name]] == []
    assert attention["segment"] and mask["unknown"]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Which parameters the rules of each optimizer touch, by name, in every family."""

import pytest
from flax import nnx

from tests.optim.test_optimizers import CONFIGS
from zoo.models import registry
from zoo.optim.chain import describe_rules
from zoo.optim.optimizers import Adafactor, Muon
from zoo.optim.parameters import list_parameters, logical_axes

VECTORS = {"bias", "scale", "content_bias", "position_bias", "segment_bias"}
# What no hidden vector multiplies, or what gives no hidden vector.
NOT_HIDDEN = {"embedding", "segment", "unknown"}
OUTPUT = {"head.classifier.kernel", "head.pair.kernel", "head.score.kernel", "head.output.kernel"}
NARROW = {"embed.token_type.embedding", "stack.bias.embedding", "decoder.bias.embedding", "unknown"}


def parameters_of(family, head):
    config = next(iter(family.sizes.values()))
    state = nnx.state(family.abstract(family.suit(config, head) if head else config, head=head))
    return nnx.to_pure_dict(state), logical_axes(state)


def touched(config, params, axes):
    return {
        rule: {each.name for each in list_parameters(params, axes) if select(each)}
        for rule, select in config.rules().items()
    }


@pytest.mark.parametrize("name", registry.FAMILIES)
def test_the_rules_of_every_family(name):
    family = registry.FAMILIES[name]
    for head in (None, *family.heads):
        params, axes = parameters_of(family, head)
        names = {each.name for each in list_parameters(params, axes)}
        decayed = {each for each in names if each.split(".")[-1] not in VECTORS}
        hidden = {each for each in decayed if each.split(".")[-1] not in NOT_HIDDEN and each not in OUTPUT}
        assert touched(CONFIGS["adamw"], params, axes) == {"weight decay 0.1": decayed}
        assert touched(CONFIGS["lion"], params, axes) == {"weight decay 0.1": decayed}
        assert touched(CONFIGS["lamb"], params, axes) == {"weight decay 0.1": decayed, "trust ratio": decayed}
        muon = touched(CONFIGS["muon"], params, axes)
        assert muon == {"weight decay 0.1": decayed, "orthogonalized": hidden, "Adam": names - hidden}
        factored = touched(Adafactor(learning_rate=1.0), params, axes)
        wide = {each for each in decayed - NARROW - OUTPUT if not each.endswith(".segment")}
        assert factored == {"factored second moment": wide}


@pytest.mark.parametrize(
    ("family", "head", "rule", "expected"),
    [
        ("bert", "sequence_classification", "orthogonalized", {
            "pooler.kernel", *(f"stack.blocks.attention.{each}.kernel" for each in ("query", "key", "value", "out")),
            "stack.blocks.mlp.up.kernel", "stack.blocks.mlp.down.kernel",
        }),
        ("t5", None, "factored second moment", {
            "embed.token.embedding",
            *(f"{stack}.blocks.{part}.{each}.kernel" for stack, part in
              (("stack", "attention"), ("decoder", "attention"), ("decoder", "cross"))
              for each in ("query", "key", "value", "out")),
            *(f"{stack}.blocks.mlp.{each}.kernel" for stack in ("stack", "decoder") for each in ("up", "down")),
        }),
    ],
)  # fmt: skip
def test_the_rules_of_a_family_in_full(family, head, rule, expected):
    config = {"orthogonalized": CONFIGS["muon"]}.get(rule, Adafactor(learning_rate=1.0))
    assert touched(config, *parameters_of(registry.FAMILIES[family], head))[rule] == expected


def test_what_a_run_prints():
    params, axes = parameters_of(registry.FAMILIES["gpt2"], None)
    config = Muon(learning_rate=1.0, layer_decay=0.5, ema_decay=0.99)
    lines = describe_rules(config, params, axes).splitlines()
    tables, modules = "embed.{position, token}.embedding", "{key, out, query, value}"
    assert lines[0] == "optimizer muon trains 124,439,808 parameters in 20 arrays:"
    kernels = f"stack.attention.{modules}.kernel, stack.mlp.{{down, up}}.kernel"
    assert lines[1:3] == [
        f"  weight decay 0.1: 124,318,464 in 8: {tables}, {kernels}", f"  orthogonalized: 84,934,656 in 6: {kernels}"
    ]  # fmt: skip
    assert lines[3].startswith(
        f"  Adam: 39,505,152 in 14: {tables}, final_norm.bias, final_norm.scale, stack.attention."
    )
    assert lines[4] == f"  learning rate x 6.1e-05: 39,383,808 in 2: {tables}"
    assert lines[5].startswith("  learning rate x 0.000122 to 0.25: 85,054,464 in 16: stack.attention.")
    assert lines[6:] == [
        "  learning rate x 0.5: 1,536 in 2: final_norm.bias, final_norm.scale",
        "  averaged, 0.99: 124,439,808 in 20: all",
    ]

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What an operator gets wrong: each is refused before anything is compiled, with an alternative."""

import dataclasses
import time
from typing import Any

import pytest

from tests.aot.configs import tiny
from zoo.aot import Target, topology
from zoo.aot.search import search
from zoo.cost.chips import CHIPS, lookup
from zoo.errors import ZooError
from zoo.train.config import RunConfig

# What is wrong, what the message must say, and the fields of the config, by dotted paths, that make it so.
MESHES = [
    ("too few devices named", r"needs 3 devices; there are 8. This fills them: data:8", {"mesh": "data:3"}),
    ("too many devices named", r"needs 16 devices; there are 8", {"mesh": "data:16"}),
    ("a size that divides nothing", r"a multiple of 3 devices.*data:8", {"mesh": "data:-1,tensor:3", "rules": "tp"}),
    ("an axis of another library", r"names the axis 'model'; known are data, fsdp", {"mesh": "data:4,model:2"}),
    ("an axis misspelt", r"names the axis 'fdsp'", {"mesh": "fdsp:8"}),
    ("two open sizes", r"two sizes open; only one may be -1", {"mesh": "data:-1,fsdp:-1"}),
    ("an axis twice", r"names 'fsdp' twice", {"mesh": "fsdp:2,fsdp:4"}),
    ("a size of nothing", r"'data' must be positive or -1", {"mesh": "data:0"}),
    ("a negative size", r"'fsdp' must be positive or -1", {"mesh": "data:-1,fsdp:-2"}),
    ("a size in words", r"must be a whole number; found 'all'", {"mesh": "data:all"}),
    ("idle tensor devices", r"tensor:2, which .* 'dp' does not use.*tp or fsdp_tp", {"mesh": "data:4,tensor:2"}),
    ("idle context devices", r"context:2, .*Set rules to fsdp_cp", {"mesh": "data:4,context:2", "rules": "fsdp"}),
    ("tensor where tokens are split", r"tensor:2, which", {"mesh": "data:4,tensor:2", "rules": "fsdp_cp"}),
]
BATCHES = [
    ("rows that do not divide", r"nearest batch_size that is divisible is 16 or 24", {"batch_size": 20}),
    ("fewer rows than devices", r"nearest batch_size that is divisible is 8", {"batch_size": 4}),
    ("rows that micro-batches do not divide", r"is not divisible by grad_accum_steps 3", {"grad_accum_steps": 3}),
    ("micro-batches smaller than the mesh", r"= 4 sequences are not divisible by the 8", {"grad_accum_steps": 4}),
    ("no rows", r"batch_size must be 1 or more", {"batch_size": 0}),
    ("no micro-batch", r"grad_accum_steps must be 1 or more", {"grad_accum_steps": 0}),
    ("rows as text", r"batch_size", {"batch_size": "16"}),
    ("tokens that do not divide", r"31 tokens are not divisible .*context:2.*seq_len to 30", {
        "data.seq_len": 31, "mesh": "data:2,fsdp:2,context:2", "rules": "fsdp_cp"}),
    ("rows longer than the model reads", r"exceeds the model's max_length 64; lower it", {"data.seq_len": 65}),
    ("rows of one token", r"seq_len must be 2 tokens or more", {"data.seq_len": 1}),
]  # fmt: skip
TP = {"rules": "tp", "mesh": "data:1,tensor:8"}
PRESETS = [
    ("a preset of another library", r"No sharding preset 'ddp'; choose one of dp, fsdp", {"rules": "ddp"}),
    ("heads that do not divide", r"'heads' = 4 is not divisible .*tensor = 8; 4 would", TP),
    ("words that do not divide", r"= 515 is not divisible .* 1 would, or vocab = 640", {
        **TP, "mesh": "data:2,tensor:4", "model.vocab_size": 515}),
    ("inner features that do not divide", r"'mlp' = 130 .*tensor = 4; 2 would", {
        **TP, "mesh": "data:2,tensor:4", "model.mlp_width": 130}),
    ("a width that does not divide", r"'embed' = 60 .*fsdp = 8; 4 would", {
        "rules": "fsdp", "mesh": "fsdp:8", "model.width": 60}),
]  # fmt: skip
MODELS = [
    ("an unknown model", r"gpt5", {"model.name": "gpt5"}),
    ("an unknown field", r"widht", {"model.widht": 64}),
    ("a policy of another version", r"remat", {"model.remat": "dots"}),
    ("a stack that there is not", r"stack", {"model.stack": "unrolled"}),
    ("a dtype abbreviated", r"dtype", {"model.dtype": "bf16"}),
    ("heads that do not fit the width", r"width 64 is not divisible by num_heads 5", {"model.num_heads": 5}),
    ("a vocabulary below the tokenizer's", r"the tokenizer has 512; raise model.vocab_size", {"model.vocab_size": 100}),
    ("an unknown objective", r"mlmm", {"objective.type": "mlmm"}),
    ("an objective that the model has no head for", r"needs a masked_lm head, which gpt3 lacks", {
        "objective.type": "mlm", "data.tokenizer.kind": "wordpiece"}),
    ("an option that the objective lacks", r"config.objective has no field 'mask_rate'", {"objective.mask_rate": 0.15}),
    ("more warm-up than steps", r"exceeds num_steps", {"num_steps": 10}),
    ("an option with no value", r"'xla_enable_async_all_gather' is not an option; write xla_NAME=VALUE", {
        "xla_options": "xla_enable_async_all_gather"}),
    ("another compiler's option", r"refuses an option .*xla_tpu_dot_dot_fusion.*=NAME= leaves out", {
        "xla_options": "xla_tpu_dot_dot_fusion=false"}),
    ("a field of the run misspelt", r"has no field 'batchsize'; did you mean 'batch_size'", {"batchsize": 8}),
]  # fmt: skip
TOPOLOGIES = [
    ("a slice that is not offered", "v5p:4x4x7", r"nearest are v5p:4x4x8"),
    ("a cube of flat chips", "v5e:4x4x4", r"nearest are v5e:"),
    ("an unknown generation", "v9z:2x2", r"such as v5e:2x2"),
    ("a cloud's own name", "v5litepod-16", r"such as v5e:2x2"),
    ("a chip without rows", "v6e", r"such as v5e:2x2"),
    ("GPUs", "h100:8", r"such as v5e:2x2"),
    ("no devices", "cpu:0", r"or cpu:8"),
    ("more CPUs than there are", "cpu:999", r"xla_force_host_platform_device_count=999"),
    ("no slices", "v5e:4x4*0", r"such as v5e:2x2"),
]


def changed(changes: dict[str, Any]) -> RunConfig:
    values = tiny().to_dict()
    for path, value in changes.items():
        *groups, name = path.split(".")
        group = values
        for part in groups:
            group = group[part]
        group[name] = value
    return RunConfig.from_dict(values)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("message", "changes"),
    [pytest.param(*rest, id=what) for what, *rest in (*MESHES, *BATCHES, *PRESETS, *MODELS)],
)
def test_configs(message, changes):
    begin = time.thread_time()
    with pytest.raises(ZooError, match=f"(?s){message}"):
        Target.create(changed(changes), "cpu:8")
    assert time.thread_time() - begin < 5


@pytest.mark.parametrize(("name", "message"), [pytest.param(*rest, id=what) for what, *rest in TOPOLOGIES])
def test_topologies(name, message):
    with pytest.raises(ZooError, match=message):
        Target.create(tiny(), name)


def test_steps_and_budgets():
    for steps, message in [(["trian"], "choose from train, eval"), (["decode"], "does not generate text")]:
        with pytest.raises(ZooError, match=message):
            Target.create(tiny("mlm"), "cpu:8", steps)
    with pytest.raises(ZooError, match="raise the budget of 2"):
        topology.within("v5p", 2)
    with pytest.raises(ZooError, match="Use more chips"):
        search(tiny(batch_size=8), "v5e:2x4", dataclasses.replace(CHIPS["v5e"], hbm_bytes=2000), 8, compiled=0)
    with pytest.raises(ZooError, match=r"Add it to zoo/cost/chips\.py"):
        lookup("TPU v99")

# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Estimates of memory, against what the TPU's compiler has said."""

from typing import NamedTuple

import pytest

from configs import bert_pretrain, gpt2_pretrain, gpt3_pretrain
from zoo.aot.estimate import Layout, Leaf, SizeModel, padded_size
from zoo.aot.target import TokenizerOutline
from zoo.cost.chips import CHIPS
from zoo.errors import ConfigError
from zoo.optim.optimizers import OPTIMIZERS
from zoo.train.config import RunConfig
from zoo.train.run_spec import RunSpec

_CONFIGS = {"bert": bert_pretrain, "gpt2": gpt2_pretrain, "gpt3": gpt3_pretrain}


class Compiled(NamedTuple):
    """A step that libtpu 0.0.42 compiled. Attributes: rows: of a device. peak: GiB of a device."""

    size: str
    length: int
    chip: str
    mesh: dict[str, int]
    rules: str
    rows: int
    remat: str
    peak: float
    grad_accum_steps: int = 1


# benchmarks/records/plan.md has the commands.
COMPILED = [
    Compiled("gpt2:small", 1024, "v5e", {"data": 4}, "dp", 4, "none", 4.98),
    Compiled("gpt2:small", 1024, "v5e", {"data": 4}, "dp", 4, "cheap", 2.60),
    Compiled("gpt2:small", 1024, "v5e", {"data": 4}, "dp", 8, "cheap", 3.34),
    Compiled("gpt2:small", 1024, "v5e", {"data": 4}, "dp", 4, "mlp", 2.33),
    Compiled("gpt2:small", 1024, "v5e", {"data": 4}, "dp", 4, "full", 2.07),
    Compiled("gpt2:medium", 1024, "v5e", {"data": 4}, "dp", 4, "cheap", 7.50),
    Compiled("gpt2:medium", 1024, "v5e", {"fsdp": 4}, "fsdp", 4, "mlp", 2.55),
    Compiled("gpt2:medium", 1024, "v5e", {"fsdp": 8}, "fsdp", 4, "cheap", 2.53),
    Compiled("gpt2:xl", 1024, "v5e", {"fsdp": 4}, "fsdp", 1, "full", 7.91),
    Compiled("gpt2:xl", 1024, "v5e", {"fsdp": 4}, "fsdp", 4, "mlp", 11.30),
    Compiled("gpt2:xl", 1024, "v5e", {"fsdp": 4}, "fsdp", 4, "cheap", 13.32),
    Compiled("gpt2:xl", 1024, "v6e", {}, "dp", 4, "full", 27.92),
    Compiled("gpt2:xl", 1024, "v6e", {}, "dp", 4, "mlp", 29.30),
    Compiled("bert:base", 128, "v5e", {"data": 4}, "dp", 64, "cheap", 3.29),
    Compiled("bert:base", 512, "v5e", {"data": 4}, "dp", 32, "mlp", 3.87),
    Compiled("bert:large", 512, "v5e", {"data": 4}, "dp", 64, "full", 8.40),
    Compiled("bert:large", 512, "v5e", {"data": 4}, "dp", 32, "cheap", 13.53),
    Compiled("bert:large", 512, "v5e", {"data": 4}, "dp", 32, "cheap", 15.37, grad_accum_steps=2),
    Compiled("bert:large", 512, "v5e", {"fsdp": 8}, "fsdp", 32, "cheap", 8.76),
    Compiled("gpt3:1_3b", 2048, "v5p", {"fsdp": 4}, "fsdp", 8, "mlp", 15.05),
    Compiled("gpt3:1_3b", 2048, "v5p", {"fsdp": 4}, "fsdp", 16, "cheap", 35.34),
    Compiled(
        "gpt3:175b", 2048, "v5p", {"data": 4, "fsdp": 32, "tensor": 4}, "fsdp_tp", 4, "cheap", 87.05, grad_accum_steps=3
    ),
]


def model(size: str, length: int) -> SizeModel:
    file, _, variant = size.partition(":")
    config = _CONFIGS[file].get_config(variant).unlock()
    config.data.seq_len, config.grad_accum_steps = length, 1
    run = RunConfig.from_dict(config)
    return SizeModel.of(RunSpec.create(run, run.data.outline(TokenizerOutline.create(run))))


@pytest.mark.parametrize("row", COMPILED, ids=str)
def test_memory_is_within_5_percent_of_the_compilers(row):
    mesh = dict(data=1, fsdp=1, tensor=1, context=1) | row.mesh
    layout = Layout(row.rules, mesh, row.rows, row.grad_accum_steps, row.remat)
    found = model(row.size, row.length).memory(layout, CHIPS[row.chip])
    assert sum(found.values()) / 2**30 == pytest.approx(row.peak, rel=0.05), found


def test_tiles():
    assert padded_size((48, 400, 25, 64)) == 48 * 512 * 25 * 64  # widths, not heads of 64, are filled up to 128
    assert padded_size((24, 1024, 4096)) == 24 * 1024 * 4096
    assert padded_size((100,)) == 100


def test_a_part():
    leaf = Leaf(("layers", "embed", "mlp"), (2, 8, 12))
    assert leaf.part("fsdp_tp", {"fsdp": 4, "tensor": 2}) == (2, 2, 6)
    assert leaf.part("fsdp_tp", {"fsdp": 4, "tensor": 2}, gathered=True) == (2, 8, 6)
    with pytest.raises(ConfigError, match="'mlp' = 12 is not divisible by the mesh's tensor = 8"):
        leaf.part("tp", {"tensor": 8})


def test_the_state_of_each_optimizer_is_counted():
    """By parameter: AdamW and LAMB have two moments, Lion one, Muon one of most; Adafactor's are negligible."""
    layout, found = Layout("dp", {"data": 4}, 4, 1, "cheap"), {}
    for kind in OPTIMIZERS:
        values = gpt2_pretrain.get_config("small").to_dict()
        values["optimizer"] = {"type": kind, "learning_rate": 1.0}
        for ema_decay in (0.0, 0.5):
            values["optimizer"]["ema_decay"] = ema_decay
            config = RunConfig.from_dict(values)
            spec = RunSpec.create(config, config.data.outline(TokenizerOutline.create(config)))
            model = SizeModel.of(spec)
            parameters = 4 * sum(padded_size(leaf.shape) for leaf in model.leaves)
            found[kind, ema_decay] = model.memory(layout, CHIPS["v5e"])["state"] / parameters
    assert found["adamw", 0.0] == found["lamb", 0.0] == pytest.approx(3, rel=1e-6)
    assert found["lion", 0.0] == pytest.approx(2, rel=1e-6) and 1 < found["adafactor", 0.0] < 1.01
    assert 2.2 < found["muon", 0.0] < 2.4
    assert all(found[kind, 0.5] == pytest.approx(found[kind, 0.0] + 1, rel=1e-6) for kind in OPTIMIZERS)

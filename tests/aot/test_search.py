# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a search considers, refuses and prints; nothing is compiled here."""

import dataclasses
import math

import pytest

from configs import gpt2_pretrain
from tests.aot.configs import tiny
from tests.aot.test_estimate import model
from zoo.aot import search as searching
from zoo.aot import topology
from zoo.aot.report import Overflow, StepReport
from zoo.aot.search import layouts, search, with_layout
from zoo.aot.table import describe, to_dict
from zoo.cost.chips import CHIPS
from zoo.errors import ConfigError
from zoo.sharding.mesh import make_mesh
from zoo.train.config import RunConfig

V5E = CHIPS["v5e"]


def test_layouts_fill_the_devices_and_the_batch():
    found = list(layouts(model("gpt2:small", 1024), 32, 8))
    assert {layout.rules for layout in found} == {"dp", "fsdp", "fsdp_cp"}  # 50,257 words are not split
    for layout in found:
        assert math.prod(layout.mesh.values()) == 8
        assert layout.sequences * layout.grad_accum_steps * layout.mesh["data"] * layout.mesh["fsdp"] == 32
    assert len(set(map(str, found))) == len(found)


def test_the_fastest_that_fits_is_first_and_runs():
    config = tiny(batch_size=64)
    found = search(config, "v5e:2x4", V5E, 8, compiled=0)
    assert found.considered >= found.fitting == len(found.choices)
    best = found.choices[0]
    assert best.seconds == min(choice.seconds for choice in found.choices)
    chosen = with_layout(config, best.layout)
    assert math.prod(make_mesh(chosen.mesh).shape.values()) == 8
    assert (chosen.batch_size, chosen.rules, chosen.model.changes["remat"]) == (
        64,
        best.layout.rules,
        best.layout.remat,
    )
    text = describe(found, config, "v5e:2x4", V5E)
    assert " ".join(best.overrides()) in text and "Nothing was run" in text
    assert to_dict(found, "v5e:2x4")["choices"][0]["overrides"] == best.overrides()


def test_a_mesh_that_cuts_lanes_is_the_last_resort():
    """GPT-2's 1,600 wide vectors cannot be split into multiples of 128, and fit only where they are split."""
    config = gpt2_pretrain.get_config("xl").unlock()
    config.batch_size, config.grad_accum_steps = 16, 1
    found = search(RunConfig.from_dict(config), "v5e:2x2", V5E, 4, compiled=0)
    assert found.choices[0].layout.mesh["fsdp"] == 4
    config.model.num_layers = 4
    found = search(RunConfig.from_dict(config), "v5e:2x2", V5E, 4, compiled=0)
    assert {choice.layout.rules for choice in found.choices} == {"dp"}


def test_what_is_compiled_ranks_by_its_prediction_and_misfits_come_last(monkeypatch):
    asked = []

    class Compiles:
        def __init__(self, config):
            self.config = config

        @classmethod
        def create(cls, config, name):
            del name
            return cls(config)

        def compile(self, step):
            asked.append(self.config.mesh)
            verdict = {"overflow": None} if len(asked) > 1 else {"overflow": Overflow(needed=2, allowed=1, advice=())}
            return StepReport(step=step, sequences=1, tokens=1, compile_seconds=0.0, model_flops=1, **verdict)

    monkeypatch.setattr(searching, "Target", Compiles)
    found = search(tiny(batch_size=64), "v5e:2x4", V5E, 8, compiled=2)
    assert len(asked) == 3 and len(set(asked)) > 1  # one did not fit; other meshes are tried before other policies
    compiled = [choice.compiled for choice in found.choices[:3]]
    assert [step is not None and step.fits for step in compiled] == [True, True, False]


def test_two_slices_share_the_data_axis():
    found = list(layouts(model("gpt2:small", 1024), 32, 8, slices=2))
    assert found and all(layout.mesh["data"] % 2 == 0 for layout in found)


def test_that_none_of_the_compiled_fits_is_an_error(monkeypatch):
    class Refuses:
        @classmethod
        def create(cls, config, name):
            del config, name
            return cls()

        def compile(self, step):
            overflow = Overflow(needed=2, allowed=1, advice=())
            return StepReport(step=step, sequences=1, tokens=1, compile_seconds=0.0, model_flops=1, overflow=overflow)

    monkeypatch.setattr(searching, "Target", Refuses)
    with pytest.raises(ConfigError, match=r"None of the 2 best layouts fits v5e:2x4.* Use more chips"):
        search(tiny(batch_size=64), "v5e:2x4", V5E, 8, compiled=1)


def test_what_cannot_be_planned():
    with pytest.raises(ConfigError, match=r"No preset can shard 7 sequences .* over 8 devices"):
        search(tiny(batch_size=7), "v5e:2x4", V5E, 8, compiled=0)
    small = dataclasses.replace(V5E, hbm_bytes=1000)
    with pytest.raises(ConfigError, match=r"does not fit v5e:2x4: in its smallest layout, .* Use more chips"):
        search(tiny(batch_size=64), "v5e:2x4", small, 8, compiled=0)


@pytest.mark.parametrize(
    ("kind", "chips", "name"), [("v5e", 8, "v5e:2x4"), ("v5p", 600, "v5p:8x8x8"), ("v6e", 3, "v6e:1x1")]
)
def test_a_budget(kind, chips, name):
    assert topology.within(kind, chips) == name


def test_budgets_that_buy_nothing():
    with pytest.raises(ConfigError, match="smallest slice is v5p:2x2x1; raise the budget of 3"):
        topology.within("v5p", 3)
    with pytest.raises(ConfigError, match="v5e:2x2 is a slice already"):
        topology.within("v5e:2x2", 64)
    assert topology.chips("v5e:4x4*2") == 32
    with pytest.raises(ConfigError, match="No slices of 'h100'"):
        topology.within("h100", 8)
    with pytest.raises(ConfigError, match=r"v5e is a chip; name a slice, such as v5e:\S+, or give a budget of chips"):
        topology.within("v5e", None)
    assert topology.within("v5e:2x4", None) == "v5e:2x4"
    assert topology.within("cpu:8", None) == "cpu:8"

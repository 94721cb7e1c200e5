# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Steps compiled for CPUs that are there and for TPUs that are not: shapes, sums, refusals, verdicts."""

import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from tests.aot.configs import CONFIGS as OBJECTIVES
from tests.aot.configs import tiny
from tests.launch.test_train import CONFIGS
from zoo.aot import StepReport, Target, topology
from zoo.aot.target import TokenizerOutline
from zoo.data.pipeline import train_batches
from zoo.errors import ConfigError
from zoo.train.compiler import OPTIONS
from zoo.train.config import RunConfig
from zoo.train.run_spec import RunSpec

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def clm() -> Target:
    return Target.create(tiny(), "cpu:8", ("train", "eval", "prefill", "decode"))


@functools.cache
def compiled(step: str) -> StepReport:
    return clm().compile(step)


@pytest.mark.parametrize("objective", ["clm", "mlm"])
def test_a_train_step(objective):
    target = clm() if objective == "clm" else Target.create(tiny(objective), "cpu:8")
    found = compiled("train") if objective == "clm" else target.compile("train")
    assert found.fits and found.memory is not None
    assert found.program_flops == pytest.approx(found.model_flops, rel=0.01)
    assert found.memory.peak > found.memory.arguments > 0 and found.memory.aliased > 0.9 * found.memory.outputs
    params = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(target.learner.abstract.params))
    table = 512 * 64 * 4  # a tied one, whose gradients as a table and as a product are added on every device by itself
    (traffic,) = found.collectives
    assert (traffic.kind, traffic.axes, traffic.devices) == ("all-reduce", ("data",), 8)
    assert traffic.sent_bytes == pytest.approx(2 * (params + table) * 7 / 8, rel=0.01)
    assert found.prediction is None


@pytest.mark.parametrize("step", ["train", "eval", "prefill", "decode"])
def test_the_peak_holds_the_temporaries(step):
    memory = compiled(step).memory
    assert memory is not None and memory.temporaries > 0
    assert memory.peak >= memory.arguments + memory.outputs - memory.aliased + memory.temporaries


def test_other_steps():
    evaluated, filled, decoded = (compiled(step) for step in ("eval", "prefill", "decode"))
    for found in (evaluated, filled, decoded):
        assert found.program_flops == pytest.approx(found.model_flops, rel=0.01)
    assert filled.tokens == 16 * 16 and decoded.tokens == 16
    assert 3 * evaluated.model_flops == compiled("train").model_flops
    assert decoded.memory is not None and decoded.memory.aliased > 0  # the cache is written in place


def test_splitting_by_heads_and_vocabulary():
    target = Target.create(tiny(mesh="fsdp:2,tensor:4", rules="fsdp_tp"), "cpu:8", ("train", "decode"))
    found = target.compile("train")
    axes = {(traffic.kind, traffic.axes) for traffic in found.collectives}
    assert ("all-reduce", ("tensor",)) in axes and any("fsdp" in over for _, over in axes)
    assert target.compile("decode").fits


def test_recomputation_shows():
    plain, again = compiled("train"), Target.create(tiny(model=dict(remat="full")), "cpu:8").compile("train")
    assert again.model_flops == plain.model_flops
    assert again.program_flops > 1.1 * plain.program_flops
    assert again.fingerprint != plain.fingerprint


def test_accumulation_is_a_loop():
    found = Target.create(tiny(grad_accum_steps=2), "cpu:8").compile("train")
    assert found.program_flops == pytest.approx(found.model_flops, rel=0.01)


class Full:
    """Sixteen examples in which every sequence is full."""

    def __init__(self, target):
        self.info = target.spec.objective.data

    def __len__(self):
        return 16

    def read(self, indices, *, batch=None):
        return self.info.placeholder(len(indices))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_batches_are_those_of_the_pipeline(objective):
    target = clm() if objective == "clm" else Target.create(tiny(objective), "cpu:8")
    batch = next(iter(train_batches(Full(target), target.spec.objective.arrange, batch_size=16, seed=0)))
    assert {name: (array.shape, array.dtype) for name, array in batch.items()} == {
        name: (array.shape, array.dtype) for name, array in target.batch.items()
    }


def test_what_stands_in_for_a_tokenizer():
    clm, mlm = TokenizerOutline.create(tiny()), TokenizerOutline.create(tiny("mlm"))
    assert (clm.vocab_size, clm.mask_id, clm.eos_id) == (512, None, 511)
    assert mlm.mask_id == 511 and mlm.pad_id in mlm.special_ids


@pytest.mark.parametrize("module", CONFIGS)
def test_every_pretraining_config_is_known_without_its_tokenizer(module):
    """Also those whose tokenizer is byte-level and has a mask token, a ready one (base) or one to train (tiny)."""
    for variant in {"base", "tiny"} & {*module.SIZES}:
        run = RunConfig.from_dict(module.get_config(variant))
        RunSpec.create(run, run.data.outline(TokenizerOutline.create(run)))


@pytest.mark.parametrize(
    "changes, steps, message",
    [
        ({}, ["trian"], r"No step 'trian'; choose from train, eval"),
        ({"objective": "mlm"}, ["decode"], r"masked_lm head does not generate text.*leave it out"),
        ({"mesh": "data:7"}, ["train"], r"needs 7 devices; there are 8. This fills them: data:8"),
        ({"batch_size": 20}, ["train"], r"The nearest batch_size that is divisible is 16 or 24"),
        ({"mesh": "tensor:8", "rules": "tp"}, ["train"], r"'heads' = 4 is not divisible .* tensor = 8; 4 would"),
        (
            {"mesh": "fsdp:-1,tensor:4", "rules": "tp", "model": {"vocab_size": 515}},
            ["train"],
            r"tensor = 4; 1 would, or vocab = 640",
        ),
        (
            {"objective": "span_corruption", "mesh": "data:2,context:4", "rules": "fsdp_cp"},
            ["train"],
            r"Sequences of 30 tokens .* context:4, .* set objective.inputs_length to 32, or change the mesh",
        ),
    ],
)
def test_refusals(changes, steps, message):
    with pytest.raises(ConfigError, match=message):
        Target.create(tiny(**changes), "cpu:8", steps)


def test_the_report():
    report = clm().report([compiled("train")])
    assert report.fits and json.loads(json.dumps(report.to_dict()))["steps"][0]["fits"]
    text = report.text()
    assert re.search(r"gpt3-125m \([\d,]+ parameters\), CausalLM, on cpu:8 \(8 chips\)", text)
    assert "all-reduce over data (8)" in text and "predicted" not in text


def test_what_is_not_understood_loses_nothing_else(monkeypatch):
    for module in ("walk", "fusion"):
        monkeypatch.setattr(f"zoo.cost.{module}.WHOLE_ARRAY", frozenset())
    found = clm().compile("eval")
    assert "is unknown" in found.not_analysed and found.memory is not None and found.program_flops is None
    assert any("not analysed" in line for line in found.lines())


def on_tpu(tmp_path: Path, *given: str) -> tuple[int, dict]:
    """The exit code and report of the launcher, for a TPU, in a process of its own, which libtpu needs."""
    try:
        topology.environment()
    except ConfigError as missing:
        pytest.skip(str(missing))
    dropped = ("XLA_FLAGS", "JAX_NUMPY_DTYPE_PROMOTION", "JAX_NUMPY_RANK_PROMOTION")
    flags = {name: value for name, value in os.environ.items() if name not in dropped}
    command = [sys.executable, "-m", "launch.compile", f"--json={tmp_path / 'report.json'}", *given]
    done = subprocess.run(command, cwd=ROOT, env=flags, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr[-3000:]
    return done.returncode, json.loads((tmp_path / "report.json").read_text())


_GROUPS = {
    "": dict(batch_size=16),
    "model.": dict(dtype="bfloat16", stack="scan", width=256, mlp_width=1024, num_layers=2, max_length=1024),
    "data.": {"seq_len": 256, "tokenizer.vocab_size": 8192},
}
SMALL = (
    "--config=configs/gpt2_pretrain.py:tiny",
    "--topology=v5e:2x2",
    *(f"--config.{group}{name}={value}" for group, fields in _GROUPS.items() for name, value in fields.items()),
)


def test_a_tpu_that_is_not_there(tmp_path):
    code, report = on_tpu(tmp_path, *SMALL, "--config.mesh=fsdp:-1", "--config.rules=fsdp")
    (step,) = report["steps"]
    assert code == 0 and report["chip"] == "v5e" and report["chips"] == report["devices"] == 4
    # Attention forwards is two products and backwards five, of one tile; the loss four, one of them again.
    rows, heads = 16 * 256, 4 * 64
    scores, logits = 2 * rows * 256 * heads, 2 * rows * 8192 * 256
    assert step["kernel_flops"] == 2 * 7 * scores + 4 * logits
    outside = step["model_flops"] - 2 * 6 * scores - 3 * logits
    assert step["program_flops"] - step["kernel_flops"] == pytest.approx(outside, rel=0.01)
    assert step["memory"]["peak"] < step["memory"]["capacity"] == int(15.75 * 2**30)
    prediction = step["prediction"]
    assert 0 < prediction["bound_seconds"] < prediction["roofline_seconds"] <= prediction["seconds"] < 1
    assert 0.05 < prediction["mfu"] < 0.7
    apart = sum(one["seconds"] for one in step["operations"]) + prediction["by_category"]["exposed collectives"]
    assert apart == pytest.approx(prediction["seconds"], rel=0.05)  # all but waiting for copies
    assert report["options"] == OPTIONS["v5e"]
    assert {tuple(traffic["axes"]) for traffic in step["collectives"]} == {("fsdp",)}
    assert any(traffic["asynchronous_bytes"] for traffic in step["collectives"])


def test_a_program_that_does_not_fit(tmp_path):
    code, report = on_tpu(tmp_path, *SMALL, "--config.batch_size=16384")
    (step,) = report["steps"]
    assert code == 1 and not report["fits"] and step["memory"] is None
    overflow = step["overflow"]
    assert overflow["needed"] > overflow["allowed"] == int(15.75 * 2**30)
    assert [advice.partition("=")[0] for advice in overflow["advice"]][:2] == ["model.remat", "grad_accum_steps"]


@pytest.mark.slow
@pytest.mark.parametrize("topology_name", ["v4:2x2x1", "v5p:2x2x1", "v6e:2x2", "tpu7x:2x2x1"])
def test_every_chip(tmp_path, topology_name):
    _, report = on_tpu(
        tmp_path, *SMALL, "--config.model.remat=full", f"--topology={topology_name}", "--config.mesh=fsdp:-1",
        "--config.rules=fsdp", "--steps=train,eval,prefill,decode",
    )  # fmt: skip
    assert report["fits"] and not any(step["not_analysed"] for step in report["steps"])


@pytest.mark.slow
def test_a_size_of_gpt3(tmp_path):
    _, report = on_tpu(tmp_path, "--config=configs/gpt3_pretrain.py:6_7b", "--topology=v5p:4x4x8")
    assert report["fits"] and 0.2 < report["steps"][0]["prediction"]["mfu"] < 0.9

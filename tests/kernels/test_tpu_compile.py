# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The TPU's own compiler takes every kernel, alone and in whole train steps, and no score or logit matrix is left."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.aot import topology
from zoo.errors import ConfigError
from zoo.kernels.attention import specs

SCRIPT = Path(__file__).with_name("compile_for_tpu.py")
CHIPS = {"v5e": "v5e:2x2", "v5p": "v5p:2x2x1", "v6e": "v6e:2x2", "tpu7x": "tpu7x:2x2x1"}
ROWS = 4  # a chip, in the script
VOCAB = {"bert": 30522, "gpt2": 50257}
LENGTH = {"bert": 512, "gpt2": 1024}
ATTENTION = ["attention_backward", "attention_forward"]
LOSS = ["softmax_xent_backward", "softmax_xent_forward"]


def compile_all(chip: str, programs: list[str]) -> list[dict]:
    try:
        environment = topology.environment()
    except ConfigError as missing:
        pytest.skip(str(missing))
    flags = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    flags["PYTHONPATH"] = str(SCRIPT.parents[2])
    # Strict promotion is for our own code, not for optax in the step.
    flags |= dict(environment) | {"JAX_NUMPY_DTYPE_PROMOTION": "standard", "JAX_NUMPY_RANK_PROMOTION": "allow"}
    command = [sys.executable, str(SCRIPT), CHIPS[chip], *programs]
    done = subprocess.run(command, env=flags, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == len(programs), f"{programs[len(found)]}:\n{done.stderr[-3000:]}"
    return found


def check_attention(found: dict) -> None:
    case = specs.case(found["program"].partition(":")[2])
    assert found["kernels"] == ATTENTION and found["calls"] == 2
    given = math.prod(case.bias_shape or (0,))
    if case.relative_shapes:
        given = ROWS * math.prod(case.relative_shapes["differs"].shape[1:])
    for _, shape in found["shapes"]:
        if case.T in shape and shape.count(case.T) + shape.count(case.keys) >= 4 // (1 + (case.T != case.keys)):
            assert math.prod(shape) <= given, f"{found['program']} holds {shape}"


def check_loss(found: dict) -> None:
    vocab = int(found["program"].split(":")[1])
    assert found["kernels"] == LOSS and found["calls"] == 2
    assert not [shape for _, shape in found["shapes"] if vocab in shape and {500, 2000, 2048} & set(shape)]


def check_step(found: dict) -> None:
    family = found["program"].split(":")[1]
    length, vocab = LENGTH[family], VOCAB[family]
    assert found["kernels"] == [*ATTENTION, *LOSS]
    positions = 77 if family == "bert" else length
    table = vocab * 768
    for dtype, shape in found["shapes"]:
        assert shape.count(length) < 2, f"{found['program']} holds scores: {dtype} {shape}"
        if dtype == "f32" and 768 not in shape:
            assert math.prod(shape) <= max(ROWS * positions * vocab / 8, 2 * length * 3072 * ROWS), (
                f"{found['program']} holds logits: {shape} (the table has {table})"
            )


def check(chip: str, programs: list[str]) -> None:
    checks = {"attention": check_attention, "loss": check_loss, "step": check_step}
    for found in compile_all(chip, programs):
        checks[found["program"].partition(":")[0]](found)


def test_compiles():
    names = ("bert-base-512-dropout", "gpt2-1024", "t5-base-512", "gpt3-2.7b-2048")
    check("v5e", [*(f"attention:{name}" for name in names), "loss:30522:768:bfloat16", "step:bert:2"])


@pytest.mark.slow
@pytest.mark.parametrize("chip", CHIPS)
def test_every_row_of_the_table_compiles(chip):
    check(chip, [f"attention:{case.name}" for case in specs.CASES])


@pytest.mark.slow
@pytest.mark.parametrize("chip", CHIPS)
def test_the_loss_compiles_at_every_width(chip):
    widths = {"bfloat16": (64, 128, 768, 1600, 4096), "float32": (768, 1920)}
    check(chip, [f"loss:50257:{width}:{dtype}" for dtype in widths for width in widths[dtype]])


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("chip", CHIPS)
def test_every_train_step_compiles(chip, family):
    check(chip, [f"step:{family}:12"])

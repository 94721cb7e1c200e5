# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a program costs as layers or chips are added, by the TPU's compiler."""

import pytest

from configs import gpt2_pretrain
from zoo.aot import Target
from zoo.aot.report import StepReport
from zoo.train.config import RunConfig

ROWS = 4  # of a chip


def compiled(place: str, chips: int, **changes) -> StepReport:
    config = gpt2_pretrain.get_config("small").unlock()
    config.batch_size, config.grad_accum_steps, config.model.remat = ROWS * chips, 1, "cheap"
    config.model.update(changes)
    return Target.create(RunConfig.from_dict(config), place).compile("train")


@pytest.mark.slow
@pytest.mark.usefixtures("tpu_compiler")
def test_depth_costs_no_compile_time_and_no_program():
    short, long = (compiled("v5e:2x2", 4, num_layers=layers) for layers in (12, 48))
    assert short.program_bytes is not None and long.program_bytes is not None
    assert long.program_bytes < 1.15 * short.program_bytes
    assert long.compile_seconds < 1.15 * short.compile_seconds


@pytest.mark.slow
@pytest.mark.usefixtures("tpu_compiler")
def test_more_chips_do_not_change_the_cost_of_one():
    """From 4 to 256 chips, operations and bytes of each stay within 2 %."""
    few, many = compiled("v5e:2x2", 4, num_layers=4), compiled("v5e:16x16", 256, num_layers=4)
    for name, chips in (("program_flops", (4, 256)), ("main_memory_bytes", (1, 1))):
        one, other = (getattr(report, name) / count for report, count in zip((few, many), chips, strict=True))
        assert other == pytest.approx(one, rel=0.02), name
    assert few.memory is not None and many.memory is not None
    assert many.memory.peak == pytest.approx(few.memory.peak, rel=0.02)

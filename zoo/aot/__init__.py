# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Steps compiled ahead of time for devices that need not be there: whether they fit, what they do, how long they take.

Nothing is run, read or allocated: neither corpus nor tokenizer, only shapes. A TPU's compiler decides on a learner
without a TPU what it would decide on one with it, so that a program that runs out of memory is found before the first
chip is paid for (as MaxText's train_compile.py and axlearn's run_aot_compilation.py do). Times are predictions by
`zoo.cost.roofline`, never measurements.

    target = Target.create(config, "v5e:4x4")
    print(target.report([target.compile("train")]).text())
"""

from zoo.aot.report import Exchange, Memory, Overflow, Report, StepReport
from zoo.aot.target import STEPS, Target

__all__ = ["STEPS", "Exchange", "Memory", "Overflow", "Report", "StepReport", "Target"]

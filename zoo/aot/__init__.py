# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Steps compiled ahead of time, for devices that need not be present: their memory, operations and predicted time.

Nothing is run, read or allocated: neither dataset nor tokenizer, only shapes. The TPU's compiler makes the same program
on a machine without a TPU as on one with it, so that a program that runs out of memory is found before the first chip
is paid for (as MaxText's train_compile.py and axlearn's run_aot_compilation.py do). Times are predictions by
`zoo.cost.roofline`, never measurements.

    target = Target.create(config, "v5e:4x4")
    print(target.report([target.compile("train")]).text())

Each name is imported when it is first used, so that `zoo.aot.topology` alone costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.aot.report import CollectiveTraffic as CollectiveTraffic
    from zoo.aot.report import Memory as Memory
    from zoo.aot.report import Overflow as Overflow
    from zoo.aot.report import Report as Report
    from zoo.aot.report import StepReport as StepReport
    from zoo.aot.target import STEPS as STEPS
    from zoo.aot.target import Target as Target

_REPORT = "zoo.aot.report"
_TARGET = "zoo.aot.target"
_PUBLIC = {
    "STEPS": _TARGET,
    "CollectiveTraffic": _REPORT,
    "Memory": _REPORT,
    "Overflow": _REPORT,
    "Report": _REPORT,
    "StepReport": _REPORT,
    "Target": _TARGET,
}

__all__ = ["STEPS", "CollectiveTraffic", "Memory", "Overflow", "Report", "StepReport", "Target"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'zoo.aot' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value

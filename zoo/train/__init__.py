# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Training: from a frozen config to a trained model, its checkpoints and its curves.

The public functions are `RunConfig`, `train`, `train_seeds` and `evaluate_workdir`; each is imported when it is first
used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.train.config import RunConfig as RunConfig
    from zoo.train.evaluate import evaluate_workdir as evaluate_workdir
    from zoo.train.loop import train as train
    from zoo.train.seeds import train_seeds as train_seeds

_PUBLIC = {
    "RunConfig": "zoo.train.config",
    "evaluate_workdir": "zoo.train.evaluate",
    "train": "zoo.train.loop",
    "train_seeds": "zoo.train.seeds",
}

__all__ = ["RunConfig", "evaluate_workdir", "train", "train_seeds"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'zoo.train' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)

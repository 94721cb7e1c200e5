# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Training: from a frozen config to a trained model, its checkpoints and its curves.

The doors are `RunConfig`, `train` and `evaluate_workdir`; each is imported when first used, so that a
typo in a config is refused before the slow libraries load.
"""

import importlib

_DOORS = {
    "RunConfig": "zoo.train.config",
    "train": "zoo.train.loop",
    "evaluate_workdir": "zoo.train.evaluate",
}

__all__ = sorted(_DOORS)


def __getattr__(name: str):
    if name not in _DOORS:
        raise AttributeError(f"module 'zoo.train' has no attribute {name!r}; its doors are {', '.join(__all__)}")
    return getattr(importlib.import_module(_DOORS[name]), name)

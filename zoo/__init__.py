# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A JAX/Flax NNX model zoo: shared Transformer blocks composed into BERT, T5, GPT and their kin, from text to a model.

The doors are `load`, `save`, `create`, `config`, `tokenizer` and `generate`; each is imported when first used, as the
rooms (`zoo.parallel`) are, so that `import zoo` costs nothing and touches no device.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_DOORS = {
    "load": "zoo.convert.hub",
    "save": "zoo.convert.hub",
    "tokenizer": "zoo.convert.hub",
    "config": "zoo.convert.hub",
    "create": "zoo.registry",
    "generate": "zoo.generation",
}

_ROOMS = ("convert", "data", "errors", "kernels", "models", "nn", "parallel", "registry", "tasks", "train")

__all__ = sorted(_DOORS)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"zoo.{name}")
    if name not in _DOORS:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}; its doors are {', '.join(__all__)}")
    door = getattr(importlib.import_module(_DOORS[name]), name)
    globals()[name] = door
    return door


def __dir__() -> list[str]:
    return [*globals(), *__all__]

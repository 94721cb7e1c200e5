# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A JAX/Flax NNX model zoo: shared Transformer blocks composed into BERT, T5, GPT and their relatives.

The public API is `load`, `save`, `create`, `config`, `tokenizer`, `generate`, `embed` and `fill_mask`. Each is imported
when it is first used, as the packages (`zoo.sharding`) are, so that `import zoo` costs nothing and touches no device.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.embedding import embed as embed
    from zoo.generation import generate as generate
    from zoo.hub.load import config as config
    from zoo.hub.load import load as load
    from zoo.hub.load import tokenizer as tokenizer
    from zoo.hub.save import save as save
    from zoo.masks import fill_mask as fill_mask
    from zoo.models.registry import create as create

__version__ = "0.1.0"

_PUBLIC = {
    "config": "zoo.hub.load",
    "create": "zoo.models.registry",
    "embed": "zoo.embedding",
    "fill_mask": "zoo.masks",
    "generate": "zoo.generation",
    "load": "zoo.hub.load",
    "save": "zoo.hub.save",
    "tokenizer": "zoo.hub.load",
}

__all__ = ["config", "create", "embed", "fill_mask", "generate", "load", "save", "tokenizer"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        function = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = function
        return function
    try:
        return importlib.import_module(f"zoo.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"zoo.{name}":
            raise
        raise AttributeError(
            f"module 'zoo' has no attribute {name!r}; the public API is {', '.join(__all__)}"
        ) from None


def __dir__() -> list[str]:
    return [*globals(), *__all__]

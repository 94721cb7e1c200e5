# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What the config files share."""

from typing import Any


def choose(variants: dict[str, Any], variant: str) -> Any:
    """The entry of `variant`, the part after the colon in `--config=configs/NAME.py:VARIANT`."""
    if variant not in variants:
        raise ValueError(f"no variant is called {variant!r}; the variants of this config are {', '.join(variants)}.")
    return variants[variant]


def model(name: str, *, dropout: float, dtype: str = "bfloat16", **changes: Any) -> dict[str, Any]:
    """A registry model, with the fields that a run most often overrides spelled out so that a flag can set them."""
    execution = {"stack": "scan", "remat": "none", "dtype": dtype}
    rates = {"embed_dropout": dropout, "hidden_dropout": dropout, "attention_dropout": dropout}
    return {"name": name, **execution, **rates, **changes}

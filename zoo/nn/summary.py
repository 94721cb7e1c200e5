# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The few lines that `print(model)` shows."""

from collections.abc import Sequence
from typing import Any

from zoo.nn.config import TransformerConfig
from zoo.nn.heads import LABEL_HEADS


def summary(config: TransformerConfig, kind: str, head: str | None, params: Sequence[Any]) -> str:
    """Family, sizes, head, number of parameters and dtypes of a model of class `kind`, a line each."""
    depth = f"{config.num_layers} layers"
    if config.decoder_layers is not None and kind == "EncoderDecoder":
        depth = f"{config.num_layers} encoder and {config.decoder_layers} decoder layers"
    shared = f" with {config.layers_stored} sets of parameters" if config.layers_stored != config.num_layers else ""
    stored = ", ".join(sorted({str(param.dtype) for param in params}))
    lines = {
        "family": config.family,
        "layers": f"{depth}{shared}, {config.norm_order}-norm",
        "width": f"{config.width}, feed-forward {config.mlp_width}, embeddings {config.embedding_width}",
        "attention": f"{config.num_heads} heads of {config.head_width}{_attention(config)}",
        "vocabulary": f"{config.vocab_size:,} tokens",
        "positions": f"{config.positions}, up to {config.max_length:,} tokens",
        "head": f"{head}{_labels(config, head)}",
        "parameters": f"{sum(param.size for param in params):,}",
        "dtype": f"{config.execution.dtype}, parameters {stored or config.execution.param_dtype}",
    }
    return "\n".join([f"{kind}(", *(f"  {name + ':':<12}{value}" for name, value in lines.items()), ")"])


def _attention(config: TransformerConfig) -> str:
    windows = "" if set(config.attention.window) == {None} else f", windows {config.attention.window}"
    return f"{', causal' if config.attention.causal else ''}{windows}"


def _labels(config: TransformerConfig, head: str | None) -> str:
    return f", {config.num_labels} labels" if head in LABEL_HEADS else ""
